"""The Lagrangian bound over a choice of one row per nest (see `branch`), and the rows that it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_nodes import Prices, followed
from pom.dse.nest_table import OPEN, NestTable
from pom.dse.shared_banks import Part

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

PRICES = (0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.8, 3.0)
"""Prices that are tried, in cycles of the whole per device's worth of LUT."""
BATCH = 12
"""Rows that are looked at together."""
STEPS = 4
"""How often the shares of the operators are adapted for a price."""
CONTROL_LUT = 40.0
"""LUT of states that a nest alone has and beside other nests shares."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound with the rows that reach it: what to look at to raise it.

    Parameters
    ----------
    cycles : float
    rows : tuple of (int, tuple of int)
        Per nest, rows that were not evaluated and come first; the others are no lower.
    design : tuple of int
        The rows that reach it, one per nest, where all of them were evaluated.
    later : tuple of (int, tuple of int)
        Per nest, rows that come after `rows`.
    """

    cycles: float
    rows: tuple[tuple[int, tuple[int, ...]], ...] = ()
    design: tuple[int, ...] = ()
    later: tuple[tuple[int, tuple[int, ...]], ...] = ()


def dual_bound(
    parts: list[Part], tables: Sequence[NestTable], bound: Bound, limit: float
) -> tuple[Bound, Prices]:
    """The Lagrangian bound, for a few prices, with shares that follow the operators."""
    weights = np.array([max(float(p.cycles.min()), 1.0) for p in parts])
    kinds = parts[0].operators.shape[1]
    even = np.repeat((weights / weights.sum())[:, None], kinds, axis=1)
    # where no price gives more than the sum, a small one tells what needs less
    best = Prices(PRICES[1] * bound.cycles / limit, even)
    for price in PRICES:
        per_lut, shares = price * bound.cycles / limit, even
        for _ in range(STEPS):
            values = [
                p.cycles + per_lut * (p.own + p.operators @ w)
                for p, w in zip(parts, shares, strict=True)
            ]
            value = sum(float(v.min()) for v in values) - per_lut * limit
            if value > bound.cycles:
                rows = [
                    (p.n, first_open(v, p.rows, tables[p.n]))
                    for p, v in zip(parts, values, strict=True)
                ]
                bound, best = Bound(value, tuple(rows)), Prices(per_lut, shares)
            shares = followed(shares, parts, values)
    return bound, best


def least_own(table: NestTable) -> _Floats:
    """LUT that a row needs besides operators, at the least."""
    known = table.known.beside_lut(CONTROL_LUT)
    helped = np.minimum(known, table.relieved.beside_lut(CONTROL_LUT))
    own: _Floats = np.where(table.is_exact, known, table.own_lut)
    own[table.is_relieved] = helped[table.is_relieved]
    return own


def part_of(
    n: int,
    table: NestTable,
    cycles: _Floats,
    interval: _Floats,
    rows: NDArray[np.int64],
    own: _Floats,
) -> Part:
    """The rows as they are, and those that are not known with longer intervals, too.

    Rows that the banks of other nests may help are there as they are without that, too.
    """
    known = table.is_exact[rows] | table.is_relieved[rows]
    operators = np.zeros((len(table), table.known.by_operator.shape[1]))
    operators[:, : table.by_operator.shape[1]] = table.by_operator / interval[:, None]
    operators[table.is_exact] = table.known.by_operator[table.is_exact]
    operators[table.is_relieved] = table.relieved.by_operator[table.is_relieved]
    apart = np.where(known, 0.0, table.apart[rows] / interval[rows])
    helped = table.is_relieved[rows] | ((table.saved[rows] > 0) & ~known)
    least = np.maximum(table.least_own[rows] - CONTROL_LUT, 0.0)
    cells = [(rows, cycles[rows], own[rows] + apart, operators[rows], helped, least)]
    alone = rows[table.is_relieved[rows]]
    as_alone = np.maximum(cycles[alone], table.known.loops[alone])
    of_alone = table.known.beside_lut(CONTROL_LUT)[alone], table.known.by_operator[alone]
    cells.append((alone, as_alone, *of_alone, *no_help(len(alone))))
    memory = helped & ~known
    in_memory = rows[memory]
    as_is = cycles[in_memory] + table.saved[in_memory], own[in_memory] + apart[memory]
    cells.append((in_memory, *as_is, operators[in_memory], *no_help(len(in_memory))))
    later = rows[~known]
    for more, divisor in ((np.ones(len(later)), 4.0), (3 * interval[later], np.inf)):
        slower = cycles[later] + table.full[later] * more
        lut = own[later] + apart[~known] / divisor
        cells.append((later, slower, lut, operators[later] / divisor, *no_help(len(later))))
    return Part(n, *(np.concatenate(columns) for columns in zip(*cells, strict=True)))


def no_help(count: int) -> tuple[_Mask, _Floats]:
    """Columns of cells that no banks of other nests help."""
    return np.zeros(count, dtype=bool), np.zeros(count)


def first_open(
    values: _Floats, rows: NDArray[np.int64], table: NestTable, most: int = BATCH
) -> tuple[int, ...]:
    """Rows with the lowest values, up to the first that is known."""
    count = min(most, len(values))
    near = np.argpartition(values, count - 1)[:count]
    found: list[int] = []
    for at in near[np.lexsort((rows[near], values[near]))].tolist():
        row = int(rows[at])
        if table.state[row] != OPEN or values[at] == np.inf:
            break
        if row not in found:
            found.append(row)
    return tuple(found)
