"""What a plan is worth: lower it as the compiler does, and ask the analytical model.

Nothing is approximated on the way: the schedule's primitives are applied and checked, level 3 is
generated, and the model reads level 3. A nest can be evaluated alone, as a program of its
statements only, because nests of one function run one after the other and share operators.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from pom.dse.plan import Plan, parse_plan
from pom.dse.problem import Problem, Resources
from pom.dse.realise import realise
from pom.dse.structures import Structure, make_structure
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.schedule_tree import prune

if TYPE_CHECKING:
    from mlir.ir import Context

    from pom.qor_model.region import Design
    from pom.qor_model.schedule_result import DesignResult


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
    """

    plan: Plan
    nest: str
    latency_cycles: float
    resources: Resources
    refusal: str = ""

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
        }


def parse_evaluation(record: dict[str, Any]) -> Evaluation:
    """The inverse of `Evaluation.record`."""
    latency = record["latency_cycles"]
    return Evaluation(
        parse_plan(record["plan"]),
        record["nest"],
        float("inf") if latency is None else latency,
        Resources(**record["resources"]),
        record["refusal"],
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
    """Evaluates plans of one problem in this process."""

    def __init__(self, problem: Problem) -> None:
        from pom.qor_model.operators import OperatorLibrary
        from pom.qor_model.resources import ResourceModel

        self.problem = problem
        self.program = graph_to_poly(problem.kernel)
        self.library = OperatorLibrary.for_device(problem.device, problem.clock_ns)
        self.resource_model = ResourceModel(self.library)
        self._structures: dict[str, Structure] = {}

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
            program = self.realised(plan, nest)
            latency, resources, _ = self.estimate(program)
        except PomError as error:
            return Evaluation(
                plan, nest, float("inf"), Resources(), f"{error.code}: {error.summary}"
            )
        return Evaluation(plan, nest, latency, resources)

    def realised(self, plan: Plan, nest: str = "") -> PolyProgram:
        """The transformed program of a plan."""
        structure = self.structure(plan.structure)
        program, nests = structure.program, structure.nests
        if nest:
            chosen = next(n for n in nests if n.handle == nest)
            program = only(program, chosen.statements)
            nests = (chosen,)
            # partitions are the whole design's: other nests may want more banks
            plan = replace(plan, nests=tuple(p for p in plan.nests if p.statement == nest))
        for primitive in realise(program, nests, plan, self.problem.fast_math):
            program = primitive.run(program)
        return program

    def timed(self, plan: Plan) -> tuple[Design, DesignResult]:
        """The whole design of a plan as the model reads it, and its schedule."""
        return self._timed(self.realised(plan))

    def _timed(self, program: PolyProgram) -> tuple[Design, DesignResult]:
        from pom.passes.poly_to_affine import poly_to_affine
        from pom.qor_model.from_affine import design_from_affine
        from pom.qor_model.latency import estimate_latency

        design = design_from_affine(poly_to_affine(program, self._context))
        return design, estimate_latency(design, self.library)

    def estimate(self, program: PolyProgram) -> tuple[float, Resources, DesignResult]:
        """Latency and resources of a program as it stands."""
        design, result = self._timed(program)
        report = self.resource_model.estimate(design, result)
        return result.latency_cycles, Resources(**asdict(report.total)), result


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
