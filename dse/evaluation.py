"""What a plan is worth: lower it as the compiler does, and ask the analytical model.

Nothing is approximated on the way: the schedule's primitives are applied and checked, level 3 is
generated, and the model reads level 3. A nest can be evaluated alone, as a program of its
statements only, because nests of one function run one after the other and share operators.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import islpy as isl

from pom.dse.blocks import block_counts
from pom.dse.direct import DirectDesigns, kept_apart, partitioned
from pom.dse.nests import Nest
from pom.dse.plan import Plan, parse_plan
from pom.dse.problem import Problem, Resources
from pom.dse.realise import bindings, realise
from pom.dse.structures import Structure, make_structure
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.schedule_tree import prune
from pom.qor_model.settings import Effort

WHOLE = Effort(placements=400_000)
"""What the estimate of a whole design, or of a nest that is rewritten, may take: some 3 seconds."""
LOWERED = Effort(operations=1_500, placements=100_000)
"""What that of a nest with guards may take: its lanes differ, and most of them are poor designs."""

MOST_LOWERED = 200
"""Nests that are kept as they were lowered, for other banks of their arrays."""

if TYPE_CHECKING:
    from mlir.ir import Context

    from pom.qor_model.region import Design
    from pom.qor_model.resources import ResourceReport
    from pom.qor_model.schedule_result import DesignResult, LoopResult


@dataclass(frozen=True, slots=True)
class Unit:
    """Operators of one kind that a design has, and what one of them costs.

    Nests that run one after the other use the same ones.
    """

    name: str
    count: int
    dsp: int
    lut: float
    ff: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The model's answer for one plan.

    Parameters
    ----------
    plan : Plan
    nest : str
        Handle of the nest that was evaluated alone; empty for the whole design.
    latency_cycles : float
        Infinite where the plan was refused.
    resources : Resources
    refusal : str
        Why the plan is not a design; empty where it is one.
    units : tuple of Unit
        Of `resources`, the operators that can be shared.
    loop_cycles : float
        Cycles that the loops of a nest alone take in every design with the nest as it is; states
        around loops may overlap with those of other nests.
    shared_lut : float
        Of `resources`, what a whole design has once for all nests besides operators.
    busy : tuple of str
        Arrays whose ports a loop of a nest alone waits for.
    """

    plan: Plan
    nest: str
    latency_cycles: float
    resources: Resources
    refusal: str = ""
    units: tuple[Unit, ...] = ()
    loop_cycles: float = 0.0
    shared_lut: float = 0.0
    busy: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        return bool(self.refusal)

    def record(self) -> dict[str, object]:
        """For the store."""
        latency = None if self.is_refused else self.latency_cycles
        return {
            "plan": self.plan.text,
            "nest": self.nest,
            "latency_cycles": latency,
            "resources": asdict(self.resources),
            "refusal": self.refusal,
            "units": [list(astuple(unit)) for unit in self.units],
            "loop_cycles": self.loop_cycles,
            "shared_lut": self.shared_lut,
            "busy": list(self.busy),
        }


def own_lut(answer: Evaluation) -> float:
    """LUT of a design besides operators that other nests may share."""
    shared = sum(unit.lut * unit.count for unit in answer.units)
    return max(answer.resources.lut - shared, 0.0)


def _shared_lut(report: ResourceReport) -> float:
    """LUT besides operators that other nests may share with a nest.

    A function and a local array are there once. Every controller of an operator counts one for each
    of these; the first one of a nest is counted where nests are put together.
    """
    causes = dict(report.lut_by_cause)
    # with a single controller there is nothing to share, so these are two or more
    return causes["functions"] + causes["memory"] + 0.5 * causes["operator_controllers"]


