"""Trip counts: constant ones, ranges of variable ones, and exact means."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from pom.qor_model.region import Affine, Loop

Range = tuple[int, int]
EXACT_LIMIT = 200_000


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
    range.  Where several bounds meet (the rest of a tile) the tool reports nothing, and the mean
    is counted.
    """
    fewest, most = trip_range(loop, ranges)
    if fewest == most:
        return fewest
    if len(loop.lower) == 1 and len(loop.upper) == 1:
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
        Enclosing loops, outermost first; those on which nothing depends are skipped.
    """
    needed = _needed(loop, outer)
    if not needed:
        low, high = trip_range(loop, {})
        return Fraction(low + high, 2)
    total = count = 0
    for point in _points(needed, {}):
        low = max(_value(b, point) for b in loop.lower)
        high = min(_value(b, point) for b in loop.upper)
        total += max(0, -(-(high - low) // loop.step))
        count += 1
        if count > EXACT_LIMIT:
            ranges: dict[str, Range] = {}
            for item in outer:
                ranges[item.name] = iv_range(item, ranges)
            fewest, most = trip_range(loop, ranges)
            return Fraction(fewest + most, 2)
    return Fraction(total, max(count, 1))


def _needed(loop: Loop, outer: tuple[Loop, ...]) -> tuple[Loop, ...]:
    names = {n for b in (*loop.lower, *loop.upper) for n, _ in b.terms}
    kept: list[Loop] = []
    for item in reversed(outer):
        if item.name in names:
            kept.append(item)
            names |= {n for b in (*item.lower, *item.upper) for n, _ in b.terms}
    return tuple(reversed(kept))


def _points(loops: tuple[Loop, ...], point: dict[str, int]):  # type: ignore[no-untyped-def]
    if not loops:
        yield point
        return
    first, rest = loops[0], loops[1:]
    low = max(_value(b, point) for b in first.lower)
    high = min(_value(b, point) for b in first.upper)
    for value in range(low, high, first.step):
        yield from _points(rest, {**point, first.name: value})


def _value(bound: Affine, point: Mapping[str, int]) -> int:
    return bound.const + sum(c * point.get(n, 0) for n, c in bound.terms)
