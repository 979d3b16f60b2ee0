"""Does a design compute what its kernel says? Three executions on the same inputs.

The reference interprets level 1 in program order. The JIT runs level 3, and g++ runs the emitted C++.
Integers and fixed point have to agree to the last bit, floats too, unless the schedule reassociates
a reduction; then the difference has to stay below a bound that is computed (`pom.runtime.tolerance`).

What is executed depends on the size of the kernel, and the report says which it was:

==============  =================================================================================
instances       what runs
==============  =================================================================================
few             the reference, the JIT and the C++ on every case
many            the JIT and the C++ against the kernel in program order through the JIT, at full
                size; and all three on the first and on the last iterations of every loop
too many        all three on the first and on the last iterations of every loop
==============  =================================================================================
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pom.errors import PomError
from pom.ir.graph import Array, Kernel
from pom.ir.poly import PolyProgram
from pom.runtime import reference
from pom.runtime.arrays import AnyArray
from pom.runtime.compare import Comparison, compare_all
from pom.runtime.inputs import Case, cases
from pom.runtime.tolerance import Execute, error_bound, has_error_bound, heuristic_bound
from pom.runtime.window import Side, window, window_of_sums
from pom.runtime.work import count_instances

if TYPE_CHECKING:
    from mlir.ir import Module

    from pom.api import Design
    from pom.runtime.jit import JitFunction

Execution = Callable[[Mapping[str, Any]], dict[str, AnyArray]]

WORK_LIMIT = 4_000_000
"""Statement instances that the reference may interpret in one check, over all cases."""

NATIVE_LIMIT = 200_000_000
"""Statement instances that compiled code may run in one case."""

ELEMENT_LIMIT = 400_000_000
"""Array elements of a kernel that is executed at all."""

WINDOWS = (40, 24, 12, 6, 3, 2, 1)
"""Iterations of every loop in a window: the first of these that fits the work limit."""

_INPUT_FAULTS = frozenset({"POM-R010", "POM-R011", "POM-R012", "POM-R020", "POM-R021"})


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """One execution compared with the expected values, over all cases.

    Parameters
    ----------
    name : str
        ``jit`` or ``g++``.
    against : str
        What gave the expected values: ``reference``, or ``program order`` (the unscheduled kernel
        through the JIT).
    scope : str
        ``all instances``, or which iterations.
    cases : int
    comparison : Comparison
    worst_kind : str
        The kind of input with the largest difference.
    seconds : float
        Time in the execution, compilation not included.
    """

    name: str
    against: str
    scope: str
    cases: int
    comparison: Comparison
    worst_kind: str
    seconds: float

    @property
    def is_equal(self) -> bool:
        return self.comparison.outside == 0


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The outcome of `check`.

    Parameters
    ----------
    kernel : str
    results : tuple of ExecutionResult
    skipped : tuple of (kind, reason)
        Inputs that the kernel does not accept, such as ones that make it divide by zero.
    instances : int, optional
        Statement instances of one run; None where they are more than the native limit.
    rule : str
        What the executions had to satisfy.
    notes : tuple of str
        What was not executed, and why.
    """

    kernel: str
    results: tuple[ExecutionResult, ...]
    skipped: tuple[tuple[str, str], ...]
    instances: int | None
    rule: str
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether something was executed and everything agreed."""
        return bool(self.results) and all(r.is_equal and r.cases for r in self.results)

    def render(self) -> str:
        """The report as text for a terminal."""
        count = "too many instances" if self.instances is None else f"{self.instances} instances"
        lines = [f"{self.kernel}: {'PASS' if self.passed else 'FAIL'} ({count}; {self.rule})"]
        for r in self.results:
            c = r.comparison
            verdict = "equal" if c.differing == 0 else f"{c.differing} differ, {c.outside} too much"
            largest = "0" if c.largest is None else str(c.largest)
            lines.append(
                f"  {r.name:4} = {r.against}: {verdict}; {c.elements} elements in {r.cases} cases, "
                f"{r.scope}; largest difference {largest}"
                + (f", input '{r.worst_kind}'" if c.largest else "")
            )
            if c.not_finite:
                lines.append(f"       {c.not_finite} of the expected elements are NaN or infinite")
        lines += [f"  input '{kind}' left out: {reason}" for kind, reason in self.skipped]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The report as values that JSON has."""
        return {
            "kernel": self.kernel,
            "passed": self.passed,
            "instances": self.instances,
            "rule": self.rule,
            "results": [_result_json(r) for r in self.results],
            "skipped": [{"input": k, "reason": r} for k, r in self.skipped],
            "notes": list(self.notes),
        }