def loop_cycles(
    loops: Sequence[LoopResult],
    nest: Nest,
    free: Collection[str] = (),
    means: Mapping[str, float] | None = None,
    *,
    is_inside: bool = False,
) -> float:
    """Cycles of the loops of a nest alone, whatever else is beside them in a whole design.

    Parameters
    ----------
    loops : sequence of LoopResult
    nest : Nest
        Straight-line code in those loops of its prefix that are around other loops, too, counts
        nothing.
    free : collection of str
        Loops whose range is always the same.
    means : mapping of str to float, optional
        How often loops run on average.
    is_inside : bool
        Whether a loop is around them, where a pipelined one is a function of its own.

    Notes
    -----
    A loop takes one state of the code around it besides its own cycles, a call of it takes two.
    Where the loops around run for other code, too, a loop may be known to run less often at the
    least, and the middle of its range is lower; behind a guard, it counts by its mean. Trip counts of
    split loops are means, which stay.
    """
    around = tuple(loop.name for loop in nest.prefix[: nest.apart])
    named = tuple(loop.name for loop in (*nest.prefix, *nest.band))
    unsplit = () if nest.is_everywhere else tuple(name for name in named if name not in free)
    total = 0.0
    for loop in loops:
        if all(_is_one_of(name, around) for name in loop.names):
            inside = loop_cycles(loop.children, nest, free, means, is_inside=True)
            cycles = _least_trips(loop, unsplit, means or {}) * inside
        else:
            cycles = _least_latency(loop, unsplit, means or {})
            is_call = is_inside and loop.is_pipelined and loop.share == 1.0
            cycles += 2 if is_call else 1
        cycles *= loop.share
        # parts of states are rounded
        total += cycles if cycles.is_integer() else cycles - 0.5
    return total


