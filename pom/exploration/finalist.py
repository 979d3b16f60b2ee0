"""From the search's ranking to a design that has been built and executed.

The search asks the model only. Before a design is shown it is built as every design is, with
translation validation, and run against the reference. One that does not pass gives way to the next.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from pom.api import Design, build
from pom.dse.evaluation import Evaluation
from pom.dse.problem import Problem
from pom.dse.realise import realise
from pom.dse.structures import make_structure
from pom.errors import PomError
from pom.runtime.check import CheckReport, check_design
from pom.schedule import Schedule

CASE_ELEMENTS = 40_000_000
"""Array elements of all inputs that one design is run on; `pom check` runs it on more."""

MAX_CASES = 8
"""Inputs that a design is run on."""

MAX_TRIES = 6
"""Designs that are built before the search gives up."""


@dataclass(frozen=True, slots=True)
class Finalist:
    """A design of the search that passed every check.

    Parameters
    ----------
    evaluation : Evaluation
        What the model said of it.
    design : Design
    check : CheckReport
    """

    evaluation: Evaluation
    design: Design
    check: CheckReport

    @property
    def schedule(self) -> Schedule:
        return self.design.schedule


@dataclass(frozen=True, slots=True)
class Refusal:
    """A design of the search that was not accepted, and why."""

    evaluation: Evaluation
    reason: str


def schedule_of(problem: Problem, evaluation: Evaluation) -> Schedule:
    """The schedule that an evaluated plan stands for."""
    schedule = Schedule(problem.kernel, problem.fast_math)
    plan = evaluation.plan
    structure = make_structure(plan.structure, schedule.program, problem.fast_math)
    schedule.apply(*structure.primitives)
    nests = realise(structure.program, structure.nests, plan, problem.fast_math)
    return schedule.apply(*nests)


def _case_count(problem: Problem) -> int:
    """Inputs to run the design on: fewer where their arrays are large, for the time it takes."""
    elements = sum(prod(a.type.shape) for a in problem.kernel.arrays.values())
    return max(1, min(MAX_CASES, CASE_ELEMENTS // max(elements, 1)))


def build_finalist(
    problem: Problem, evaluation: Evaluation, most_cases: int = MAX_CASES
) -> Finalist | Refusal:
    """Build a design and run it; a refusal where a step refuses it or the results differ."""
    try:
        schedule = schedule_of(problem, evaluation)
        design = build(schedule, problem.device, problem.clock_ns)
        report = check_design(design, count=min(most_cases, _case_count(problem)))
    except PomError as error:
        return Refusal(evaluation, f"{error.code}: {error.summary}")
    if not report.passed:
        return Refusal(evaluation, f"its results are wrong: {report.render()}")
    return Finalist(evaluation, design, report)


def first_finalist(
    problem: Problem, ranked: Iterable[Evaluation], deadline: float | None = None
) -> tuple[Finalist, tuple[Refusal, ...]]:
    """The best design that passes, with those before it that did not.

    After `deadline`, a ``time.monotonic()``, designs are run on one input each.

    Raises
    ------
    PomError
        POM-X165 none of the first designs passes.
    """
    refused: list[Refusal] = []
    for evaluation in ranked:
        is_late = deadline is not None and time.monotonic() > deadline
        found = build_finalist(problem, evaluation, 1 if is_late else MAX_CASES)
        if isinstance(found, Finalist):
            return found, tuple(refused)
        refused.append(found)
        if len(refused) == MAX_TRIES:
            break
    raise PomError(
        "POM-X165",
        f"none of the best {len(refused)} designs of {problem.kernel.name} passes its checks",
        problem.kernel.location,
        hint="`pom check` shows the steps for the kernel as it is written",
        notes=tuple(dict.fromkeys(f"{r.evaluation.plan}: {r.reason}" for r in refused)),
    )
