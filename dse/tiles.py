"""Tiles in triangles: the innermost loop is cut, and the loop over its tiles goes outermost.

A sum into a triangle of elements has its loop outside, so that neighbours wait for nobody, and its
pipeline is filled for every row of blocks, again and again:

    for k: for j0: for i0 in 0..j0                 for i0: for j0 in i0..: for k: for i2 in 0..12
        [lanes]                            →           [lanes]

A tile runs in full, with guards in the lanes: so the loops around it are one pipeline, in which as
many iterations lie between two steps of a sum as a tile has. What tiles cover beyond the triangle is
the price.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from pom.dse.blocks import block_counts
from pom.dse.bounds import Candidates, latency_bound
from pom.dse.nests import Nest
from pom.dse.realise import block_end, block_limit
from pom.ir.poly import PolyProgram

MORE = 2
"""Iterations between two steps of a sum beyond what the operators take."""


def may_be_tiled(program: PolyProgram, nest: Nest, order: tuple[str, ...]) -> bool:
    """Whether the innermost loop of an order may be tiled, and a sum is what it may be tiled for."""
    if nest.is_box or nest.prefix or nest.company or nest.sums or len(nest.statements) > 1:
        return False
    if len(order) != 3 or (order[-1], *order[:-1]) not in nest.orders:
        return False
    free = block_counts(program, nest).free
    is_sum = any(
        name == order[-2] and low > 0 for r in nest.recurrences for name, low, _ in r.distance
    )
    return order[-2] in free and order[-1] not in free and is_sum


def tiled(program: PolyProgram, base: Candidates, nest: Nest) -> Candidates | None:
    """The rows of an order with tiles, one for every choice of factors that a tile goes with; None
    without any.

    The loops around a tile are those of lanes as long as the tile, in the order that they have: it is
    run as often as such lanes, and every time in full. Where that cannot be counted, there is no row.
    """
    extents, tile = base.chains.shape.extents, np.zeros(len(base.factors), dtype=np.int64)
    least = int(base.chains.longest_step) + MORE
    limits = [block_limit(program, nest, loop) for loop in base.order]

    def is_within(column: int, size: int) -> bool:
        limit, loop = limits[column], nest.loop(base.order[column])
        return size == 1 or (limit is not None and block_end(loop, size) <= limit)

    @cache
    def tiles(lanes: int) -> tuple[int, ...]:
        longer = range(least * lanes, int(extents[-1]), lanes)
        return tuple(size for size in longer if is_within(len(extents) - 1, size))

    usable = (base.factors < extents).all(axis=1) & (base.factors[:, -2] == 1) & (base.lanes > 1)
    for column in range(len(extents) - 1):
        blocks = base.factors[:, column]
        within = [size for size in np.unique(blocks).tolist() if is_within(column, size)]
        usable &= np.isin(blocks, within)
    for row in np.flatnonzero(usable).tolist():
        factors = base.factors[row].tolist()
        tile[row] = _tile(tiles(factors[-1]), factors, int(extents[-1]))
    rows = np.flatnonzero(tile)
    if not len(rows):
        return None
    order = (base.order[-1], *base.order[:-1])
    sizes = np.column_stack((base.factors[rows, -1] * tile[rows], base.factors[rows, :-1]))
    is_flat = np.ones(len(rows), dtype=bool)
    counted = block_counts(program, nest).least_of(order, sizes, is_flat, is_single=True)
    is_known = counted.inside >= 0
    if not is_known.any():
        return None
    rows, full = rows[is_known], counted.iterations[is_known] * tile[rows[is_known]]
    full, runs = np.maximum(full, 1.0), np.ones(len(rows))
    interval, depth = base.compute[rows], base.depth[rows]
    bound = latency_bound(full, np.zeros(len(rows)), interval, depth, runs)
    bound = np.maximum(bound, base.serial[rows])
    ranked = np.lexsort((base.lanes[rows], bound))
    rows = rows[ranked]
    return replace(
        base,
        factors=base.factors[rows],
        bound=bound[ranked],
        lanes=base.lanes[rows],
        iterations=base.iterations[rows],
        full=full[ranked],
        rest=base.rest[rows],
        interval=base.compute[rows],
        depth=base.depth[rows],
        access=base.access[rows],
        rest_access=base.rest_access[rows],
        runs=runs,
        dsp=base.dsp[rows],
        lut=base.lut[rows],
        compute=base.compute[rows],
        serial=base.serial[rows],
        operators=base.operators.of_rows(rows),
        tile=tile[rows],
    )


def _tile(sizes: tuple[int, ...], factors: list[int], extent: int) -> int:
    """Blocks of the smallest tile that blocks along other loops end with; 0 for none.

    A loop that varies counts with the middle of its range, as tools count it, rounded: of few trips that
    is much. So only tiles count with which the middle is a whole number.
    """
    for size in sizes:
        tiles = -(-extent // size)
        if size % factors[0] == 0 and (size // factors[0]) * (tiles + 1) % 2 == 0:
            return size // factors[-1]
    return 0
