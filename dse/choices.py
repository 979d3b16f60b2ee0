"""The fastest choice of one row per nest within a limit on logic: a multiple-choice knapsack.

Nests are joined one by one. Of the choices for those that are joined, only the ones count that no
other beats in both cycles and LUT, that leave room for the least that the others need, and that are
fast enough. Choices with nearly equal cycles are taken together, as fast as the fastest and as small
as the smallest of them: so the answer is a lower bound, by less than a grain per nest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    skylines = []
    for taken, needed in zip(cycles, lut, strict=True):
        usable = np.flatnonzero(taken < np.inf)
        usable = usable[_skyline(taken[usable], needed[usable])]
        if not len(usable):
            return None
        skylines.append((taken[usable], needed[usable], usable))
    order = sorted(range(len(skylines)), key=lambda n: -float(skylines[n][0][0]))
    least_cycles = sum(float(taken[0]) for taken, _, _ in skylines)
    least_lut = sum(float(needed[-1]) for _, needed, _ in skylines)
    joined = np.zeros(1), np.zeros(1)
    steps: list[tuple[_Ints, _Ints]] = []
    for n in order:
        own_cycles, own_lut, _ = skylines[n]
        least_cycles -= float(own_cycles[0])
        least_lut -= float(own_lut[-1])
        total = (joined[0][:, None] + own_cycles).ravel()
        needed = (joined[1][:, None] + own_lut).ravel()
        usable = np.flatnonzero((total + least_cycles < most) & (needed + least_lut <= limit))
        if not len(usable):
            return None
        kept = usable[_skyline(total[usable], needed[usable])]
        # the last of a group is the smallest
        group = np.floor(total[kept] / grain) if grain else np.arange(len(kept))
        last = np.flatnonzero(np.append(group[1:] != group[:-1], True))
        first = np.append(0, last[:-1] + 1)
        joined = total[kept[first]], needed[kept[last]]
        steps.append((kept[last] // len(own_lut), kept[last] % len(own_lut)))
    cells = [0] * len(order)
    at = 0
    for n, (before, own) in zip(reversed(order), reversed(steps), strict=True):
        cells[n] = int(skylines[n][2][own[at]])
        at = int(before[at])
    return Fastest(float(joined[0][0]), tuple(cells))


def _skyline(cycles: _Floats, lut: _Floats) -> _Ints:
    """Positions that no other beats in both, the fastest first."""
    order = np.lexsort((lut, cycles))
    smallest = np.minimum.accumulate(lut[order])
    is_smaller = np.append(True, smallest[1:] < smallest[:-1])
    found: _Ints = order[is_smaller[: len(order)]]
    return found
