"""Schedules run: what they lower to gives the reference's numbers, to the last bit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pom
from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.passes.carried import parallel_loops
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate
from pom.runtime.check import CheckReport, check
from pom.schedule import Schedule, schedule
from tests.passes.random_schedules import random_primitive
from tests.strategies import kernels

POLYBENCH = Path(__file__).resolve().parents[2] / "examples" / "polybench"
STENCILS = ("jacobi_1d", "jacobi_2d", "heat_3d", "seidel_2d", "fdtd_2d")


def load(name: str) -> Schedule:
    return schedule(pom.load_kernel(str(POLYBENCH / f"{name}.py"), size="mini"))


def report_of(s: Schedule) -> CheckReport:
    module = poly_to_affine(s.program)
    validate(s.reference_program, module)
    return check(s.kernel, module, s.program, is_exact=s.keeps_order, count=1, with_cpp=False)


def agrees(s: Schedule) -> bool:
    return report_of(s).passed


@pytest.mark.parametrize("name", STENCILS)
def test_stencils_are_pipelined_and_unrolled(name: str) -> None:
    s = load(name)
    s.auto_schedule(wavefront=True)
    for statement in s.statements:
        inner = s[statement].loops[-1]
        assert inner in parallel_loops(s.program)[statement]
    inner = s[s.statements[-1]].loops[-1]
    s[s.statements[-1]].unroll(inner, 2).pipeline(inner)
    assert s.keeps_order
    assert agrees(s)


@pytest.mark.parametrize("name", ["jacobi_1d", "heat_3d", "seidel_2d"])
def test_stencils_are_tiled(name: str) -> None:
    s = load(name)
    s.auto_schedule()
    statement = s.statements[0]
    loops = s[statement].loops[:3]
    s[statement].tile(*loops, *(3 for _ in loops))
    assert s.keeps_order
    assert agrees(s)


@pytest.mark.parametrize(
    "name", ["gemm", "bicg", "trmm", "cholesky", "lu", "symm", "floyd_warshall", "mvt", "durbin"]
)
def test_dependence_aware_schedules(name: str) -> None:
    s = load(name)
    s.dependence_aware()
    assert s.keeps_order
    assert agrees(s)


@pytest.mark.parametrize("remainder", ["isolate", "separate", "guard"])
def test_partial_tiles_of_a_triangle(remainder: str) -> None:
    s = load("syrk")
    statement = s.statements[-1]
    for loop in s[statement].loops[:2]:
        s[statement].split(loop, 5, remainder=remainder)
    assert agrees(s)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(kernels(), st.integers(0, 10**9))
def test_random_schedules_of_random_kernels(kernel: Kernel, seed: int) -> None:
    rng = random.Random(seed)
    s = schedule(kernel)
    for _ in range(4):
        if not any(s.program.loops(name) for name in s.statements):
            break
        try:
            s.apply(random_primitive(rng, s.program)[0])
        except (PomError, IndexError):  # refused, or no loop to choose from
            continue
    try:
        report = report_of(s)
    except PomError as error:
        if error.code != "POM-R030":  # it divides by zero whatever it is given
            raise
        return
    assert report.passed, s.as_python() + report.render()
