"""Designs in which nests together split an array completely, so that it becomes registers.

An array has the least common multiple of the banks that its nests want. Where that is as many as it
has elements, no load waits for a port of it. A nest alone may want far fewer, and a design with one
other nest is not there yet, so they are looked for: rows of all nests that use the array, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pom.dse.nest_table import NestTable
from pom.dse.other_banks import joint_banks
from pom.dse.shared_banks import Part, SharedBanks

COMBINATIONS = 50_000
"""Choices of rows that are looked at."""
LOOKED_AT = 200
"""Of those that make registers, so many are looked at closely, the fastest first."""
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]
Design = tuple[int, ...]


def register_design(
    array: str,
    design: Design,
    parts: Sequence[Part],
    tables: Sequence[NestTable],
    shared: SharedBanks,
    limit: float,
    best: float,
) -> tuple[Design, float] | None:
    """The design that promises to be fastest of those that make registers of an array.

    Parameters
    ----------
    array : str
    design : tuple of int
        A row per nest, for those that do not use the array.
    parts : sequence of Part
        What is expected of rows.
    tables : sequence of NestTable
    shared : SharedBanks
    limit, best : float
        LUT and cycles that it may be expected to need.

    Returns
    -------
    tuple of (design, LUT that it is expected to need), optional
        None where there is none.
    """
    users = [n for n in range(len(tables)) if any(name == array for name, _ in shared.keys[n])]
    cells = [_best_of_classes(n, parts[n], tables[n], shared) for n in users]
    most = int(COMBINATIONS ** (1 / len(users)))
    rows = [parts[n].rows[found[:most]] for n, found in zip(users, cells, strict=True)]
    cycles = [tables[n].least_cycles()[of] for n, of in zip(users, rows, strict=True)]
    lut = [
        parts[n].own[found[:most]] + shared.register_lut(n, array, of)
        for n, found, of in zip(users, cells, rows, strict=True)
    ]
    others = [n for n in range(len(tables)) if n not in users]
    rest = sum(float(tables[n].least_cycles()[design[n]]) for n in others)
    total = _sum_of_all(cycles) + rest
    is_good = (total < best) & (_sum_of_all(lut) <= limit)
    is_good &= _is_complete(array, users, rows, tables, shared)
    places = np.flatnonzero(is_good)
    for place in places[np.argsort(total.ravel()[places], kind="stable")][:LOOKED_AT].tolist():
        at = np.unravel_index(place, total.shape)
        chosen = dict(enumerate(design))
        chosen.update({n: int(of[k]) for n, of, k in zip(users, rows, at, strict=True)})
        found = tuple(chosen[n] for n in range(len(tables)))
        needed = _expected_lut(found, parts, tables, shared)
        if needed <= limit:
            return found, needed
    return None


def _best_of_classes(n: int, part: Part, table: NestTable, shared: SharedBanks) -> _Ints:
    """Cells of the fastest row of every class, the fastest first: ports are nothing to wait for."""
    cycles = table.least_cycles()[part.rows]
    order = np.lexsort((part.own, cycles))
    _, first = np.unique(shared.classes[n][part.rows[order]], return_index=True)
    found: _Ints = order[np.sort(first)]
    return found


def _sum_of_all(values: Sequence[_Floats]) -> _Floats:
    """The sums of one value of each of some arrays, a dim for each."""
    total = np.zeros((1,) * len(values))
    for axis, of_axis in enumerate(values):
        total = total + _along(of_axis, axis, len(values))
    return total


def _along(values: NDArray[Any], axis: int, dims: int) -> NDArray[Any]:
    return values.reshape([-1 if n == axis else 1 for n in range(dims)])


def _is_complete(
    array: str,
    users: Sequence[int],
    rows: Sequence[_Ints],
    tables: Sequence[NestTable],
    shared: SharedBanks,
) -> NDArray[np.bool_]:
    """Whether rows of all users of an array split every dim of it completely, together."""
    found = np.ones((1,) * len(users), dtype=bool)
    for (name, dim), size in shared.sizes.items():
        if name != array:
            continue
        banks = np.ones((1,) * len(users), dtype=np.int64)
        for axis, (n, of) in enumerate(zip(users, rows, strict=True)):
            wanted = tables[n].banks.get((name, dim))
            if wanted is not None:
                banks = joint_banks(banks, _along(wanted[of], axis, len(users)), size)
        found = found & (banks >= size)
    return found


def _expected_lut(
    design: Design, parts: Sequence[Part], tables: Sequence[NestTable], shared: SharedBanks
) -> float:
    """LUT of a design, by what is expected of its rows."""
    banks = shared.wanted_by(dict(enumerate(design)))
    needed, operators = 0.0, []
    for part, table, row in zip(parts, tables, design, strict=True):
        needed += float(shared.extra_lut(part.n, banks, np.array([row]))[0])
        cells = np.flatnonzero(part.rows == row)
        if len(cells):
            needed += float(part.own[cells[0]])
            operators.append(part.operators[cells[0]])
        else:
            # the row of a design may be none that is expected to be the best of its factors
            needed += float(table.guesses().own[row])
            operators.append(table.known.by_operator[row])
    return needed + float(np.max(operators, axis=0).sum())
