"""Trip counts: constant ones, ranges of variable ones, and exact means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.region import Affine, Loop

Range = tuple[int, int]
_Ints = NDArray[np.int64]
_Spec = tuple[str, tuple[Affine, ...], tuple[Affine, ...], int]


@dataclass(frozen=True, slots=True)
class Guard:
    """One side of a condition on induction variables around a loop.

    Every condition is >= 0, == 0 at the positions in `equalities`; without `holds` it is the
    side on which one of them fails.
    """

    conditions: tuple[Affine, ...]
    equalities: tuple[int, ...] = ()
    holds: bool = True


Around = Loop | Guard

EXACT_LIMIT = 200_000
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
    count = loop.constant_trip_count
    if count is not None:
        return count, count
    spans = [_interval(u - v, ranges) for u in loop.upper for v in loop.lower]
    fewest = max(0, -(-min(s[0] for s in spans) // loop.step))
    most = max(0, -(-min(s[1] for s in spans) // loop.step))
    return fewest, most


def reported_count(loop: Loop, ranges: Mapping[str, Range], outer: tuple[Around, ...]) -> float:
    """Iterations that count in a latency.

    A loop with one bound on each side counts as the tool reports it, with the middle of its
    range.  Where several bounds meet (the rest of a tile), a bound is rounded (a skewed tile) or
    a guard is around it, the tool reports nothing, and the mean is counted.
    """
    fewest, most = trip_range(loop, ranges)
    if fewest == most:
        return fewest
    bounds = (*loop.lower, *loop.upper)
    is_guarded = any(isinstance(item, Guard) for item in outer)
    if len(bounds) == 2 and not is_guarded and not any(b.floors for b in bounds):
        return (fewest + most) // 2
    return float(exact_mean(loop, outer))


def iv_range(loop: Loop, ranges: Mapping[str, Range]) -> Range:
    """Smallest and largest value of the induction variable."""
    low = bound_range(loop.lower, ranges, is_lower=True)[0]
    high = bound_range(loop.upper, ranges, is_lower=False)[1]
    return low, max(low, high - 1)


def exact_mean(loop: Loop, outer: tuple[Around, ...]) -> Fraction:
    """Mean number of iterations over all iterations of what is around it, by counting.

    Parameters
    ----------
    loop : Loop
    outer : tuple of Loop or Guard
        Enclosing loops and guards, outermost first; those without influence are skipped.
    """
    found = _points(tuple(_spec(item) for item in _needed(loop, outer)))
    if found is None:
        return Fraction(0)
    points, size = found
    trips = _trips(loop.lower, loop.upper, loop.step, points, size)[1]
    return Fraction(int(trips.sum()), size)


def exact_share(guard: Guard, outer: tuple[Around, ...]) -> Fraction:
    """Share of the iterations of what is around a guard in which it lets pass, by counting."""
    found = _points(tuple(_spec(item) for item in _needed(guard, outer)))
    if found is None:
        return Fraction(0)
    points, size = found
    return Fraction(int(_passes(guard, points, size).sum()), size)


def _spec(item: Around) -> _Spec | Guard:
    return item if isinstance(item, Guard) else (item.name, item.lower, item.upper, item.step)


def _needed(wanted: Around, outer: tuple[Around, ...]) -> tuple[Around, ...]:
    """What is around that decides on the values of the variables in `wanted`.

    These are the loops of these variables, and whatever runs a varying number of times under
    one of them: it weighs their iterations.
    """
    names = _mentioned(wanted)
    while True:
        kept = tuple(
            item
            for item in outer
            if (isinstance(item, Loop) and item.name in names)
            or not names.isdisjoint(_mentioned(item))
        )
        own = (item.name for item in kept if isinstance(item, Loop))
        found = names.union(own, *(_mentioned(item) for item in kept))
        if found == names:
            return kept
        names = found


def _mentioned(item: Around) -> frozenset[str]:
    parts = item.conditions if isinstance(item, Guard) else (*item.lower, *item.upper)
    return frozenset[str]().union(*(part.variables for part in parts))


@lru_cache(maxsize=512)
def _points(specs: tuple[_Spec | Guard, ...]) -> tuple[dict[str, _Ints], int] | None:
    """The iterations of nested loops and guards: values of each variable, and how many; None
    without any."""
    points: dict[str, _Ints] = {}
    size = 1
    for spec in specs:
        if isinstance(spec, Guard):
            owner = np.flatnonzero(_passes(spec, points, size))
            size = len(owner)
            points = {n: values[owner] for n, values in points.items()}
        else:
            name, lower, upper, step = spec
            low, trips = _trips(lower, upper, step, points, size)
            ends = np.cumsum(trips)
            size = int(ends[-1])
            chosen = np.arange(size)
            if size > EXACT_LIMIT:
                chosen = np.linspace(0, size - 1, EXACT_LIMIT).astype(np.int64)
                size = EXACT_LIMIT
            owner = np.searchsorted(ends, chosen, side="right")
            offset = chosen - (ends - trips)[owner]
            points = {n: values[owner] for n, values in points.items()}
            points[name] = low[owner] + offset * step
        if not size:
            return None
    return points, size


def _passes(guard: Guard, points: Mapping[str, _Ints], size: int) -> NDArray[np.bool_]:
    found = np.ones(size, dtype=np.bool_)
    for number, condition in enumerate(guard.conditions):
        value = _value(condition, points)
        found &= value == 0 if number in guard.equalities else value >= 0
    return found if guard.holds else ~found


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
