"""The design space of a kernel: structures × operator implementations × parallelisations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from itertools import product
from math import log2, prod
from typing import TYPE_CHECKING

import numpy as np

from pom.dse.bounds import Candidates, candidates
from pom.dse.chains import FREE, OperatorCost
from pom.dse.instance_count import count_instances
from pom.dse.lane_choices import max_lanes
from pom.dse.nests import Nest
from pom.dse.operator_use import Budget
from pom.dse.outward import FILL, MUCH_MORE, sequential_work
from pom.dse.overlap import OverlapGraph, overlap_graph, overlapped_bound
from pom.dse.plan import NestPlan
from pom.dse.problem import Problem
from pom.dse.realise import wanted_banks
from pom.dse.structures import Structure, find_structures
from pom.dse.tiles import may_be_tiled, tiled
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import F16, F32, F64, OpKind, ScalarType

if TYPE_CHECKING:
    from pom.dse.evaluation import Evaluator

CEILING = 3072
"""Most lanes of a nest that are considered, whatever the device has."""
FREE_LANES = 256
"""Lanes of nests whose operators cost next to nothing, such as integer additions."""
COPY_LANES = 16
"""Lanes of nests without arithmetic, where no nest has any."""

_FLOATS = {"h": F16, "f": F32, "d": F64}
_IN_DSP = ("add", "sub", "mul")
_IN_FABRIC = "no_dsp"
Implementations = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A structure with a choice of operator implementations, and every nest's candidates.

    Parameters
    ----------
    structure : Structure
    implementations : tuple of (op, impl)
    candidates : tuple of (Nest, tuple of Candidates)
    overlap : OverlapGraph, optional
        The tasks that nests are, where they may overlap.
    work : float
        Cycles that the operators within the limits need for all nests, busy in every cycle.
    sequence : float
        What the structure leaves to do in sequence (see `sequential_work`).
    """

    structure: Structure
    implementations: Implementations
    candidates: tuple[tuple[Nest, tuple[Candidates, ...]], ...]
    overlap: OverlapGraph | None = None
    work: float = 0.0
    sequence: float = 0.0

    @property
    def kind(self) -> tuple[bool, int]:
        """Variants with less promise: bounds of nests that are not boxes are weak, and what is left to
        do in sequence cannot be made up for. The least comes first."""
        return self.has_guards, round(2 * log2(1 + self.sequence))

    @property
    def bound(self) -> float:
        """No design of this variant is faster, nests overlapping or one after the other."""
        return self.bound_of(
            {
                nest.handle: min((float(c.bound[0]) for c in lists if len(c.bound)), default=0.0)
                for nest, lists in self.candidates
            }
        )

    def bound_of(self, bounds: Mapping[str, float]) -> float:
        """The same, where no nest alone is faster than its entry in `bounds`."""
        if self.overlap is None:
            return sum(bounds.values())
        return overlapped_bound(self.overlap, bounds, self.work)

    @property
    def has_guards(self) -> bool:
        """Whether a nest with arithmetic is not a box."""
        return any(nest.work and not nest.is_box for nest, _ in self.candidates)

    @property
    def is_parallel(self) -> bool:
        """Whether every nest with arithmetic has a loop that carries no recurrence."""
        return all(
            any(
                all(
                    low == high == 0
                    for r in nest.recurrences
                    for n, low, high in r.distance
                    if n == b.name
                )
                for b in nest.band
            )
            for nest, _ in self.candidates
            if nest.work
        )

    @property
    def size(self) -> int:
        """Parallelisations, counted per nest and added up, since nests are searched one by one."""
        return sum(len(c.bound) for _, lists in self.candidates for c in lists)

    @property
    def designs(self) -> int:
        """Designs: one parallelisation per nest."""
        return prod(sum(len(c.bound) for c in lists) for _, lists in self.candidates)


Shape = tuple[tuple[str, ...], str]
"""An order of the loops of a nest, and the one loop along which it has several lanes."""


def shape_of(plan: NestPlan) -> Shape:
    """The shape of a plan with several lanes along one loop, or along none."""
    return plan.order, next((loop for loop in plan.order if plan.factor(loop) > 1), "")


def heaviest_shapes(variant: Variant, lanes: int) -> tuple[Shape, ...]:
    """Every shape of the heaviest nest with up to so many lanes, those with low bounds first."""
    nest, lists = by_weight(variant)[0]
    plans = _single_loops(nest, lists, range(1, lanes + 1))
    return tuple(shape_of(plan) for plan in plans if plan.lanes > 1)


