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
from pom.qor_model.trip_counts import Around, Guard, exact_mean
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


def _enumerate(regions: tuple[Region, ...], point: dict[str, int], counts: Counter[str]) -> None:
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
                    _enumerate(region.body, {**point, region.name: value}, counts)
            case If():
                holds = all(
                    at(c) == 0 if n in region.equalities else at(c) >= 0
                    for n, c in enumerate(region.conditions)
                )
                _enumerate(region.then_body if holds else region.else_body, point, counts)


def _check_trip_counts(
    regions: tuple[Region, ...], outer: tuple[Around, ...], counts: Counter[str]
) -> None:
    for region in regions:
        match region:
            case Loop():
                entries, iterations = (
                    counts[f"{what} {region.name}"] for what in ("entries", "iterations")
                )
                expected = Fraction(iterations, entries) if entries else Fraction(0)
                assert exact_mean(region, outer) == expected, region.name
                _check_trip_counts(region.body, (*outer, region), counts)
            case If():
                for side, holds in ((region.then_body, True), (region.else_body, False)):
                    guard = Guard(region.conditions, region.equalities, holds)
                    _check_trip_counts(side, (*outer, guard), counts)


def _instances(program: PolyProgram) -> int:
    found: list[object] = []
    for statement in program.statements:
        domain(statement).foreach_point(found.append)
    return len(found)


def _check(program: PolyProgram) -> None:
    design = _design(program)
    _estimate(design)
    if "scf.if" in str(poly_to_affine(program)):
        return  # how often data lets a statement run is not known
    body = design.function(design.top).body
    counts: Counter[str] = Counter()
    _enumerate(body, {}, counts)
    _check_trip_counts(body, (), counts)
    if all(isinstance(s.body, Assign) for s in program.statements):
        assert counts["stores"] == _instances(program)


@pytest.mark.parametrize("index", range(12))
def test_random_schedules_are_estimated(index: int) -> None:
    """An estimate raises nothing, and its loops cover the statements' instances."""
    base = schedule(kernel_of(31, index))
    for number in range(5):
        one = draw(random.Random(f"31:{index}:{number}"), base, Outcome())
        _check(one.schedule.program)


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
    _check(program)
