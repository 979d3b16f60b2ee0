"""Operators that one iteration of a pipelined nest keeps busy, many parallelisations at once.

An operation that depends on no loop of the pipeline is done in front of it: its operators are not used
once per interval, and may be few. The loops of a box that remain are one pipeline, as a rule; of other
nests only the innermost loop is certain to be in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pom.dse.chains import OperatorCost
from pom.dse.nests import Nest

_Mask = NDArray[np.bool_]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Budget:
    """What all nests together may use."""

    dsp: int
    lut: int


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """What the operators of parallelisations in one order need.

    Parameters
    ----------
    nest : Nest
    order : tuple of str
    factors : array of int, shape (n, len(order))
    remains : mask, shape (n, len(order))
        Loops that remain as loops.
    is_flat : mask, shape (n,)
        Whether all of these are one pipeline, and not the innermost alone.
    """

    nest: Nest
    order: tuple[str, ...]
    factors: NDArray[np.int64]
    remains: _Mask
    is_flat: _Mask

    def of_rows(self, rows: NDArray[np.int64]) -> OperatorUse:
        """Some of the parallelisations."""
        return replace(
            self,
            factors=self.factors[rows],
            remains=self.remains[rows],
            is_flat=self.is_flat[rows],
        )

    def sum(self, each: Mapping[str, float]) -> _Floats:
        """What the operators of one iteration need, with so much for each, if each is used once."""
        used = np.zeros(len(self.factors))
        width = self.remains.shape[1]
        inner = width - 1 - np.argmax(self.remains[:, ::-1], axis=1)
        is_alone = ~self.is_flat & self.remains.any(axis=1)
        for work in self.nest.work:
            positions = [self.order.index(loop) for loop in work.loops]
            cost = each.get(work.operator, 0.0)
            if cost and positions:
                is_inside = ~is_alone | np.isin(inner, positions)
                used += is_inside * self.factors[:, positions].prod(axis=1) * cost
        return used

    def of(self, costs: Mapping[str, OperatorCost], resource: str) -> _Floats:
        """The same of one resource."""
        return self.sum({name: float(getattr(cost, resource)) for name, cost in costs.items()})

    def interval(self, costs: Mapping[str, OperatorCost], budget: Budget) -> _Floats:
        """Cycles between iterations: operators are shared at most as often as there are such."""
        interval = np.ones(len(self.factors))
        for resource in ("dsp", "lut"):
            available = getattr(budget, resource)
            if available:
                interval = np.maximum(interval, np.ceil(self.of(costs, resource) / available))
        return interval