def _result_json(result: ExecutionResult) -> dict[str, Any]:
    c = result.comparison
    largest = c.largest
    return {
        "execution": result.name,
        "against": result.against,
        "scope": result.scope,
        "cases": result.cases,
        "elements": c.elements,
        "differing": c.differing,
        "outside_tolerance": c.outside,
        "not_finite": c.not_finite,
        "seconds": round(result.seconds, 6),
        "largest_difference": None
        if largest is None
        else {
            "array": largest.array,
            "index": list(largest.index),
            "expected": largest.expected,
            "found": largest.found,
            "size": largest.size if largest.size != float("inf") else "inf",
            "input": result.worst_kind,
        },
    }


@dataclass
class _Tally:
    """One execution over the cases."""

    name: str
    run: Execution
    total: Comparison = Comparison()
    worst_kind: str = ""
    cases: int = 0
    seconds: float = 0.0

    def add(self, kind: str, comparison: Comparison, seconds: float) -> None:
        before = self.total.largest
        self.total += comparison
        if self.total.largest is not before:
            self.worst_kind = kind
        self.cases += 1
        self.seconds += seconds

    def result(self, against: str, scope: str) -> ExecutionResult:
        return ExecutionResult(
            self.name, against, scope, self.cases, self.total, self.worst_kind, self.seconds
        )


def _executions(module: Module, name: str, with_cpp: bool) -> list[_Tally]:
    from pom.runtime.jit import JitFunction

    tallies = [_Tally("jit", JitFunction(module, name))]
    if with_cpp:
        from pom.runtime.gpp import CompiledKernel

        tallies.append(_Tally("g++", CompiledKernel(module, name)))
    return tallies


@dataclass(frozen=True, slots=True)
class _Part:
    """What is executed, and what gives the expected values."""

    kernel: Kernel
    expected: Execution
    against: str
    scope: str
    execute: Execute = reference.run


@dataclass(frozen=True, slots=True)
class _Plan:
    """What every part of one check has in common."""

    is_exact: bool
    has_bound: bool
    seed: int
    count: int
    work_limit: int
    native_limit: int
    with_cpp: bool
    skipped: list[tuple[str, str]]
    notes: list[str]

    @property
    def rule(self) -> str:
        if self.is_exact:
            return "bit for bit"
        if self.has_bound:
            return "floats within the error bound of a reassociated sum, the rest bit for bit"
        return (
            "no error bound is known for a reassociated sum in this kernel, so floats may differ in "
            "the lower half of the digits of the array's largest value; the rest bit for bit"
        )

    def allowed(
        self, part: _Part, arguments: Mapping[str, Any], expected: Mapping[str, AnyArray]
    ) -> dict[str, AnyArray] | None:
        """Allowed differences; None where the bits have to be equal."""
        if self.is_exact:
            return None
        found = error_bound(part.kernel, arguments, part.execute)
        return found or heuristic_bound(part.kernel, expected)

    def run(
        self, part: _Part, tallies: list[_Tally], inputs: Iterator[Case]
    ) -> list[ExecutionResult]:
        """Every execution on every case."""
        types = {p.name: p.type for p in part.kernel.params if isinstance(p, Array)}
        for case in inputs:
            try:
                wanted = part.expected(case.arguments)
            except PomError as error:
                if error.code not in _INPUT_FAULTS:
                    raise
                self.skipped.append((case.kind, error.summary))
                continue
            allowed = self.allowed(part, case.arguments, wanted)
            for tally in tallies:
                start = time.perf_counter()
                found = tally.run(case.arguments)
                seconds = time.perf_counter() - start
                tally.add(case.kind, compare_all(types, wanted, found, allowed), seconds)
        return [t.result(part.against, part.scope) for t in tallies]

    def inputs(self, kernel: Kernel, count: int) -> Iterator[Case]:
        return cases(kernel, self.seed, count, ordinary=not self.is_exact)