def capped_plans(variant: Variant, lanes: int, shape: Shape | None = None) -> tuple[NestPlan, ...]:
    """Every nest with up to so many lanes along one loop.

    The heaviest nest chooses first. The others have as many lanes as it has, or one where they would
    split an array in another dim.

    Parameters
    ----------
    variant : Variant
    lanes : int
    shape : Shape, optional
        Of the heaviest nest; the one with the lowest bound by default.
    """
    program = variant.structure.program
    split: dict[str, int] = {}
    found: dict[str, NestPlan] = {}
    allowed = range(1, lanes + 1)
    for nest, lists in by_weight(variant):
        for plan in _single_loops(nest, lists, allowed):
            if not found and shape is not None and shape_of(plan) != shape:
                continue
            dims = [key for key, banks in wanted_banks(program, nest, plan).items() if banks > 1]
            if all(split.get(array, dim) == dim for array, dim in dims):
                split.update(dims)
                found[nest.handle] = plan
                if plan.lanes > 1:
                    allowed = range(plan.lanes, plan.lanes + 1)
                break
    return tuple(found[n.handle] for n, _ in variant.candidates if n.handle in found)


def by_weight(variant: Variant) -> list[tuple[Nest, tuple[Candidates, ...]]]:
    """The nests, those with most cycles on a single lane first."""
    return sorted(variant.candidates, key=lambda pair: -_plain_bound(pair[1]))


def _plain_bound(lists: tuple[Candidates, ...]) -> float:
    """The lowest bound with a single lane."""
    return min((float(c.bound[c.lanes == 1].min(initial=np.inf)) for c in lists), default=0.0)


def _single_loops(nest: Nest, lists: tuple[Candidates, ...], allowed: range) -> list[NestPlan]:
    """Per order and loop the best with an allowed number of lanes along that only, the best first,
    and those with a single lane.

    Bounds know little of how often a pipeline of few iterations is filled: that is added.
    """
    free = nest.free_loops
    found: list[tuple[float, NestPlan]] = []
    for chosen in lists:
        if chosen.tile.any():
            continue
        several = chosen.factors > 1
        is_allowed = (chosen.lanes >= allowed.start) & (chosen.lanes < allowed.stop)
        for column in range(-1, len(chosen.order)):
            if free and column >= 0 and chosen.order[column] not in free:
                continue
            only = several[:, column] if column >= 0 else np.zeros(len(several), dtype=bool)
            rows = np.flatnonzero(
                (several.sum(axis=1) == only) & ((chosen.lanes == 1) | (only & is_allowed))
            )
            if len(rows):
                # rows are sorted by bound
                factors = tuple(int(f) for f in chosen.factors[rows[0]])
                trips = nest.loop(chosen.order[-1]).extent / factors[-1]
                plan = NestPlan(nest.handle, chosen.order, factors)
                found.append((float(chosen.bound[rows[0]]) * (1 + FILL / max(trips, 1)), plan))
    return [plan for _, plan in sorted(found, key=lambda each: each[0])]


def operator_cost(library: OperatorLibrary, operator: str, impl: str) -> OperatorCost:
    """The cheapest that an operator can be; nothing for operators that the model gives away.

    Parameters
    ----------
    operator : str
        The tool's name: ``fadd``, ``dmul``, ``mul`` …
    impl : str
        As in ``bind_op``; empty for the tool's choice.
    """
    dtype: ScalarType | None = _FLOATS.get(operator[0])
    kind = operator[1:]
    if dtype is None or kind not in OpKind._value2member_map_:
        return FREE
    found = library.lookup(kind, dtype, impl)
    delay_in = found.delay_in_ns / library.effective_clock_ns
    delay_out = found.delay_out_ns / library.effective_clock_ns if found.latency else 0.0
    return OperatorCost(found.latency, found.dsp, int(found.lut), delay_in, delay_out)


def memory_cost(library: OperatorLibrary) -> OperatorCost:
    """A load from a memory, and the delay in front of a store."""
    timing, clock_ns = library.memory, library.effective_clock_ns
    return OperatorCost(
        timing.stages - 1, 0, 0, timing.bram_in_ns / clock_ns, timing.bram_out_ns / clock_ns
    )


def least_cost(library: OperatorLibrary, operator: str) -> OperatorCost:
    """The least of every cost of an operator, whichever implementation it has."""
    dtype: ScalarType | None = _FLOATS.get(operator[0])
    kind = operator[1:]
    if dtype is None or kind not in OpKind._value2member_map_:
        return FREE
    choices = [
        operator_cost(library, operator, impl)
        for impl in ("", *library.implementations(kind, dtype))
    ]
    return OperatorCost(
        *(min(values) for values in zip(*(astuple(cost) for cost in choices), strict=True))
    )


def implementation_choices(
    library: OperatorLibrary, structure: Structure
) -> tuple[Implementations, ...]:
    """Every assignment of DSP blocks or fabric to the operators that can have either."""
    used = sorted({w.operator for nest in structure.nests for w in nest.work})
    choices: list[tuple[tuple[str, str], ...]] = []
    for operator in used:
        dtype = _FLOATS.get(operator[0])
        if dtype is None or operator[1:] not in _IN_DSP:
            continue
        is_choice = _IN_FABRIC in library.implementations(operator[1:], dtype)
        if is_choice and operator_cost(library, operator, "").dsp:
            choices.append(((operator, ""), (operator, "fabric")))
    return tuple(
        tuple((op, impl) for op, impl in combination if impl) for combination in product(*choices)
    )


