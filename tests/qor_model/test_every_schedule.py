"""Whatever a schedule can say gets an estimate, and loops run as often as the estimate says."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from pom import devices
from pom.dsl.load import load_kernel
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.passes.isl_build import domain
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_skew import Skew
from pom.passes.poly_split import Split
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.inline import inline_functions
from pom.qor_model.latency import estimate_latency
from pom.qor_model.leaf import all_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Affine, Block, Design, If, Loop, OpKind, Region
from pom.qor_model.resources import ResourceModel
from pom.qor_model.schedule_result import DesignResult
from pom.qor_model.trip_counts import exact_mean
from pom.schedule import schedule
from tests.fuzz.trial import Outcome, draw, kernel_of
from tests.passes.nests import seidel

POLYBENCH = Path(__file__).parents[2] / "examples" / "polybench"


def _design(program: PolyProgram) -> Design:
    return inline_functions(design_from_affine(poly_to_affine(program)))


def _estimate(design: Design) -> DesignResult:
    library = OperatorLibrary.for_device(devices.load("xczu9eg"))
    result = estimate_latency(design, library)
    area = ResourceModel(library).estimate(design, result)
    assert result.latency_cycles > 0
    assert area.total.lut > 0
    return result


def _enumerate(
    regions: tuple[Region, ...],
    point: dict[str, int],
    counts: Counter[str],
    *,
    guards: bool,
) -> None:
    """Count stores, entries of loops and their iterations by executing the nest."""

    def at(expression: Affine) -> int:
        value = expression.value(point)
        assert value is not None
        return value

    for region in regions:
        match region:
            case Block():
                counts["stores"] += sum(op.kind is OpKind.STORE for op in region.ops)
            case Loop():
                values = range(max(map(at, region.lower)), min(map(at, region.upper)), region.step)
                counts[f"entries {region.name}"] += 1
                counts[f"iterations {region.name}"] += len(values)
                for value in values:
                    inner = {**point, region.name: value}
                    _enumerate(region.body, inner, counts, guards=guards)
            case If():
                holds = all(
                    at(c) == 0 if n in region.equalities else at(c) >= 0
                    for n, c in enumerate(region.conditions)
                )
                if holds or not guards:
                    _enumerate(region.then_body, point, counts, guards=guards)
                if not holds or not guards:
                    _enumerate(region.else_body, point, counts, guards=guards)


def _check_trip_counts(
    regions: tuple[Region, ...], outer: tuple[Loop, ...], counts: Counter[str]
) -> None:
    for region in regions:
        match region:
            case Loop():
                entries, iterations = (
                    counts[f"{what} {region.name}"] for what in ("entries", "iterations")
                )
                if entries:
                    assert exact_mean(region, outer) == Fraction(iterations, entries), region.name
                _check_trip_counts(region.body, (*outer, region), counts)
            case If():
                _check_trip_counts(region.then_body, outer, counts)
                _check_trip_counts(region.else_body, outer, counts)


def _instances(program: PolyProgram) -> int:
    found: list[object] = []
    for statement in program.statements:
        domain(statement).foreach_point(found.append)
    return len(found)


def _check(program: PolyProgram, *, executes: bool) -> None:
    design = _design(program)
    _estimate(design)
    body = design.function(design.top).body
    free: Counter[str] = Counter()
    _enumerate(body, {}, free, guards=False)
    _check_trip_counts(body, (), free)
    if executes:
        counts: Counter[str] = Counter()
        _enumerate(body, {}, counts, guards=True)
        assert counts["stores"] == _instances(program)


@pytest.mark.parametrize("index", range(12))
def test_random_schedules_are_estimated(index: int) -> None:
    """An estimate raises nothing, and its loops cover the statements' instances."""
    base = schedule(kernel_of(31, index))
    for number in range(5):
        one = draw(random.Random(f"31:{index}:{number}"), base, Outcome())
        program = one.schedule.program
        has_calls = not all(isinstance(s.body, Assign) for s in program.statements)
        has_data_guards = "scf.if" in str(poly_to_affine(program))
        _check(program, executes=not has_calls and not has_data_guards)


@pytest.mark.parametrize("path", sorted(POLYBENCH.glob("*.py")), ids=lambda path: path.stem)
def test_polybench_is_estimated_however_it_is_scheduled(path: Path) -> None:
    base = schedule(load_kernel(str(path), size="mini"))
    for algorithm in ("pluto", "feautrier"):
        s = base.copy()
        s.apply(AutoSchedule(algorithm, fuse=True, wavefront=True, fast_math=True))
        _estimate(_design(s.program))


def test_a_split_of_a_skewed_loop_has_rounded_bounds() -> None:
    program = seidel(23)
    for primitive in (Skew("S", "t", "i", 2), Split("S", "i", 4)):
        program = primitive.run(program)
    design = _design(program)
    loops = all_loops(design.function(design.top).body)
    assert any(b.floors for item in loops for b in (*item.lower, *item.upper))
    _check(program, executes=True)
