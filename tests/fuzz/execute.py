"""From schedules to numbers: lower, validate, verify, run, and compare with the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlir import ir

from pom.dialects.context import process_context
from pom.dialects.hls import verify_affine
from pom.dialects.poly import verify as verify_poly
from pom.errors import PomError
from pom.ir.graph import Array, Kernel
from pom.ir.types import ArrayType
from pom.passes.lowering import lower
from pom.runtime import reference
from pom.runtime.compare import compare_all
from pom.runtime.inputs import Case, cases
from pom.runtime.jit import JitFunction, JitModule
from pom.runtime.tolerance import error_bound, heuristic_bound
from pom.schedule import Schedule

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that must not happen.

    Parameters
    ----------
    kind : str
        ``mismatch``, ``refused lowering``, ``exception``, ``wrongly accepted``, ``false refusal``,
        ``g++ mismatch``, ``g++ refused``, ``crash`` or ``hang``.
    detail : str
        The first line identifies it.
    """

    kind: str
    detail: str


def failure_of(error: Exception) -> Failure:
    """An exception on the way of an accepted schedule."""
    if isinstance(error, PomError):
        return Failure("refused lowering", f"{error.code}: {error.summary}")
    return Failure("exception", f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a kernel computes, on some inputs."""

    kernel: Kernel
    runs: tuple[tuple[Case, Arrays], ...]

    @property
    def types(self) -> dict[str, ArrayType]:
        return {p.name: p.type for p in self.kernel.params if isinstance(p, Array)}

    def difference(self, found: list[Mapping[str, Any]], is_exact: bool) -> str | None:
        """The first difference of the results of an execution; None where there is none."""
        for (case, wanted), results in zip(self.runs, found, strict=True):
            if wanted.keys() != results.keys():
                return f"the results are {sorted(results)}, not {sorted(wanted)}"
            allowed = None
            if not is_exact:
                allowed = error_bound(self.kernel, case.arguments)
                allowed = allowed or heuristic_bound(self.kernel, wanted)
            comparison = compare_all(self.types, wanted, results, allowed)
            if comparison.outside:
                return f"{comparison.largest} on input '{case.kind}'"
        return None


def expectations(kernel: Kernel, seed: int, count: int = 2) -> Expected:
    """The reference's results on `count` inputs that the kernel accepts."""
    runs = []
    for case in cases(kernel, seed, count):
        try:
            runs.append((case, reference.run(kernel, case.arguments)))
        except PomError:  # it reads what was never written, or divides by zero
            continue
    return Expected(kernel, tuple(runs))


def lowered_text(schedule: Schedule, name: str) -> str:
    """The function of a schedule as level 3, under a name; validated and verified.

    Raises
    ------
    PomError, InternalError
        What the lowering, the validation and the verifier find.
    """
    verify_poly(schedule.program)
    module = lower(schedule.program, schedule.reference_program)
    verify_affine(module)
    # aliases would stand before the module, which `merged` takes apart
    text = module.operation.get_asm(use_local_scope=True) + "\n"
    return text.replace(f"func.func @{schedule.kernel.name}(", f"func.func @{name}(", 1)


def merged(texts: list[str]) -> ir.Module:
    """One module with the functions of all."""
    bodies = [t.removeprefix("module {\n").removesuffix("\n}\n") for t in texts]
    # `hls.top` says which of the functions is the kernel; each is called by itself here
    text = "module {\n" + "\n".join(bodies) + "\n}\n"
    context = process_context()
    with context:
        return ir.Module.parse(text, context)


def run_jit(texts: dict[str, str], expected: Expected) -> dict[str, list[Mapping[str, Any]]]:
    """Results of each function on every input."""
    if not texts or not expected.runs:
        return {}
    module = merged(list(texts.values()))
    compiled = JitModule(module, tuple(texts))
    results: dict[str, list[Mapping[str, Any]]] = {}
    for name in texts:
        function = JitFunction(module, name, compiled)
        results[name] = [function(case.arguments) for case, _ in expected.runs]
    return results
