"""`check` finds what is wrong, accepts what is right, and says what it did."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import pom
from pom.dse.structures import make_structure
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Const, substitute
from pom.ir.graph import Assign, For, Kernel, Scalar
from pom.ir.poly import PolyProgram
from pom.ir.types import ArrayType, FixedType, IntType, f32, f64
from pom.passes.base import PolyPass
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_distribute_all import DistributeAll
from pom.passes.poly_expand import Expand
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_peel import Peel
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_split import Split
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.poly_unroll import Unroll
from pom.runtime import reference
from pom.runtime.check import CheckReport, check
from pom.runtime.compare import compare
from pom.runtime.inputs import KINDS, cases
from pom.runtime.tolerance import error_bound, has_error_bound
from pom.runtime.window import window, window_of_sums
from pom.runtime.work import count_instances
from tests.runtime.kernels import apply, array, gather, gemm, load, loop, trisolv, var


def run_check(kernel: Kernel, other: Kernel | None = None, **options: object) -> CheckReport:
    """Check the module of `other` (a wrong lowering, say) against `kernel`."""
    program = graph_to_poly(other or kernel)
    options = {"with_cpp": False, **options}
    return check(kernel, poly_to_affine(program), program, **options)  # type: ignore[arg-type]


def test_three_executions_agree() -> None:
    report = run_check(gemm(7), with_cpp=True)
    assert report.passed
    assert [r.name for r in report.results] == ["jit", "g++"]
    assert all(r.cases == 8 and r.comparison.differing == 0 for r in report.results)
    assert report.instances == 343
    assert json.loads(json.dumps(report.to_json()))["passed"] is True
    assert report.render().startswith("gemm: PASS (343 instances; bit for bit)")


def test_g_plus_plus_is_found() -> None:
    assert shutil.which("g++")


@pytest.mark.parametrize("type", [IntType(8), FixedType(10, 4), IntType(70)], ids=str)
def test_exact_types(type: IntType | FixedType) -> None:
    assert run_check(gemm(4, type)).passed


def wrong_gemm(size: int) -> Kernel:
    """Leaves out the last iteration of ``i``."""
    kernel = gemm(size)
    (outer,) = kernel.body
    assert isinstance(outer, For)
    return replace(kernel, body=(replace(outer, uppers=(Affine.const(size - 1),)),))


def test_a_missing_iteration_is_found() -> None:
    report = run_check(gemm(4), wrong_gemm(4))
    assert not report.passed
    (result,) = report.results
    largest = result.comparison.largest
    assert largest is not None
    assert (largest.array, largest.index[0]) == ("C", 3)
    assert result.comparison.outside > 0
    assert "gemm: FAIL" in report.render()
    assert report.to_json()["results"][0]["largest_difference"]["array"] == "C"


def test_a_different_rounding_is_found() -> None:
    kernel = gemm(6)
    i, j, k = var("i"), var("j"), var("k")
    inner = apply("mul", load("A", f32, i, k), load("B", f32, k, j))
    from pom.ir.expr import Argument

    value = apply("add", load("C", f32, i, j), apply("mul", Argument("alpha", f32), inner))
    mac = Assign("mac", Access("C", (i, j)), value)
    other = replace(kernel, body=(loop("i", 0, 6, loop("j", 0, 6, loop("k", 0, 6, mac))),))
    report = run_check(kernel, other)
    assert not report.passed
    (result,) = report.results
    assert result.comparison.largest is not None


def test_division_by_zero_leaves_inputs_out() -> None:
    int8 = IntType(8)
    i = var("i")
    quotient = apply("div", load("a", int8, i), load("b", int8, i))
    store = Assign("s", Access("y", (i,)), quotient)
    params = (array("a", int8, 5), array("b", int8, 5), array("y", IntType(9), 5))
    report = run_check(Kernel("ratio", params, (), (loop("i", 0, 5, store),)))
    assert report.passed
    assert ("zeros", "division by zero: statement 's' of ratio at i = 0") in report.skipped
    assert report.results[0].cases < 8


def test_no_input_is_accepted() -> None:
    int8 = IntType(8)
    i = var("i")
    zero = apply("sub", load("a", int8, i), load("a", int8, i))
    store = Assign("s", Access("y", (i,)), apply("div", load("a", int8, i), zero))
    params = (array("a", int8, 2), array("y", store.value.type, 2))
    with pytest.raises(PomError, match="POM-R030: never accepts none of the inputs"):
        run_check(Kernel("never", params, (), (loop("i", 0, 2, store),)))


def test_subscripts_from_data_are_kept_in_bounds() -> None:
    kernel = gather(9, 5)
    report = run_check(kernel)
    assert report.passed
    assert not report.skipped
    for case in cases(kernel, 0, len(KINDS)):
        assert 0 <= case.arguments["col"].min() <= case.arguments["col"].max() < 5


def test_inputs_repeat_with_the_seed() -> None:
    first, second = (list(cases(gemm(3), 5, 9)) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert one.kind == two.kind
        assert all(np.array_equal(one.arguments[n], two.arguments[n], True) for n in "ABC")


def test_a_large_kernel_runs_natively_and_on_parts() -> None:
    report = run_check(gemm(40), work_limit=20_000, count=2)
    assert report.passed
    assert [(r.against, r.scope.split()[0]) for r in report.results] == [
        ("program order", "all"),
        ("reference", "first"),
        ("reference", "last"),
    ]
    assert "the reference ran on parts only" in report.notes[0]


def test_a_huge_kernel_runs_on_parts() -> None:
    report = run_check(gemm(40), work_limit=20_000, native_limit=30_000, count=2)
    assert report.passed
    assert report.instances is None
    assert [r.scope.split()[0] for r in report.results] == ["first", "last"]
    assert "not executed at full size" in report.notes[1]


def test_a_wrong_order_is_found_in_a_part() -> None:
    """The scheduled program of a part is what is lowered, so a wrong schedule shows."""
    kernel = trisolv(60)
    program = graph_to_poly(kernel)
    first, second, third = program.statements
    from pom.ir.poly import Loop, Sequence

    tree = program.schedule
    assert isinstance(tree, Loop)
    assert isinstance(tree.child, Sequence)
    start, update, divide = tree.child.children
    wrong = replace(program, schedule=replace(tree, child=Sequence((start, divide, update))))
    report = check(
        kernel, poly_to_affine(wrong), wrong, with_cpp=False, work_limit=1000, native_limit=1000
    )
    assert not report.passed
    assert (first.name, second.name, third.name) == ("start", "update", "divide")


def test_nothing_can_be_executed() -> None:
    kernel = gemm(40)
    module = poly_to_affine(graph_to_poly(kernel))
    with pytest.raises(PomError, match="POM-R032: gemm is too large"):
        check(kernel, module, work_limit=10, native_limit=10)


def test_arrays_beyond_memory_are_not_made() -> None:
    i = var("i")
    store = Assign("s", Access("y", (i,)), Const(1.0, f32))
    kernel = Kernel("huge", (array("y", f32, 10**9),), (), (loop("i", 0, 3, store),))
    with pytest.raises(PomError, match="POM-R032"):
        run_check(kernel)


@pytest.mark.parametrize("side", ["first", "last"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_window_runs_the_same_instances_at_both_levels(side: str, size: int) -> None:
    kernel = trisolv(9)
    part = window(kernel, graph_to_poly(kernel), side, size)  # type: ignore[arg-type]
    assert part is not None
    whole = list(range(size)) if side == "first" else list(range(9 - size, 9))
    assert count_instances(part.kernel, 1000) == _instances(part.program)
    assert sum(1 for _ in whole) * 2 <= _instances(part.program)


@pytest.mark.parametrize("side", ["first", "last"])
def test_a_window_holds_the_peeled_parts_of_a_statement(side: str) -> None:
    kernel = gemm(11)
    name = kernel_statement(kernel)
    program = graph_to_poly(kernel)
    for peel in (Peel(name, "j", 8, "rest_j"), Peel("rest_j", "i", 8, "rest_ij")):
        program = peel.run(program)
    part = window(kernel, program, side, 5)  # type: ignore[arg-type]
    assert part is not None
    assert count_instances(part.kernel, 1000) == 125 == _instances(part.program)
    report = check(kernel, poly_to_affine(program), program, with_cpp=False, work_limit=800,
                   native_limit=100)  # fmt: skip
    assert report.passed
    assert {r.scope.split()[0] for r in report.results} == {"first", "last"}


def test_no_window_of_statements_that_are_not_the_kernels() -> None:
    kernel = gemm(11)
    peeled = Peel(kernel_statement(kernel), "j", 8, "rest").run(graph_to_poly(kernel))
    lost = replace(peeled, statements=peeled.statements[:1])
    assert window(kernel, lost, "first", 3) is None


def kernel_statement(kernel: Kernel) -> str:
    return next(s.name for s in graph_to_poly(kernel).statements)


def _instances(program: PolyProgram) -> int:
    from pom.passes.isl_build import domain

    return sum(domain(s).count_val().to_python() for s in program.statements)


def test_a_window_of_steps_keeps_the_grid() -> None:
    i = var("i")
    store = Assign("s", Access("y", (i,)), Const(1.0, f32))
    kernel = Kernel("steps", (array("y", f32, 32),), (), (loop("i", 1, 30, store, step=3),))
    part = window(kernel, graph_to_poly(kernel), "last", 2)
    assert part is not None
    found = reference.run(part.kernel, {"y": np.zeros(32, np.float32)})["y"]
    assert set(np.flatnonzero(found)) <= set(range(1, 30, 3))
    assert len(np.flatnonzero(found)) == 2


def test_count_instances() -> None:
    assert count_instances(gemm(4096), 10**12) == 4096**3
    assert count_instances(gemm(4096), 10**9) is None
    assert count_instances(trisolv(10), 1000) == 10 + 45 + 10
    assert count_instances(trisolv(1000), 100) is None


def test_reassociated_sums_stay_within_the_bound() -> None:
    kernel = gemm(24)
    program = graph_to_poly(kernel)
    reversed_k = Kernel(kernel.name, kernel.params, (), (_reverse_k(kernel),))
    module = poly_to_affine(graph_to_poly(reversed_k))
    strict = check(kernel, module, program, with_cpp=False)
    assert not strict.passed
    relaxed = check(kernel, module, program, is_exact=False, with_cpp=False)
    assert relaxed.passed
    assert relaxed.results[0].comparison.differing > 0
    assert "error bound" in relaxed.rule


def _reverse_k(kernel: Kernel) -> For:
    (outer,) = kernel.body
    assert isinstance(outer, For)
    (middle,) = outer.body
    assert isinstance(middle, For)
    (inner,) = middle.body
    assert isinstance(inner, For)
    (mac,) = inner.body
    assert isinstance(mac, Assign)
    last = Affine.const(23) - var("k")
    value = _substituted(mac, last)
    return replace(outer, body=(replace(middle, body=(replace(inner, body=(value,)),)),))


def _substituted(mac: Assign, value: Affine) -> Assign:
    from pom.ir.expr import substitute

    return replace(mac, value=substitute(mac.value, {"k": value}))


def added_in_a_tree(kernel: Kernel, statement: str, *before: PolyPass) -> PolyProgram:
    """Four terms of each sum along `k` side by side, added by a tree."""
    program = graph_to_poly(kernel)
    steps = (
        *before,
        Split(statement, "k", 4, ("k0", "k1")),
        Unroll(statement, "k1", 0),
        InterleaveReduction(statement, "k1", 4, tree=True, partial="part", fast_math=True),
        Pipeline(statement, "k0", 1),
    )
    for step in steps:
        program = step.run(program)
    return program


def tree_gemm(size: int) -> PolyProgram:
    """With blocks of `i`, after which what is added has other iterators than the kernel."""
    return added_in_a_tree(gemm(size), MAC, Split(MAC, "i", 5, ("i0", "i1"), "guard"))


MAC = "mac"


@pytest.mark.parametrize(("native_limit", "scopes"), [(10**6, ["all", "first"]), (1000, ["first"])])
def test_large_reassociated_sums_run_natively_and_in_a_window(native_limit, scopes) -> None:
    kernel, program = gemm(32), tree_gemm(32)
    module = poly_to_affine(program)
    options = {"is_exact": False, "work_limit": 16_000, "native_limit": native_limit}
    report = check(kernel, module, program, with_cpp=False, **options)
    assert report.passed
    assert [r.scope.split()[0] for r in report.results] == scopes
    assert "error bound" in report.rule
    # of one lane the product is with another column
    lanes = program.statement(MAC)
    other = replace(lanes.body, value=substitute(lanes.body.value, {"j": var("i")}))
    statements = tuple(replace(s, body=other) if s is lanes else s for s in program.statements)
    wrong = replace(program, statements=statements)
    report = check(kernel, poly_to_affine(wrong), wrong, with_cpp=False, **options)
    assert not any(r.is_equal for r in report.results)


def test_a_window_has_all_of_a_sum_and_needs_the_loops_around_it() -> None:
    kernel, program = gemm(32), tree_gemm(32)
    assert window(kernel, program, "first", 3) is None
    part = window_of_sums(kernel, program, 3)
    assert part is not None
    assert count_instances(part.kernel, 10**6) == 3 * 3 * 32

    @pom.kernel
    def dot(a: pom.f32[64], b: pom.f32[64], y: pom.f32[1]):
        for k in pom.loop("k", 0, 64):
            y[0] += a[k] * b[k]

    # there is no loop around its sum
    assert window_of_sums(dot.graph, added_in_a_tree(dot.graph, "S0"), 3) is None


def test_a_wrong_reassociated_result_is_outside_the_bound() -> None:
    kernel = gemm(8)
    program = graph_to_poly(wrong_gemm(8))
    report = check(kernel, poly_to_affine(program), is_exact=False, with_cpp=False)
    assert not report.passed


def test_the_bound_holds_against_double_precision() -> None:
    kernel = gemm(12)
    rng = np.random.default_rng(3)
    arguments = {n: rng.standard_normal((12, 12)).astype(np.float32) for n in "ABC"}
    bound = error_bound(kernel, {"alpha": 1.7, **arguments})
    assert bound is not None
    found = reference.run(kernel, {"alpha": 1.7, **arguments})["C"].astype(np.float64)
    exact = {n: a.astype(np.float64) for n, a in arguments.items()}
    error = np.abs(found - (exact["C"] + float(np.float32(1.7)) * exact["A"] @ exact["B"]))
    assert (error <= bound["C"] / 2).all()
    assert (bound["C"] < 1e-4).all()


def test_a_kernel_without_a_bound_says_so() -> None:
    kernel = trisolv(6)
    assert not has_error_bound(kernel)
    assert error_bound(kernel, {}) is None
    report = run_check(kernel, is_exact=False)
    assert report.passed
    assert "no error bound is known" in report.rule


def test_interchanged_gemm_is_still_equal() -> None:
    kernel = gemm(6)
    program = Interchange("mac", "i", "j").run(graph_to_poly(kernel))
    assert check(kernel, poly_to_affine(program), program, with_cpp=False).passed


def test_comparison_of_special_values() -> None:
    type = ArrayType(f32, (5,))
    expected = np.array([np.nan, 0.0, np.inf, 1.0, 2.0], np.float32)
    found = np.array([-np.nan, -0.0, 1.0, 1.0, np.nan], np.float32)
    result = compare("x", type, expected, found)
    assert result.elements == 5
    assert result.differing == 3
    assert result.not_finite == 2
    assert result.largest is not None
    assert result.largest.size == np.inf
    assert result.largest.index == (2,)
    assert compare("x", type, expected, expected).largest is None


def test_comparison_of_wide_integers_and_fixed_point() -> None:
    wide = ArrayType(IntType(80), (2,))
    found = compare("x", wide, np.array([0, 2**70], object), np.array([0, -1], object))
    assert found.largest is not None
    assert found.largest.size == float(2**70 + 1)
    fixed = ArrayType(FixedType(8, 4), (1,))
    found = compare("x", fixed, np.array([16], np.int8), np.array([-128], np.int8))
    assert str(found.largest) == "x[0] is -8.0, not 1.0 (differs by 9)"
    uint64 = ArrayType(IntType(64, False), (1,))
    found = compare("x", uint64, np.array([2**64 - 1], np.uint64), np.array([0], np.uint64))
    assert found.largest is not None
    assert found.largest.size == float(2**64)


def test_rank_zero_arrays() -> None:
    store = Assign(
        "s", Access("total", ()), apply("add", load("total", f64), load("x", f64, var("i")))
    )
    kernel = Kernel("sum", (array("x", f64, 4), array("total", f64)), (), (loop("i", 0, 4, store),))
    assert run_check(kernel).passed


def test_scalar_arguments_of_every_kind() -> None:
    from pom.ir.expr import Argument
    from pom.ir.types import BoolType

    params = [Scalar("c", BoolType()), Scalar("a", IntType(70)), Scalar("b", IntType(5, False))]
    a, b = Argument("a", IntType(70)), Argument("b", IntType(5, False))
    value = apply("select", Argument("c", BoolType()), a, b)
    store = Assign("s", Access("y", (Affine.const(0),)), value)
    kernel = Kernel("choose", (*params, array("y", value.type, 1)), (), (store,))
    assert run_check(kernel).passed


def test_a_window_of_a_program_that_has_other_arrays_for_a_local_one() -> None:
    @pom.kernel
    def filtered(x: pom.f32[40, 30], y: pom.f32[40, 30]):
        last = pom.array("last", pom.f32)
        for i in pom.loop("i", 0, 40):
            last[()] = 0
            for j in pom.loop("j", 0, 30):
                y[i, j] = x[i, j] + last
                last[()] = y[i, j]

    program = graph_to_poly(filtered.graph)
    for step in (Expand("S0", "last", "i", "each"), DistributeAll(fast_math=False)):
        program = step.run(program)
    report = check(filtered.graph, poly_to_affine(program), program, with_cpp=False, work_limit=500)
    assert report.passed
    assert [r.scope.split()[0] for r in report.results] == ["all", "first"]


def test_a_window_has_the_copies_that_any_part_of_a_statement_reads() -> None:
    """At the first pivot only some of the parts of Floyd and Warshall's statement have instances."""

    @pom.kernel
    def closest(path: pom.int32[12, 12]):
        for k in pom.loop("k", 0, 12):
            for i in pom.loop("i", 0, 12):
                for j in pom.loop("j", 0, 12):
                    through = path[i, k] + path[k, j]
                    path[i, j] = pom.select(path[i, j] < through, path[i, j], through)

    program = make_structure("pivoted", graph_to_poly(closest.graph)).program
    options = {"with_cpp": False, "work_limit": 500, "native_limit": 0}
    report = check(closest.graph, poly_to_affine(program), program, **options)  # type: ignore[arg-type]
    assert report.passed
    assert report.results