def _whole(plan: _Plan, kernel: Kernel, module: Module, instances: int) -> list[ExecutionResult]:
    count = max(1, min(plan.count, plan.work_limit // max(instances, 1)))
    part = _Part(kernel, lambda a: reference.run(kernel, a), "reference", "all instances")
    tallies = _executions(module, kernel.name, plan.with_cpp)
    return plan.run(part, tallies, plan.inputs(kernel, count))


def _compiled(kernel: Kernel) -> JitFunction:
    """The kernel in program order, compiled."""
    from pom.passes.graph_to_poly import graph_to_poly
    from pom.passes.poly_to_affine import poly_to_affine
    from pom.runtime.jit import JitFunction

    return JitFunction(poly_to_affine(graph_to_poly(kernel)), kernel.name)


def _native(plan: _Plan, kernel: Kernel, module: Module) -> list[ExecutionResult]:
    part = _Part(
        kernel,
        _compiled(kernel),
        "program order",
        "all instances",
        lambda changed, arguments: _compiled(changed)(arguments),
    )
    tallies = _executions(module, kernel.name, plan.with_cpp)
    return plan.run(part, tallies, plan.inputs(kernel, min(plan.count, 2)))


def _windows(plan: _Plan, kernel: Kernel, program: PolyProgram) -> list[ExecutionResult]:
    from pom.passes.poly_to_affine import poly_to_affine

    results: list[ExecutionResult] = []
    count = min(plan.count, 3)
    sides: tuple[Side, ...] = ("first", "last")
    for side in sides:
        for size in WINDOWS:
            part = window(kernel, program, side, size)
            if part is None and side == "first":
                part = window_of_sums(kernel, program, size)
            if part is None:
                return results
            instances = count_instances(part.kernel, plan.work_limit // (2 * count))
            if instances:
                break
        else:
            continue
        small = part.kernel
        scope = f"{side} {size} iterations of every loop ({instances} instances)"
        whole = _Part(small, partial(reference.run, small), "reference", scope)
        tallies = _executions(poly_to_affine(part.program), kernel.name, plan.with_cpp)
        results += plan.run(whole, tallies, plan.inputs(small, count))
    return results


def check(
    kernel: Kernel,
    module: Module,
    program: PolyProgram | None = None,
    *,
    is_exact: bool = True,
    seed: int = 0,
    count: int = 8,
    work_limit: int = WORK_LIMIT,
    native_limit: int = NATIVE_LIMIT,
    with_cpp: bool = True,
) -> CheckReport:
    """Compare the executions of a design with its kernel.

    Parameters
    ----------
    kernel : Kernel
        Level 1.
    module : mlir.ir.Module
        Level 3 of the scheduled kernel.
    program : PolyProgram, optional
        Level 2 of the scheduled kernel, from which parts of a large kernel are lowered.
    is_exact : bool
        The schedule keeps the order of every dependence, so that floats agree to the last bit.
    seed, count : int
        Which inputs, and how many.
    work_limit, native_limit : int
        Statement instances that the reference (over all cases) and compiled code (in one case) run.
    with_cpp : bool
        Also run the emitted C++, which needs g++.

    Raises
    ------
    PomError
        POM-R030: none of the inputs is one that the kernel accepts. POM-R032: the kernel is too
        large to execute and no part of it can be.
    """
    elements = sum(math.prod(a.type.shape) for a in kernel.arrays.values())
    instances = count_instances(kernel, native_limit)
    plan = _Plan(
        is_exact, has_error_bound(kernel), seed, count, work_limit, native_limit, with_cpp, [], []
    )
    results: list[ExecutionResult] = []
    if elements > ELEMENT_LIMIT:
        plan.notes.append(f"not executed: its arrays have {elements} elements")
    elif instances is not None and instances <= work_limit:
        results = _whole(plan, kernel, module, instances)
    else:
        plan.notes.append(
            f"the reference ran on parts only: it is limited to {work_limit} instances"
        )
        if instances is None:
            plan.notes.append(
                f"not executed at full size: it has more than {native_limit} instances"
            )
        else:
            results = _native(plan, kernel, module)
        if program is not None:
            results += _windows(plan, kernel, program)
    if not results:
        raise PomError(
            "POM-R032",
            f"{kernel.name} is too large to execute, and no part of it can be",
            kernel.location,
            hint="check the kernel at smaller sizes",
            notes=tuple(plan.notes),
        )
    skipped = tuple(dict.fromkeys(plan.skipped))
    if not all(r.cases for r in results):
        raise PomError(
            "POM-R030",
            f"{kernel.name} accepts none of the inputs that were tried",
            kernel.location,
            notes=tuple(f"input '{kind}': {reason}" for kind, reason in skipped[:5]),
        )
    return CheckReport(
        kernel.name, tuple(results), skipped, instances, plan.rule, tuple(plan.notes)
    )


def check_design(design: Design, **options: Any) -> CheckReport:
    """`check` of a built design; `options` are those of `check`."""
    return check(
        design.kernel,
        design.module,
        design.program,
        is_exact=design.schedule.is_exact,
        **options,
    )
