"""The Lagrangian bound over a choice of one row per nest (see `branch`), and the rows that it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_nodes import Prices, followed
from pom.dse.nest_table import NestTable
from pom.dse.shared_banks import Part

_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

PRICES = (0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.8, 3.0)
"""Prices that are tried, in cycles of the whole per device's worth of LUT."""
BATCH = 12
"""Rows that are looked at together."""
LONGER = (2.0, 4.0, 8.0)
"""Ratios of longer intervals that are told apart."""
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
                    (p.n, first_open(v, p.rows, tables[p.n], is_helped=p.is_helped))
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
    half = table.is_half_known[rows]
    memory = table.may_be_faster[rows] & ~known & ~half
    helped = table.is_relieved[rows] | half | memory
    least = np.maximum(table.least_own[rows] - CONTROL_LUT, 0.0)
    cells = [(rows, cycles[rows], own[rows] + apart, operators[rows], helped, least)]
    alone = rows[table.is_relieved[rows] | half]
    as_alone = np.maximum(cycles[alone], (table.known.loops + table.between)[alone])
    of_alone = table.known.beside_lut(CONTROL_LUT)[alone], table.known.by_operator[alone]
    cells.append((alone, as_alone, *of_alone, *no_help(len(alone))))
    in_memory = rows[memory]
    without = np.maximum(cycles, table.alone_cycles(interval) + table.between)
    as_is = without[in_memory], own[in_memory] + apart[memory]
    cells.append((in_memory, *as_is, operators[in_memory], *no_help(len(in_memory))))
    later, flags = rows[~known], (half[~known], np.zeros(int((~known).sum())))
    for more, divisor in _longer(interval[later]):
        slower = cycles[later] + table.full[later] * more
        lut = own[later] + apart[~known] / divisor
        cells.append((later, slower, lut, operators[later] / divisor, *flags))
    return Part(n, *(np.concatenate(columns) for columns in zip(*cells, strict=True)))


def _longer(interval: _Floats) -> Iterator[tuple[_Floats, float]]:
    """Ranges of longer intervals: how many cycles more they have at the least, and of how many times the
    interval none of them is longer, so that operators are shared no more often."""
    yield np.ones(len(interval)), LONGER[0]
    for ratio, most in pairwise((*LONGER, np.inf)):
        yield (ratio - 1.0) * interval, most


def no_help(count: int) -> tuple[_Mask, _Floats]:
    """Columns of cells that no banks of other nests help."""
    return np.zeros(count, dtype=bool), np.zeros(count)


def is_open(table: NestTable, part: Part, cell: int) -> bool:
    """Whether there is something to ask about the row of a cell, to raise what the cell adds to a bound."""
    return table.is_open(int(part.rows[cell]), is_helped=bool(part.is_helped[cell]))


def first_open(
    values: _Floats,
    rows: NDArray[np.int64],
    table: NestTable,
    most: int = BATCH,
    is_helped: _Mask | None = None,
) -> tuple[int, ...]:
    """Rows with the lowest values, up to the first about which there is nothing to ask.

    Parameters
    ----------
    values, rows : array of float and of int, shape (m,)
    table : NestTable
    most : int
        Values that are looked at.
    is_helped : array of bool, shape (m,), optional
        Whether a value is what a row takes where other nests help it; all of them, without.
    """
    count = min(most, len(values))
    near = np.argpartition(values, count - 1)[:count]
    found: list[int] = []
    for at in near[np.lexsort((rows[near], values[near]))].tolist():
        row = int(rows[at])
        may_help = is_helped is None or bool(is_helped[at])
        if values[at] == np.inf or not table.is_open(row, is_helped=may_help):
            break
        if row not in found:
            found.append(row)
    return tuple(found)
