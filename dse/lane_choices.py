"""How many lanes are of use along a loop, and in all."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pom.dse.chains import OperatorCost
from pom.dse.nests import Nest
from pom.dse.operator_use import Budget


def useful_factors(extent: int, cap: int, only_divisors: bool) -> list[int]:
    """Factors up to `cap` such that no smaller one leaves as few iterations.

    A factor in between costs more lanes for the same number of iterations.
    """
    found = []
    last = None
    for factor in range(1, min(extent, cap) + 1):
        if only_divisors and extent % factor:
            continue
        trips = ceil(extent / factor)
        if trips != last:
            found.append(factor)
            last = trips
    return found


def max_lanes(nest: Nest, costs: Mapping[str, OperatorCost], budget: Budget, ceiling: int) -> int:
    """The most instances side by side that the operators' budget allows at one per cycle."""
    names = {loop.name for loop in nest.band}
    # only what every lane needs for itself limits the lanes; the rest limits the interval
    own = [w for w in nest.work if set(w.loops) == names]
    lanes = ceiling
    for resource in ("dsp", "lut"):
        each = sum(getattr(costs[w.operator], resource) for w in own)
        if each:
            lanes = min(lanes, getattr(budget, resource) // each)
    return max(lanes, 1)
