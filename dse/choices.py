"""The fastest choice of one row per nest within a limit on logic: a multiple-choice knapsack.

Operators are shared, so of every kind the nest that needs most counts. For any shares that add up to 1
that is at least the sum of the nests' shares, with which the knapsack is one. Where the answer does not
fit as it is, the choices are split in two by the most that a nest has of a kind: those with less, and
those that pay for as many; and again, for the half that may be faster.

Nests are joined one by one. Of the choices for those that are joined, only the ones count that no
other beats in both cycles and LUT, that leave room for the least that the others need, and that are
fast enough. Choices with nearly equal cycles are taken together, as fast as the fastest and as small
as the smallest of them: so the answer is a lower bound, by less than a grain per nest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SPLITS = 8
"""How often choices are split by the operators that nests share."""
LEAST_LUT = 1.0
"""Less than this is not worth a split."""
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fastest:
    """The fastest choice.

    Parameters
    ----------
    cycles : float
        No choice is faster.
    cells : tuple of int
        One per nest: a choice within the limit that takes this long, or a few grains longer.
    """

    cycles: float
    cells: tuple[int, ...]


def fastest_choice(
    cycles: Sequence[_Floats],
    lut: Sequence[_Floats],
    limit: float,
    most: float = float("inf"),
    grain: float = 0.0,
) -> Fastest | None:
    """Minimise the sum of cycles under a limit for the sum of LUT.

    Parameters
    ----------
    cycles, lut : sequence of array of float
        Per nest, one value a cell; infinite cycles for cells that are out of the question.
    limit : float
    most : float
        Choices that are not faster are of no interest.
    grain : float
        Cycles that need not be told apart.

    Returns
    -------
    Fastest or None
        None where no choice within the limit is faster than `most`.
    """
    nests = _nests(range(len(cycles)), cycles, lut)
    if nests is None:
        return None
    joined = _joined(nests, NOTHING, limit, most, grain)
    return None if joined is None else _matched(joined, NOTHING, limit, most)


def fastest_sharing(
    cycles: Sequence[_Floats],
    own: Sequence[_Floats],
    operators: Sequence[_Floats],
    shares: _Floats,
    limit: float,
    most: float,
    grain: float,
) -> Fastest | None:
    """`fastest_choice` with operators that nests share.

    Parameters
    ----------
    cycles, own : sequence of array of float
        Per nest, one value a cell; LUT besides operators.
    operators : sequence of array of float, shape (cells, kinds)
        Per nest, LUT of operators.
    shares : array of float, shape (nests, kinds)
    limit, most, grain : float
        See `fastest_choice`.
    """
    plain = [n for n, of in enumerate(operators) if not of.any()]
    users = [n for n in range(len(operators)) if n not in plain]
    others = _nests(plain, cycles, own)
    every = _nests(users, cycles, own)
    if others is None or every is None:
        return None
    # nests without operators are joined once
    beside = _joined(others, _least(every), limit, most, grain)
    if beside is None:
        return None

    def solved(number: int, low: _Floats, high: _Floats) -> _Half | None:
        fast, lut = list(cycles), list(own)
        for n in users:
            fast[n] = np.where((operators[n] < high).all(axis=1), cycles[n], np.inf)
            lut[n] = own[n] + np.maximum(operators[n] - low, 0.0) @ shares[n]
        nests, left = _nests(users, fast, lut), limit - float(low.sum())
        joined = None if nests is None else _joined(nests, _least(others), left, most, grain)
        found = None if joined is None else _matched(joined, beside, left, most)
        return None if found is None else _Half(found.cycles, number, found.cells, low, high)

    kinds = shares.shape[1]
    first = solved(0, np.zeros(kinds), np.full(kinds, np.inf))
    halves = [] if first is None else [first]
    for number in range(1, 2 * SPLITS, 2):
        split = _split(halves[0], own, operators, shares, limit) if halves else None
        if split is None:
            break
        half, kind, top = heapq.heappop(halves), *split
        low, high = half.low.copy(), half.high.copy()
        low[kind] = high[kind] = top
        for found in (solved(number, low, half.high), solved(number + 1, half.low, high)):
            if found is not None:
                heapq.heappush(halves, found)
    return Fastest(halves[0].cycles, halves[0].cells) if halves else None


@dataclass(order=True, slots=True)
class _Half:
    """Choices of which no nest has `high` of a kind of operators or more, and all pay for `low`."""

    cycles: float
    number: int
    cells: tuple[int, ...] = field(compare=False)
    low: _Floats = field(compare=False)
    high: _Floats = field(compare=False)


def _split(
    half: _Half,
    own: Sequence[_Floats],
    operators: Sequence[_Floats],
    shares: _Floats,
    limit: float,
) -> tuple[int, float] | None:
    """By what to split choices whose fastest does not fit as it is: the kind of operators that it pays
    least for, and how many it has; None where it fits."""
    chosen = np.array([of[cell] for of, cell in zip(operators, half.cells, strict=True)])
    needed = sum(float(of[cell]) for of, cell in zip(own, half.cells, strict=True))
    top = chosen.max(axis=0)
    paid = half.low + (np.maximum(chosen - half.low, 0.0) * shares).sum(axis=0)
    kind = int((top - paid).argmax())
    if needed + float(top.sum()) <= limit or top[kind] - paid[kind] < LEAST_LUT:
        return None
    return kind, float(top[kind])


@dataclass(frozen=True, slots=True)
class _Nest:
    """The cells of a nest of which no other is better in both, the fastest first."""

    number: int
    cycles: _Floats
    lut: _Floats
    cells: _Ints


@dataclass(frozen=True, slots=True)
class _Frontier:
    """Choices for some nests of which no other is better in both, the fastest first.

    Parameters
    ----------
    cycles, lut : array of float, shape (n,)
    steps : tuple of (_Nest, array of int, array of int)
        For every nest that was joined, which of the choices before each one extends, and by which cell.
    """

    cycles: _Floats
    lut: _Floats
    steps: tuple[tuple[_Nest, _Ints, _Ints], ...] = ()

    def cells(self, at: int) -> dict[int, int]:
        """By nest, the cell of one of the choices."""
        found = {}
        for nest, before, own in reversed(self.steps):
            found[nest.number] = int(nest.cells[own[at]])
            at = int(before[at])
        return found


NOTHING = _Frontier(np.zeros(1), np.zeros(1))
"""The choice for no nest."""


def _nests(
    numbers: Iterable[int], cycles: Sequence[_Floats], lut: Sequence[_Floats]
) -> list[_Nest] | None:
    """Some nests; None where one has no cell."""
    found = []
    for n in numbers:
        usable = np.flatnonzero(cycles[n] < np.inf)
        usable = usable[_skyline(cycles[n][usable], lut[n][usable])]
        if not len(usable):
            return None
        found.append(_Nest(n, cycles[n][usable], lut[n][usable], usable))
    return found


def _least(nests: Sequence[_Nest]) -> _Frontier:
    """The least that nests need of both, as if one choice had it."""
    least_cycles = sum(float(nest.cycles[0]) for nest in nests)
    least_lut = sum(float(nest.lut[-1]) for nest in nests)
    return _Frontier(np.array([least_cycles]), np.array([least_lut]))


def _joined(
    nests: Sequence[_Nest], beside: _Frontier, limit: float, most: float, grain: float
) -> _Frontier | None:
    """The choices for some nests that have room beside the least that others need."""
    every = _least(nests)
    least_cycles = float(every.cycles[0] + beside.cycles[0])
    least_lut = float(every.lut[0] + beside.lut[-1])
    cycles, lut = NOTHING.cycles, NOTHING.lut
    steps: list[tuple[_Nest, _Ints, _Ints]] = []
    for nest in sorted(nests, key=lambda nest: -float(nest.cycles[0])):
        least_cycles -= float(nest.cycles[0])
        least_lut -= float(nest.lut[-1])
        total = (cycles[:, None] + nest.cycles).ravel()
        needed = (lut[:, None] + nest.lut).ravel()
        usable = np.flatnonzero((total + least_cycles < most) & (needed + least_lut <= limit))
        if not len(usable):
            return None
        kept = usable[_skyline(total[usable], needed[usable])]
        # the last of a group is the smallest
        group = np.floor(total[kept] / grain) if grain else np.arange(len(kept))
        last = np.flatnonzero(np.append(group[1:] != group[:-1], True))
        first = np.append(0, last[:-1] + 1)
        cycles, lut = total[kept[first]], needed[kept[last]]
        steps.append((nest, kept[last] // len(nest.lut), kept[last] % len(nest.lut)))
    return _Frontier(cycles, lut, tuple(steps))


def _matched(one: _Frontier, other: _Frontier, limit: float, most: float) -> Fastest | None:
    """The fastest choice of both within the limit: beside each of one the first of the other with room."""
    room = np.searchsorted(other.lut[::-1], limit - one.lut, side="right")
    place = len(other.lut) - room
    usable = np.flatnonzero(room > 0)
    if not len(usable):
        return None
    total = one.cycles[usable] + other.cycles[place[usable]]
    at = int(total.argmin())
    if total[at] >= most:
        return None
    cells = {**one.cells(int(usable[at])), **other.cells(int(place[usable[at]]))}
    return Fastest(float(total[at]), tuple(cells[n] for n in sorted(cells)))


def _skyline(cycles: _Floats, lut: _Floats) -> _Ints:
    """Positions that no other beats in both, the fastest first."""
    order = np.lexsort((lut, cycles))
    smallest = np.minimum.accumulate(lut[order])
    is_smaller = np.append(True, smallest[1:] < smallest[:-1])
    found: _Ints = order[is_smaller[: len(order)]]
    return found
