"""Interval arithmetic on affine expressions: sound for every domain, exact over boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pom.ir.affine import Affine

Interval = tuple[int, int]
"""Smallest and largest value, both included; empty where the first is the larger."""


def interval(affine: Affine, ranges: Mapping[str, Interval]) -> Interval:
    """Bounds of `affine` where every variable lies in its (non-empty) range."""
    low = high = affine.constant
    for atom, c in affine.terms:
        if isinstance(atom, str):
            a, b = ranges[atom]
        else:
            a, b = (v // atom.denominator for v in interval(atom.numerator, ranges))
        low += c * (a if c > 0 else b)
        high += c * (b if c > 0 else a)
    return low, high


def loop_interval(
    lowers: Sequence[Affine], uppers: Sequence[Affine], ranges: Mapping[str, Interval]
) -> Interval:
    """Bounds of a loop variable in ``[max(lowers), min(uppers))``."""
    low = max(interval(e, ranges)[0] for e in lowers)
    high = min(interval(e, ranges)[1] for e in uppers) - 1
    return low, high