def instance_count(structure: Structure, nest: Nest) -> float:
    """Instances of the nest's largest statement, or a number below (see `count_instances`)."""
    return max(count_instances(structure.program.statement(name))[0] for name in nest.statements)


def make_variant(
    problem: Problem,
    library: OperatorLibrary,
    structure: Structure,
    implementations: Implementations,
) -> Variant:
    """A structure with implementations, every nest's candidates bounded and ranked."""
    chosen = dict(implementations)
    budget = Budget(problem.limits.dsp, problem.limits.lut)
    costs = {
        w.operator: operator_cost(library, w.operator, chosen.get(w.operator, ""))
        for nest in structure.nests
        for w in nest.work
    }
    memory = memory_cost(library)
    found = []
    for nest, lanes in zip(structure.nests, _lane_limits(structure, costs, budget), strict=True):
        count = instance_count(structure, nest)
        lists = tuple(
            candidates(structure.program, nest, o, costs, budget, lanes, count, memory)
            for o in nest.orders
        )
        of_tiles = (
            tiled(structure.program, each, nest)
            for each in lists
            if may_be_tiled(structure.program, nest, each.order)
        )
        found.append((nest, (*lists, *filter(None, of_tiles))))
    overlap = overlap_graph(structure.program, structure.nests)
    work = least_work(structure, costs, budget) if overlap else 0.0
    return Variant(structure, implementations, tuple(found), overlap, work)


def _lane_limits(
    structure: Structure, costs: Mapping[str, OperatorCost], budget: Budget
) -> list[int]:
    """The most lanes of every nest."""
    free = CEILING * max(budget.lut, 1)
    limits = [max_lanes(nest, costs, budget, free) for nest in structure.nests]
    working = [
        FREE_LANES if limit == free else min(limit, CEILING)
        for nest, limit in zip(structure.nests, limits, strict=True)
        if nest.work
    ]
    # A nest that only moves data could have as many lanes as its arrays have elements; banks that
    # no nest with arithmetic needs only cost it multiplexers.
    most = max(working, default=COPY_LANES)
    others = iter(working)
    return [next(others) if nest.work else most for nest in structure.nests]


def least_work(structure: Structure, costs: Mapping[str, OperatorCost], budget: Budget) -> float:
    """Cycles that all operations need on as many operators as the budget allows."""
    shares = {nest.handle: _executions(structure, nest) for nest in structure.nests}
    most = 0.0
    for resource in ("dsp", "lut"):
        used = 0.0
        for nest in structure.nests:
            for operation in nest.work:
                # what does not depend on a loop may be done once for all of it
                runs = prod(nest.loop(loop).extent for loop in operation.loops)
                cost = getattr(costs[operation.operator], resource)
                used += shares[nest.handle] * runs * cost
        most = max(most, used / max(getattr(budget, resource), 1))
    return most


def _executions(structure: Structure, nest: Nest) -> float:
    """How often the box around the band is run through; of other shapes the share that is run."""
    if nest.is_box:
        return float(prod(loop.extent for loop in nest.prefix))
    counts = (count_instances(structure.program.statement(s))[0] for s in nest.statements)
    return min(counts) / max(nest.box, 1)


def problem_variants(problem: Problem, evaluator: Evaluator) -> tuple[Variant, ...]:
    """Every structure with every choice of implementations, boxes and low bounds first.

    Structures whose nests allow the same loop orders have the same designs; one of them is kept.
    """
    structures: dict[object, Structure] = {}
    for structure in find_structures(evaluator.program, problem.fast_math):
        key = frozenset(
            (n.statements, n.prefix, frozenset(n.band), frozenset(n.orders), n.is_box)
            for n in structure.nests
        )
        structures.setdefault(key, structure)
    work = {
        s.name: sequential_work(s.program, fast_math=problem.fast_math) for s in structures.values()
    }
    least = min(work.values(), default=0.0)
    variants = [
        replace(
            make_variant(problem, evaluator.library, structure, implementations),
            sequence=work[structure.name],
        )
        for structure in structures.values()
        if work[structure.name] <= MUCH_MORE * least
        for implementations in implementation_choices(evaluator.library, structure)
    ]
    if any(v.is_parallel and not v.has_guards for v in variants):
        # skewing makes a loop parallel where none is, and costs guards
        variants = [v for v in variants if not v.has_guards]
    variants.sort(key=lambda v: (v.kind, v.bound, v.structure.name, v.implementations))
    return tuple(variants)