def _least_trips(loop: LoopResult, unsplit: Sequence[str], means: Mapping[str, float]) -> float:
    """How often a loop runs beside other code: some of its loops may be `unsplit`."""
    trips = loop.trip_count
    own = [n for name in loop.names for n in unsplit if _is_one_of(name, (n,))]
    if not own or loop.trip_count_min == loop.trip_count_max:
        return trips
    least = min(trips, loop.trip_count_max // 2)
    if len(own) == len(loop.names) == 1:
        least = min(least, means.get(own[0], least))
    return least


def _least_latency(loop: LoopResult, unsplit: Sequence[str], means: Mapping[str, float]) -> float:
    """Cycles of a loop beside other code."""
    trips = _least_trips(loop, unsplit, means)
    if loop.is_pipelined or not loop.children:
        return loop.latency_cycles * trips / max(loop.trip_count, 1)
    saved = sum(
        (child.latency_cycles - _least_latency(child, unsplit, means)) * child.share
        for child in loop.children
    )
    # parts of states are rounded
    states = loop.iteration_latency - (saved if float(saved).is_integer() else saved + 0.5)
    return trips * max(states, 0.0)


def _of_nest(loops: Sequence[LoopResult], program: PolyProgram, nest: Nest, plan: Plan) -> float:
    """`loop_cycles` of a nest in a plan."""
    if nest.is_box:
        return loop_cycles(loops, nest)
    counts, means = block_counts(program, nest), None
    if not nest.is_everywhere:
        own = next(each for each in plan.nests if each.statement == nest.handle)
        means = counts.means(own.order, own.factors)
    return loop_cycles(loops, nest, counts.free, means)


def _waited_for(loops: Sequence[LoopResult]) -> set[str]:
    """Arrays whose ports decide on the interval of a loop."""
    from pom.qor_model.schedule_result import LimitKind

    found: set[str] = set()
    for loop in loops:
        found |= _waited_for(loop.children)
        if loop.limit.kind is LimitKind.PORTS:
            found.add(loop.limit.subject)
    return found


def _is_one_of(name: str, loops: Sequence[str]) -> bool:
    """Whether a loop of level 3 is one of `loops`; equal names have the statement in front."""
    return any(name == loop or name.endswith(f"_{loop}") for loop in loops)


def parse_evaluation(record: dict[str, Any]) -> Evaluation:
    """The inverse of `Evaluation.record`."""
    latency = record["latency_cycles"]
    return Evaluation(
        parse_plan(record["plan"]),
        record["nest"],
        float("inf") if latency is None else latency,
        Resources(**record["resources"]),
        record["refusal"],
        tuple(Unit(*unit) for unit in record["units"]),
        record["loop_cycles"],
        record["shared_lut"],
        tuple(record["busy"]),
    )


@dataclass(frozen=True, slots=True)
class Request:
    """A plan to evaluate, whole or one nest of it alone.

    Parameters
    ----------
    problem : Problem
        From `without_wishes`. A few kilobytes pickled, so every request carries it and any process
        can answer; what is derived from it is kept there.
    plan : Plan
    nest : str
        Handle of the nest that is evaluated alone.
    """

    problem: Problem
    plan: Plan
    nest: str = ""


def without_wishes(problem: Problem) -> Problem:
    """The part of a problem that an evaluation depends on: not its limits, nor its objective."""
    return Problem(
        problem.kernel,
        problem.device,
        problem.clock_ns,
        Resources(),
        fast_math=problem.fast_math,
    )


def evaluate(request: Request) -> Evaluation:
    """Evaluate one request; a plan that is refused is an answer, not an error."""
    return evaluator_of(request.problem).evaluate(request.plan, request.nest)


@lru_cache(maxsize=4)
def evaluator_of(problem: Problem) -> Evaluator:
    """This process' evaluator for a problem from `without_wishes`."""
    return Evaluator(problem)


class Evaluator:
    """Evaluates plans of one problem in this process.

    Attributes
    ----------
    is_direct : bool
        Whether nests are rewritten instead of lowered where that is possible.
    """

    is_direct = True

    def __init__(self, problem: Problem) -> None:
        from pom.qor_model.operators import OperatorLibrary

        self.problem = problem
        self.program = graph_to_poly(problem.kernel)
        self.library = OperatorLibrary.for_device(problem.device, problem.clock_ns)
        self._structures: dict[str, Structure] = {}
        self._bare: dict[Plan, Design] = {}
        self._direct: dict[tuple[str, tuple[tuple[str, str], ...]], DirectDesigns | None] = {}

    def structure(self, name: str) -> Structure:
        """A structural variant of the kernel."""
        if name not in self._structures:
            self._structures[name] = make_structure(name, self.program, self.problem.fast_math)
        return self._structures[name]

    @cached_property
    def _context(self) -> Context:
        from pom.dialects.context import new_context

        return new_context()

    def evaluate(self, plan: Plan, nest: str = "") -> Evaluation:
        """The model's answer for a plan, or for one nest of it alone."""
        try:
            design = self.rewritten(plan, nest) if self.is_direct else None
            effort = WHOLE
            if design is None:
                effort = LOWERED if nest else WHOLE
                design = self._alone(plan, nest) if nest else self._lowered(self.realised(plan))
            result, report = self._judged(design, effort)
        except PomError as error:
            return Evaluation(
                plan, nest, float("inf"), Resources(), f"{error.code}: {error.summary}"
            )
        except isl.Error as error:
            return Evaluation(plan, nest, float("inf"), Resources(), f"isl: {error}")
        units = self._units(report)
        resources = Resources(**asdict(report.total))
        if not nest:
            return Evaluation(plan, nest, result.latency_cycles, resources, "", units)
        loops = result.function(result.top).loops
        chosen = self._nest(plan.structure, nest)
        program = self.structure(plan.structure).program
        inside = _of_nest(loops, program, chosen, plan)
        return Evaluation(
            plan, nest, result.latency_cycles, resources, "", units, inside, _shared_lut(report),
            tuple(sorted(_waited_for(loops))),
        )  # fmt: skip

    def _nest(self, structure: str, handle: str) -> Nest:
        return next(n for n in self.structure(structure).nests if n.handle == handle)

    def _alone(self, plan: Plan, nest: str) -> Design:
        """A nest of a plan alone; banks change nothing but arrays, so one lowering serves all of them."""
        own = tuple(p for p in plan.nests if p.statement == nest)
        bare = replace(plan, nests=own, partitions=())
        design = self._bare.get(bare)
        if design is None:
            design = self._lowered(self.realised(bare, nest))
            design = kept_apart(design, self._nest(plan.structure, nest))
            if len(self._bare) >= MOST_LOWERED:
                del self._bare[next(iter(self._bare))]
            self._bare[bare] = design
        top = design.function(design.top)
        arrays = partitioned(top.arrays, dict(plan.partitions))
        if arrays is None:
            lowered = self._lowered(self.realised(plan, nest))
            return kept_apart(lowered, self._nest(plan.structure, nest))
        changed = replace(top, arrays=arrays)
        functions = tuple(changed if f is top else f for f in design.functions)
        return replace(design, functions=functions)

    def realised(self, plan: Plan, nest: str = "") -> PolyProgram:
        """The transformed program of a plan."""
        structure = self.structure(plan.structure)
        program, nests = structure.program, structure.nests
        if nest:
            chosen = self._nest(plan.structure, nest)
            program = only(program, (*chosen.statements, *chosen.company))
            nests = (chosen,)
            # partitions are the whole design's: other nests may want more banks
            plan = replace(plan, nests=tuple(p for p in plan.nests if p.statement == nest))
        for primitive in realise(program, nests, plan, self.problem.fast_math):
            program = primitive.run(program)
        return program

    def timed(self, plan: Plan) -> tuple[Design, DesignResult]:
        """The whole design of a plan as the model reads it, and its schedule."""
        from pom.qor_model.latency import estimate_latency

        design = self._lowered(self.realised(plan))
        return design, estimate_latency(design, self.library)

    def estimate(self, program: PolyProgram) -> tuple[float, Resources, DesignResult]:
        """Latency and resources of a program as it stands."""
        result, report = self._judged(self._lowered(program), Effort())
        return result.latency_cycles, Resources(**asdict(report.total)), result

    def _lowered(self, program: PolyProgram) -> Design:
        from pom.passes.poly_to_affine import poly_to_affine
        from pom.qor_model.from_affine import design_from_affine

        return design_from_affine(poly_to_affine(program, self._context))

    def rewritten(self, plan: Plan, nest: str = "") -> Design | None:
        """The design of a plan, or of a nest of it alone, without lowering, where possible."""
        key = (plan.structure, plan.implementations)
        if key not in self._direct:
            self._direct[key] = self._direct_designs(plan)
        found = self._direct[key]
        if found is None:
            return None
        return found.design(plan, nest) if nest else found.whole(plan)

    def _direct_designs(self, plan: Plan) -> DirectDesigns | None:
        structure = self.structure(plan.structure)
        program = structure.program
        try:
            for primitive in bindings(program, structure.nests, plan.implementations):
                program = primitive.run(program)
            return DirectDesigns(self._lowered(program), structure.nests)
        except PomError:
            # tiled, the nests may still be within the model
            return None

    def _judged(
        self, design: Design, effort: Effort = WHOLE
    ) -> tuple[DesignResult, ResourceReport]:
        from pom.qor_model.latency import estimate_latency
        from pom.qor_model.resources import ResourceModel

        result = estimate_latency(design, self.library, effort=effort, folds=True)
        # a model keeps what it measured, which no other design has use for
        return result, ResourceModel(self.library).estimate(design, result)

    def _units(self, report: ResourceReport) -> tuple[Unit, ...]:
        found = []
        for key, count in report.operators:
            operator = self.library.operator(key)
            if count and self.library.timing(key).is_shared:
                name = f"{key.kind} {key.dtype} {key.impl}".strip()
                found.append(Unit(name, count, operator.dsp, operator.lut, operator.ff))
        return tuple(found)


def only(program: PolyProgram, statements: tuple[str, ...]) -> PolyProgram:
    """`program` without the other statements; what they compute is taken as given."""
    tree = prune(program.schedule, statements)
    if tree is None:
        raise PomError("POM-X130", f"no statement of {statements} is in the program")
    return replace(
        program,
        statements=tuple(s for s in program.statements if s.name in statements),
        schedule=tree,
    )
