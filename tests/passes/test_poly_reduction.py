"""Interleaved reductions: partial results, exact or with fast_math only."""

from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.types import FixedType, IntType, ScalarType, f32
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_reverse import Reverse
from pom.passes.poly_split import Split
from pom.passes.poly_to_affine import affine_text
from pom.passes.reductions import relaxed_statements
from pom.schedule import schedule
from tests.passes.data_primitives import (
    Access,
    Assign,
    apply,
    array,
    assert_close,
    cast,
    gemm,
    i,
    in_place,
    k,
    load,
    loop,
    program,
    run_both,
    shapes,
    triangle_sum,
)


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 5, 8])
def test_floats_are_reassociated_with_fast_math(factor: int, tree: bool) -> None:
    for kernel, name in ((gemm(), "mac"), (triangle_sum(), "acc")):
        new = InterleaveReduction(name, "k", factor, tree, fast_math=True).run(program(kernel))
        assert list(shapes(new).values()) == [(factor,)]
        assert_close(kernel, Pipeline(name, "k", 1).run(new))


def test_the_number_of_levels_is_logarithmic() -> None:
    new = InterleaveReduction("mac", "k", 8, True, "p", fast_math=True).run(program(gemm()))
    names = [s.name for s in new.statements]
    assert names == ["scale", "p_init", "mac", "p_level0", "p_level1", "p_level2", "p_sum"]


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize(
    ("op", "type"),
    [
        ("add", IntType(8)), ("sub", IntType(8, False)), ("mul", IntType(12)), ("min", IntType(9)),
        ("max", IntType(9, False)), ("and", IntType(8)), ("or", IntType(8, False)), ("xor", IntType(8)),
        ("add", FixedType(12, 5)), ("sub", FixedType(12, 5)), ("min", FixedType(12, 5)), ("max", FixedType(9, -1, False)),
        ("and", IntType(8, False)), ("add", IntType(1, False)), ("max", FixedType(8, 12)),
    ],
)  # fmt: skip
def test_exact_arithmetic_stays_exact_without_fast_math(
    op: str, type: ScalarType, tree: bool
) -> None:
    kernel = triangle_sum(type, op)
    new = InterleaveReduction("acc", "k", 3, tree).run(program(kernel))
    for kind in ("random", "extremes"):
        expected, found = run_both(kernel, new, kind)
        assert (expected["x"] == found["x"]).all()


def block_sum(type: ScalarType = f32, op: str = "add", size: int = 12) -> Kernel:
    """``x[i] op= A[i, k]`` for all ``k``."""
    value = cast(apply(op, load("x", type, i), load("A", type, i, k)), type)
    body = loop("i", 0, 5, loop("k", 0, size, Assign("acc", Access("x", (i,)), value)))
    return Kernel("sums", (array("A", type, 5, size), array("x", type, 5)), (), (body,))


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize(
    ("op", "type"),
    [
        ("add", IntType(8)), ("sub", IntType(8, False)), ("mul", IntType(12)), ("min", IntType(9)),
        ("max", IntType(9, False)), ("xor", IntType(8)), ("add", FixedType(12, 5)), ("sub", FixedType(12, 5)),
    ],
)  # fmt: skip
def test_one_value_for_each_partial_result_is_assigned(
    op: str, type: ScalarType, tree: bool
) -> None:
    kernel = block_sum(type, op)
    blocks = Split("acc", "k", 4, ("k0", "k1"), "guard").run(program(kernel))
    new = InterleaveReduction("acc", "k1", 4, tree, "p").run(blocks)
    assert "p_init" not in [s.name for s in new.statements]
    for kind in ("random", "extremes"):
        expected, found = run_both(kernel, new, kind)
        assert (expected["x"] == found["x"]).all()


def test_a_last_block_that_is_not_full_starts_at_the_identity() -> None:
    kernel = block_sum(size=11)
    blocks = Split("acc", "k", 4, ("k0", "k1"), "guard").run(program(kernel))
    new = InterleaveReduction("acc", "k1", 4, True, "p", fast_math=True).run(blocks)
    assert "p_init" in [s.name for s in new.statements]
    assert_close(kernel, new)


