"""Lower bounds on the latency of every parallelisation of a nest, many at once.

For factors ``f`` of the loops of a nest in a given order, with extents ``E``:

- iterations that remain: ``prod(ceil(E / f))`` (for a nest that is not a box, at least its
  instances over the lanes);
- each iteration does ``prod(f)`` instances, so the initiation interval is at least what the
  operators within the limits allow (compute bound);
- a reduction along loop ``r`` passes through ``f_r`` operators in each iteration (through one, where
  a tree combines the lanes), and an iteration that continues it comes ``prod(ceil(E / f))`` over the loops inside ``r`` later (recurrence bound).

The bound ignores pipeline depth but for the operators of one instance, ports, and control: it
never exceeds what the analytical model says (a property test checks it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pom.dse.nests import Nest
from pom.ir.expr import Apply, Expr
from pom.passes.statement_text import operator_names


@dataclass(frozen=True, slots=True)
class OperatorCost:
    """What one fully pipelined instance of an operator costs, at the least."""

    latency: int
    dsp: int
    lut: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What all nests together may use."""

    dsp: int
    lut: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """Factor vectors of one order of a nest with their bounds, best bound first.

    Attributes
    ----------
    order : tuple of str
    factors : array of int, shape (n, len(order))
    bound : array of float, shape (n,)
        Cycles.
    lanes : array of int, shape (n,)
    iterations : array of float, shape (n,)
        Iterations of the pipelined loop in all executions of the band, at the least.
    dsp, lut : array of float, shape (n,)
        What the operators need at the interval of the bound.
    """

    order: tuple[str, ...]
    factors: NDArray[np.int64]
    bound: NDArray[np.float64]
    lanes: NDArray[np.int64]
    iterations: NDArray[np.float64]
    dsp: NDArray[np.float64]
    lut: NDArray[np.float64]


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


def candidates(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    budget: Budget,
    ceiling: int,
    instances: float,
) -> Candidates:
    """Every factor vector of `order` within the lane limit, with its latency bound.

    Parameters
    ----------
    nest : Nest
    order : tuple of str
        One of the nest's orders.
    costs : mapping of operator to OperatorCost
    budget : Budget
    ceiling : int
        No more lanes than this, whatever the budget.
    instances : float
        Iterations of the band in one execution, exact or below: for a box the product of extents.
    """
    extents = np.array([nest.loop(name).extent for name in order], dtype=np.int64)
    cap = max_lanes(nest, costs, budget, ceiling)
    only_divisors = len(nest.statements) > 1 and nest.is_box
    choices = [useful_factors(int(e), cap, only_divisors) for e in extents]
    factors = _within(choices, cap)
    lanes = factors.prod(axis=1)
    trips = -(-extents // factors)
    iterations = trips.prod(axis=1).astype(np.float64)
    if not nest.is_box:
        iterations = np.maximum(1.0, np.ceil(instances / lanes))
    interval = np.maximum(
        _compute_interval(nest, order, costs, budget, factors),
        _recurrence_interval(nest, order, costs, factors, trips),
    )
    latency = {operator: cost.latency for operator, cost in costs.items()}
    depth = float(max((chain_latency(v, latency) for v in nest.values), default=1))
    prefix = 1
    for loop in nest.prefix:
        prefix *= max(loop.extent, 1)
    scale = float(prefix) if nest.is_box else 1.0
    bound = scale * ((iterations - 1) * interval + max(depth, 1.0))
    ranked = np.lexsort((lanes, bound))
    dsp = _operators(nest, order, costs, factors, interval, "dsp")
    lut = _operators(nest, order, costs, factors, interval, "lut")
    return Candidates(
        order,
        factors[ranked],
        bound[ranked],
        lanes[ranked],
        (scale * iterations)[ranked],
        dsp[ranked],
        lut[ranked],
    )


def chain_latency(value: Expr, latency: Mapping[str, int]) -> int:
    """Cycles of the operators on the slowest way from a load to the value."""
    if not isinstance(value, Apply):
        return 0
    inner = max((chain_latency(o, latency) for o in value.operands), default=0)
    own = 0 if value.op == "cast" else latency.get(operator_names(value)[0], 0)
    return inner + own


def _within(choices: Sequence[Sequence[int]], cap: int) -> NDArray[np.int64]:
    """Combinations whose product is at most `cap`, one a row."""
    rows = np.ones((1, 0), dtype=np.int64)
    lanes = np.ones(1, dtype=np.int64)
    for options in choices:
        factors = np.array(options, dtype=np.int64)
        products = lanes[:, None] * factors[None, :]
        at, which = np.nonzero(products <= cap)
        rows = np.column_stack((rows[at], factors[which]))
        lanes = products[at, which]
    return rows


def _operators(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    factors: NDArray[np.int64],
    interval: NDArray[np.float64],
    resource: str,
) -> NDArray[np.float64]:
    """What the operators need when each is used in every cycle of the interval."""
    used = np.zeros(len(factors))
    copies: dict[str, NDArray[np.float64]] = {}
    for work in nest.work:
        positions = [order.index(loop) for loop in work.loops]
        here = factors[:, positions].prod(axis=1).astype(np.float64)
        copies[work.operator] = copies.get(work.operator, 0.0) + here
    for operator, number in copies.items():
        used += np.ceil(number / interval) * getattr(costs[operator], resource)
    return used


def _compute_interval(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    budget: Budget,
    factors: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Operators are shared at most as often as the interval has cycles."""
    interval = np.ones(len(factors))
    for resource in ("dsp", "lut"):
        used = np.zeros(len(factors))
        for work in nest.work:
            positions = [order.index(loop) for loop in work.loops]
            used += factors[:, positions].prod(axis=1) * getattr(costs[work.operator], resource)
        available = getattr(budget, resource)
        if available:
            interval = np.maximum(interval, np.ceil(used / available))
    return interval


def _recurrence_interval(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    factors: NDArray[np.int64],
    trips: NDArray[np.int64],
) -> NDArray[np.float64]:
    interval = np.ones(len(factors))
    for recurrence in nest.recurrences:
        carried = [(loop, low) for loop, low, high in recurrence.distance if low or high]
        constant = all(low == high for _, low, high in recurrence.distance)
        if not constant or len(carried) != 1 or carried[0][1] < 1:
            continue
        loop, distance = carried[0]
        position = order.index(loop)
        # the accumulator is forwarded: one cycle less than the operator's latency
        step = sum(max(costs[op].latency - 1, 1) for op in recurrence.operators)
        between = trips[:, position + 1 :].prod(axis=1)
        lanes = 1 if loop in recurrence.trees else factors[:, position]
        needed = np.ceil(lanes * step / distance / between)
        # unrolled completely, no later iteration continues the reduction
        interval = np.maximum(interval, np.where(trips[:, position] > distance, needed, 1.0))
    return interval
