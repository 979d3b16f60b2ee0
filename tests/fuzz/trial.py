"""One random kernel with several random schedules: proposed, judged, executed, compared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.conflicts import find_conflicts
from pom.passes.reductions import relaxed_statements
from pom.schedule import Schedule, schedule
from tests.fuzz.analysis import difference
from tests.fuzz.enumerate import Enumerated, enumerated
from tests.fuzz.execute import (
    Expected,
    Failure,
    expectations,
    failure_of,
    lowered_text,
    run_jit,
)
from tests.fuzz.kernels import random_kernel
from tests.fuzz.reproduce import ILLEGAL
from tests.fuzz.schedules import propose, rewrites_of

MOST_CPP = 8
"""Schedules of one kernel that also run as C++."""

MOST_ANALYSED = 3
"""Programs of one kernel (as it is, and with other statements) whose dependences are enumerated."""

Stage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure with what reproduces it."""

    failure: Failure
    kernel: Kernel
    primitives: tuple[PolyPass, ...]
    fast_math: bool
    refused: PolyPass | None = None

    def is_same(self, other: Failure | None) -> bool:
        return other is not None and other.kind == self.failure.kind


@dataclass(slots=True)
class Outcome:
    """Counts and findings of one kernel."""

    counts: Counter[str] = field(default_factory=Counter)
    primitives: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


@lru_cache(maxsize=64)
def _enumerated(program: PolyProgram, fast_math: bool) -> Enumerated:
    return enumerated(program, relaxed_statements(program, fast_math))


def _wrong_dependence(program: PolyProgram, fast_math: bool) -> Failure | None:
    """Where the dependence analysis and enumeration differ."""
    found = find_conflicts(program, relaxed_statements(program, fast_math))
    return difference(_enumerated(program, fast_math), found)


@dataclass(slots=True)
class Drawn:
    """A schedule as it was drawn: what was accepted, and the last program that had other statements."""

    schedule: Schedule
    anchor: PolyProgram
    accepted: list[PolyPass] = field(default_factory=list)


def kernel_of(seed: int, index: int) -> Kernel:
    """The kernel number `index` of a run."""
    return random_kernel(random.Random(f"{seed}:{index}"))


def run_program(
    seed: int, index: int, schedules: int, stage: Stage, with_cpp: bool = False
) -> Outcome:
    """Everything about the kernel number `index` of a run.

    Parameters
    ----------
    seed, index : int
        Decide the kernel, its schedules and its inputs.
    schedules : int
    stage : callable
        Told what is about to run, for the report of a crash.
    with_cpp : bool
        Also run the first accepted schedules as C++.
    """
    outcome = Outcome()
    kernel = kernel_of(seed, index)
    expected = expectations(kernel, index)
    base = schedule(kernel)
    texts: dict[str, str] = {}
    drawn: dict[str, Drawn] = {}
    analysed: set[PolyProgram] = set()
    for number in range(schedules):
        stage(f"schedule {number}")
        rng = random.Random(f"{seed}:{index}:{number}")
        one = draw(rng, base, outcome)
        name = f"k{number}"
        drawn[name] = one
        if len(analysed) < MOST_ANALYSED and one.anchor not in analysed:
            analysed.add(one.anchor)
            wrong = _wrong_dependence(one.anchor, one.schedule.fast_math)
            if wrong is not None:
                outcome.findings.append(_finding(wrong, one))
        try:
            texts[name] = lowered_text(one.schedule, name)
        except Exception as error:  # whatever it is, it is a finding
            outcome.findings.append(_finding(failure_of(error), one))
    stage("execution")
    outcome.counts["kernels"] += 1
    outcome.counts["analysed"] += len(analysed)
    outcome.counts["accepted"] += len(drawn)
    if not expected.runs:
        outcome.counts["no accepted input"] += len(texts)
        return outcome
    for name, problem in _differences(texts, drawn, expected).items():
        if problem is not None:
            outcome.findings.append(_finding(problem, drawn[name]))
    outcome.counts["executed"] += len(texts)
    if with_cpp and texts:
        from tests.fuzz.cpp import differences

        stage("g++")
        chosen = {n: t for n, t in texts.items() if int(n[1:]) < MOST_CPP}
        outcome.counts["g++"] += len(chosen)
        exact = {n: drawn[n].schedule.is_exact for n in chosen}
        for name, found in differences(chosen, exact, expected).items():
            outcome.findings.append(_finding(found, drawn[name]))
    return outcome


def _finding(failure: Failure, one: Drawn) -> Finding:
    s = one.schedule
    return Finding(failure, s.kernel, tuple(one.accepted), s.fast_math)


def _differences(
    texts: dict[str, str], drawn: dict[str, Drawn], expected: Expected
) -> dict[str, Failure | None]:
    try:
        results = run_jit(texts, expected)
    except Exception as error:
        if len(texts) == 1:
            return dict.fromkeys(texts, failure_of(error))
        found: dict[str, Failure | None] = {}
        for name, text in texts.items():
            found |= _differences({name: text}, drawn, expected)
        return found
    return {
        name: Failure("mismatch", text)
        if (text := expected.difference(found, drawn[name].schedule.is_exact))
        else None
        for name, found in results.items()
    }


def draw(rng: random.Random, base: Schedule, outcome: Outcome) -> Drawn:
    """A random schedule; refused primitives are judged and left out."""
    s = base.copy()
    s.fast_math = rng.random() < 0.1
    one = Drawn(s, s.program)
    wanted = rng.choice((1, 2, 2, 3, 3, 4, 5, 7))
    for _ in range(wanted):
        primitive = propose(rng, s.program, s.fast_math)
        if primitive is None:
            break
        before = s.program
        try:
            s.apply(primitive)
        except PomError as error:
            _count_refusal(primitive, error, one, outcome)
            continue
        except Exception as error:  # whatever it is, it is a finding
            outcome.findings.append(
                Finding(failure_of(error), s.kernel, (*one.accepted, primitive), s.fast_math)
            )
            continue
        one.accepted.append(primitive)
        outcome.primitives[primitive.name] += 1
        if s.program.statements != before.statements:
            one.anchor = s.program
        elif s.program.schedule != before.schedule:
            reversal = _enumerated(one.anchor, s.fast_math).reversal(s.program)
            if reversal is not None:
                outcome.findings.append(_finding(Failure("wrongly accepted", str(reversal)), one))
    return one


def _count_refusal(primitive: PolyPass, error: PomError, one: Drawn, outcome: Outcome) -> None:
    outcome.refusals[f"{primitive.name} {error.code}"] += 1
    if error.code != ILLEGAL:
        outcome.counts["refused by a rule"] += 1
        return
    s = one.schedule
    candidates = rewrites_of(primitive, s.program)
    if not candidates:
        outcome.counts["refused, not enumerated"] += 1
        return
    judge = _enumerated(one.anchor, s.fast_math)
    if any(judge.reversal(candidate) is None for candidate in candidates):
        if judge.has_unknown:
            outcome.counts["refused because of data"] += 1
            return
        outcome.counts["refused as illegal"] += 1
        outcome.counts["false refusals"] += 1
        outcome.findings.append(
            Finding(
                Failure("false refusal", error.summary),
                s.kernel,
                tuple(one.accepted),
                s.fast_math,
                primitive,
            )
        )
        return
    outcome.counts["refused as illegal"] += 1