def test_the_tree_of_an_unrolled_block_is_not_a_recurrence() -> None:
    blocks = Split("acc", "k", 4, ("k0", "k1")).run(program(block_sum()))
    order = Reorder("acc", ("k0", "i", "k1"), fast_math=True).run(blocks)
    tree = InterleaveReduction("acc", "k1", 4, True, "p", fast_math=True).run(order)
    new = Pipeline("acc", "i", 1).run(tree)
    # one loop variable each, which is unrolled
    lines = [line for line in affine_text(new).splitlines() if "%p[" in line]
    assert lines
    assert all("floordiv" not in line for line in lines)


@pytest.mark.parametrize("op", ["mul", "min", "max"])
def test_other_operations_on_floats(op: str) -> None:
    kernel = triangle_sum(f32, op)
    assert_close(kernel, InterleaveReduction("acc", "k", 4, fast_math=True).run(program(kernel)))


def test_floats_without_fast_math_are_refused_and_the_hint_works() -> None:
    with pytest.raises(PomError, match="POM-P067") as caught:
        InterleaveReduction("mac", "k", 4).run(program(gemm()))
    assert caught.value.hint == "allow it with fast_math=True"


@pytest.mark.parametrize(
    ("element", "other", "op", "hint"),
    [
        (IntType(8), IntType(16), "max", "cast the other operand"),
        (FixedType(8, 4), FixedType(12, 4), "add", "cast the other operand"),
        (FixedType(8, 4), FixedType(8, 4), "mul", None),
    ],
)
def test_fast_math_is_about_floats(
    element: ScalarType, other: ScalarType, op: str, hint: str | None
) -> None:
    """Another order of these wraps or cuts off other bits: the result may be altogether different."""
    target = Access("x", (i,))
    value = cast(apply(op, load("x", element, i), load("A", other, i, k)), element)
    body = loop("i", 0, 5, loop("k", 0, 12, Assign("acc", target, value)))
    kernel = Kernel("sums", (array("A", other, 5, 12), array("x", element, 5)), (), (body,))
    unscheduled = program(kernel)
    assert relaxed_statements(unscheduled, fast_math=True) == frozenset()
    with pytest.raises(PomError, match=r"POM-P067(?s:.*)its result") as caught:
        InterleaveReduction("acc", "k", 2, fast_math=True).run(unscheduled)
    assert str(caught.value.hint).startswith(hint) if hint else caught.value.hint is None
    with pytest.raises(PomError, match="POM-S001") as caught:
        Reverse("acc", "k", fast_math=True).run(unscheduled)
    assert caught.value.hint is None


def test_exact_sums_stay_exact_where_fast_math_is_on() -> None:
    s = schedule(block_sum(IntType(8)), fast_math=True)
    s["acc"].interleave_reduction("k", 3)
    assert s.is_exact
    floats = schedule(block_sum(), fast_math=True)
    floats["acc"].interleave_reduction("k", 3)
    assert not floats.is_exact


def test_products_that_cannot_start_at_one_are_refused() -> None:
    kernel = triangle_sum(IntType(1), "mul")
    with pytest.raises(PomError, match="POM-P069"):
        InterleaveReduction("acc", "k", 2, fast_math=True).run(program(kernel))


def test_what_is_not_a_reduction_of_the_loop_is_refused() -> None:
    with pytest.raises(PomError, match="POM-P066"):
        InterleaveReduction("s", "i", 2, fast_math=True).run(program(in_place()))
    with pytest.raises(PomError, match="POM-P068"):
        InterleaveReduction("mac", "j", 2, fast_math=True).run(program(gemm()))
    with pytest.raises(PomError, match="POM-S004"):
        InterleaveReduction("mac", "k", 12, fast_math=True).run(program(gemm()))
    total = Assign("total", Access("x", ()), triangle_sum().body[0].body[0].body[0].value)  # type: ignore[union-attr]
    assert total.name == "total"


def test_another_reader_in_the_loop_is_refused() -> None:
    kernel = triangle_sum()
    outer = kernel.body[0]
    inner = outer.body[0]  # type: ignore[union-attr]
    spy = Assign("spy", Access("y", (i, k)), load("x", f32, i))
    nest = loop("i", 0, 12, loop("k", 0, i, *inner.body, spy))  # type: ignore[union-attr]
    watched = Kernel("sums", (*kernel.params, array("y", f32, 12, 12)), (), (nest,))
    with pytest.raises(PomError, match="POM-P068"):
        InterleaveReduction("acc", "k", 2, fast_math=True).run(program(watched))
