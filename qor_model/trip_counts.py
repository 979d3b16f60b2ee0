"""Trip counts: constant ones, ranges of variable ones, and exact means."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.region import Affine, Loop

Range = tuple[int, int]
_Ints = NDArray[np.int64]
_Spec = tuple[str, tuple[Affine, ...], tuple[Affine, ...], int]

EXACT_LIMIT = 1_000_000
"""Iterations of the loops around that a mean is taken over; of more, an even sample."""


def bound_range(
    bounds: tuple[Affine, ...], ranges: Mapping[str, Range], *, is_lower: bool
) -> Range:
    """Smallest and largest value of max(bounds) (a lower bound) or min(bounds) (an upper one)."""
    pairs = [_interval(b, ranges) for b in bounds]
    pick = max if is_lower else min
    return pick(low for low, _ in pairs), pick(high for _, high in pairs)


def _interval(value: Affine, ranges: Mapping[str, Range]) -> Range:
    low = high = value.const
    for name, coef in value.terms:
        a, b = ranges.get(name, (0, 0))
        low += min(coef * a, coef * b)
        high += max(coef * a, coef * b)
    for item, coef in value.floors:
        a, b = (end // item.divisor for end in _interval(item.numerator, ranges))
        low += min(coef * a, coef * b)
        high += max(coef * a, coef * b)
    return low, high


def trip_range(loop: Loop, ranges: Mapping[str, Range]) -> Range:
    """Fewest and most iterations, every pair of bounds taken for itself (interval analysis)."""
    spans = [_interval(u - v, ranges) for u in loop.upper for v in loop.lower]
    fewest = max(0, -(-min(s[0] for s in spans) // loop.step))
    most = max(0, -(-min(s[1] for s in spans) // loop.step))
    return fewest, most


def reported_count(loop: Loop, ranges: Mapping[str, Range], outer: tuple[Loop, ...]) -> float:
    """Iterations that count in a latency.

    A loop with one bound on each side counts as the tool reports it, with the middle of its
    range.  Where several bounds meet (the rest of a tile) or a bound is rounded (a skewed tile)
    the tool reports nothing, and the mean is counted.
    """
    fewest, most = trip_range(loop, ranges)
    if fewest == most:
        return fewest
    bounds = (*loop.lower, *loop.upper)
    if len(bounds) == 2 and not any(b.floors for b in bounds):
        return (fewest + most) // 2
    return float(exact_mean(loop, outer))


def iv_range(loop: Loop, ranges: Mapping[str, Range]) -> Range:
    """Smallest and largest value of the induction variable."""
    low = bound_range(loop.lower, ranges, is_lower=True)[0]
    high = bound_range(loop.upper, ranges, is_lower=False)[1]
    return low, max(low, high - 1)


def exact_mean(loop: Loop, outer: tuple[Loop, ...]) -> Fraction:
    """Mean number of iterations over all iterations of the loops around it, by counting.

    Parameters
    ----------
    loop : Loop
    outer : tuple of Loop
        Enclosing loops, outermost first; those that have no influence are skipped.
    """
    return _mean(tuple(_spec(item) for item in (*_needed(loop, outer), loop)))


def _spec(loop: Loop) -> _Spec:
    return loop.name, loop.lower, loop.upper, loop.step


def _needed(loop: Loop, outer: tuple[Loop, ...]) -> tuple[Loop, ...]:
    """Loops whose variables the bounds mention, and those that run a varying number of times
    under one of these: they weigh its iterations."""
    names = set(_mentioned(loop))
    while True:
        kept = tuple(
            item for item in outer if item.name in names or not names.isdisjoint(_mentioned(item))
        )
        found = names.union(*((item.name, *_mentioned(item)) for item in kept))
        if found == names:
            return kept
        names = found


def _mentioned(loop: Loop) -> frozenset[str]:
    return frozenset().union(*(b.variables for b in (*loop.lower, *loop.upper)))


@lru_cache(maxsize=8192)
def _mean(specs: tuple[_Spec, ...]) -> Fraction:
    """Mean trip count of the last loop over the iterations of the others."""
    points: dict[str, _Ints] = {}
    size = 1
    for name, lower, upper, step in specs[:-1]:
        low, trips = _trips(lower, upper, step, points, size)
        ends = np.cumsum(trips)
        size = int(ends[-1])
        if not size:
            return Fraction(0)
        chosen = np.arange(size)
        if size > EXACT_LIMIT:
            chosen = np.linspace(0, size - 1, EXACT_LIMIT).astype(np.int64)
            size = EXACT_LIMIT
        owner = np.searchsorted(ends, chosen, side="right")
        offset = chosen - (ends - trips)[owner]
        points = {n: values[owner] for n, values in points.items()}
        points[name] = low[owner] + offset * step
    _, lower, upper, step = specs[-1]
    trips = _trips(lower, upper, step, points, size)[1]
    return Fraction(int(trips.sum()), size)


def _trips(
    lower: tuple[Affine, ...],
    upper: tuple[Affine, ...],
    step: int,
    points: Mapping[str, _Ints],
    size: int,
) -> tuple[_Ints, _Ints]:
    """First value and number of iterations of a loop at every point."""
    low = np.max([np.broadcast_to(_value(b, points), size) for b in lower], axis=0)
    high = np.min([np.broadcast_to(_value(b, points), size) for b in upper], axis=0)
    return low, np.maximum(0, -((low - high) // step))


def _value(bound: Affine, points: Mapping[str, _Ints]) -> Any:
    total: Any = np.int64(bound.const)
    for name, coef in bound.terms:
        total = total + coef * points.get(name, 0)
    for item, coef in bound.floors:
        total = total + coef * (_value(item.numerator, points) // item.divisor)
    return total
