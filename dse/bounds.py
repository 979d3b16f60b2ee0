"""Lower bounds on the latency of every parallelisation of a nest, many at once.

For factors ``f`` of the loops of a nest in a given order, with extents ``E``:

- iterations that remain: ``prod(ceil(E / f))`` (for a nest that is not a box, at least its
  instances over the lanes);
- each iteration does ``prod(f)`` instances, so the initiation interval is at least what the
  operators within the limits allow (compute bound);
- a reduction along loop ``r`` passes through ``f_r`` operators in each iteration (through one, where
  a tree combines the lanes), and an iteration that continues it comes ``prod(ceil(E / f))`` over the
  loops inside ``r`` later (recurrence bound).

The bound ignores pipeline depth but for the operators of one instance, ports, and control: it
never exceeds what the analytical model says (a property test checks it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pom.dse.nests import Nest, Recurrence
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
    full : array of float, shape (n,)
        Of these, iterations with all lanes.
    rest : array of float, shape (n,)
        Cycles of the iterations with fewer lanes, at the least.
    interval : array of float, shape (n,)
        Cycles between them that recurrences and the operators within the budget force.
    depth : array of float, shape (n,)
        Cycles of the operators of one iteration.
    runs : float
        How often the pipeline is filled and emptied, at the least.
    dsp, lut : array of float, shape (n,)
        What the operators would need at an interval of 1; at an interval of `q` at least the `q`-th
        part of it.
    """

    order: tuple[str, ...]
    factors: NDArray[np.int64]
    bound: NDArray[np.float64]
    lanes: NDArray[np.int64]
    iterations: NDArray[np.float64]
    full: NDArray[np.float64]
    rest: NDArray[np.float64]
    interval: NDArray[np.float64]
    depth: NDArray[np.float64]
    runs: float
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
    full = (extents // factors).prod(axis=1).astype(np.float64)
    if not nest.is_box:
        full = iterations = np.maximum(1.0, np.ceil(instances / lanes))
    interval = np.maximum(
        _compute_interval(nest, order, costs, budget, factors),
        _recurrence_interval(
            nest, order, costs, factors, extents // factors if nest.is_box else trips
        ),
    )
    latency = {operator: cost.latency for operator, cost in costs.items()}
    single = max((chain_latency(v, latency) for v in nest.values), default=1)
    depth = np.maximum(_depth(nest, order, costs, factors, float(single)), 1.0)
    prefix = 1
    for loop in nest.prefix:
        prefix *= max(loop.extent, 1)
    scale = float(prefix) if nest.is_box else 1.0
    rest = scale * (_rest(nest, order, costs, factors, extents) if nest.is_box else full - full)
    iterations, full = scale * iterations, scale * full
    # beside other loops, every execution of the band fills and empties the pipeline
    runs = scale if nest.is_apart else 1.0
    # unless nothing is left of it, and the tool pipelines the loop around it
    is_gone = (trips == 1).all(axis=1) if nest.prefix else np.zeros(len(factors), dtype=bool)
    depth = np.where(is_gone & (runs > 1), np.minimum(depth, interval), depth)
    bound = latency_bound(full, rest, interval, depth, runs)
    ranked = np.lexsort((lanes, bound))
    return Candidates(
        order,
        factors[ranked],
        bound[ranked],
        lanes[ranked],
        iterations[ranked],
        full[ranked],
        rest[ranked],
        interval[ranked],
        depth[ranked],
        runs,
        _operators(nest, order, costs, factors, "dsp")[ranked],
        _operators(nest, order, costs, factors, "lut")[ranked],
    )


def latency_bound(
    full: NDArray[np.float64],
    rest: NDArray[np.float64],
    interval: NDArray[np.float64],
    depth: NDArray[np.float64],
    runs: float,
) -> NDArray[np.float64]:
    """Cycles of a pipelined loop that is filled `runs` times, and of the parts with fewer lanes."""
    bound: NDArray[np.float64] = (full - runs) * interval + rest + runs * depth
    return bound


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
    resource: str,
) -> NDArray[np.float64]:
    """What the operators would need if each were used once."""
    used = np.zeros(len(factors))
    for work in nest.work:
        positions = [order.index(loop) for loop in work.loops]
        cost = getattr(costs[work.operator], resource)
        if cost and positions:
            used += factors[:, positions].prod(axis=1) * cost
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
        available = getattr(budget, resource)
        if available:
            used = _operators(nest, order, costs, factors, resource)
            interval = np.maximum(interval, np.ceil(used / available))
    return interval


def _rest(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    factors: NDArray[np.int64],
    extents: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Cycles of the parts that are left where factors leave a rest.

    A part with the rest of some loops runs these once, so that less lies between the steps of a
    recurrence than in the nest with all lanes.
    """
    cycles = np.zeros(len(factors))
    for is_rest in product((False, True), repeat=len(order)):
        if not any(is_rest):
            continue
        lanes = np.where(is_rest, extents % factors, factors)
        trips = np.where(is_rest, (lanes > 0).astype(np.int64), extents // factors)
        count = trips.prod(axis=1).astype(np.float64)
        some = np.flatnonzero(count)
        if len(some):
            interval = _recurrence_interval(nest, order, costs, lanes[some], trips[some])
            cycles[some] += count[some] * interval
    return cycles


def _depth(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    factors: NDArray[np.int64],
    single: float,
) -> NDArray[np.float64]:
    """Cycles of one iteration: lanes along a recurrence wait for each other."""
    depth = np.full(len(factors), single)
    for recurrence in nest.recurrences:
        carried = _carried(recurrence)
        if carried is None:
            continue
        loop, distance = carried
        step = sum(costs[op].latency for op in recurrence.operators)
        lanes = factors[:, order.index(loop)]
        waits = np.ceil(lanes / distance) - 1
        if loop in recurrence.trees:
            waits = np.ceil(np.log2(np.maximum(lanes, 1)))
        depth = np.maximum(depth, single + waits * step)
    return depth


def _carried(recurrence: Recurrence) -> tuple[str, int] | None:
    """The loop and the distance of a recurrence along one loop; None for others."""
    carried = [(loop, low) for loop, low, high in recurrence.distance if low or high]
    constant = all(low == high for _, low, high in recurrence.distance)
    return carried[0] if constant and len(carried) == 1 and carried[0][1] >= 1 else None


def _recurrence_interval(
    nest: Nest,
    order: tuple[str, ...],
    costs: Mapping[str, OperatorCost],
    factors: NDArray[np.int64],
    trips: NDArray[np.int64],
) -> NDArray[np.float64]:
    interval = np.ones(len(factors))
    for recurrence in nest.recurrences:
        carried = _carried(recurrence)
        if carried is None:
            continue
        loop, distance = carried
        position = order.index(loop)
        step = sum(max(costs[op].latency, 1) for op in recurrence.operators)
        between = trips[:, position + 1 :].prod(axis=1)
        lanes = 1 if loop in recurrence.trees else factors[:, position]
        needed = np.ceil(lanes * step / distance / between)
        # unrolled completely, no later iteration continues the reduction
        interval = np.maximum(interval, np.where(trips[:, position] > distance, needed, 1.0))
    return interval
