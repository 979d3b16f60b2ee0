"""The reference interpreter: values, argument checks, faults with their iteration."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, Argument, Const, Expr, Index, Load
from pom.ir.graph import Assign, Call, For, Kernel, Scalar, When
from pom.ir.location import Location
from pom.ir.ops import OPS
from pom.ir.types import FixedType, IntType, f16, f32, f64
from pom.runtime.reference import python_source, run
from tests.runtime.kernels import apply, array, cast, const, gather, gemm, load, loop, trisolv, var


def test_gemm_rounds_after_every_operation() -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal((5, 5)).astype(np.float32) for _ in range(3))
    expected = c.copy()
    alpha = np.float32(1.1)
    for i in range(5):
        for j in range(5):
            for k in range(5):
                expected[i, j] = expected[i, j] + (alpha * a[i, k]) * b[k, j]
    found = run(gemm(5), {"alpha": 1.1, "A": a, "B": b, "C": c})
    assert list(found) == ["C"]
    assert found["C"].dtype == np.float32
    assert (found["C"] == expected).all()


def test_inputs_are_not_modified() -> None:
    arrays = {n: np.ones((3, 3), np.float32) for n in "ABC"}
    run(gemm(3), {"alpha": 2.0, **arrays})
    assert all((a == 1).all() for a in arrays.values())


def test_a_triangular_nest() -> None:
    rng = np.random.default_rng(1)
    lower = np.tril(rng.uniform(1, 2, (6, 6))).astype(np.float32)
    b = rng.standard_normal(6).astype(np.float32)
    found = run(trisolv(6), {"L": lower, "b": b, "x": np.zeros(6, np.float32)})
    np.testing.assert_allclose(found["x"], np.linalg.solve(lower, b), rtol=1e-4)


def test_gemm_64_is_fast() -> None:
    ones = {n: np.ones((64, 64), np.float32) for n in "ABC"}
    start = time.perf_counter()
    run(gemm(64), {"alpha": 1.0, **ones})
    assert time.perf_counter() - start < 5


def test_integers_are_exact_until_they_are_stored() -> None:
    int8 = IntType(8)
    i = var("i")
    product = apply("mul", load("a", int8, i), load("a", int8, i))
    total = apply("sub", product, product)
    wide = Assign("wide", Access("w", (i,)), product)
    narrow = Assign("narrow", Access("n", (i,)), cast(product, int8))
    zero = Assign("zero", Access("z", (i,)), cast(total, int8))
    kernel = Kernel(
        "squares",
        (array("a", int8, 4), array("w", IntType(16), 4), array("n", int8, 4), array("z", int8, 4)),
        (),
        (loop("i", 0, 4, wide, narrow, zero),),
    )
    found = run(kernel, {"a": np.array([-128, 127, 16, 3], np.int8)})
    assert found["w"].tolist() == [16384, 16129, 256, 9]
    assert found["n"].tolist() == [0, 1, 0, 9]
    assert found["z"].tolist() == [0, 0, 0, 0]


def test_steps_guards_and_floor_division() -> None:
    int32 = IntType(32)
    i = var("i")
    half = i // 2
    body = When((Constraint(i - 3),), (Assign("s", Access("y", (half,)), Index(i * 3 - 1, int32)),))
    odd = When((Constraint(i % 4, is_equality=True),), (body,))
    kernel = Kernel("guards", (array("y", int32, 8),), (), (loop("i", 0, 16, odd, step=2),))
    found = run(kernel, {})
    expected = np.zeros(8, np.int32)
    for value in range(0, 16, 2):
        if value % 4 == 0 and value >= 3:
            expected[value // 2] = value * 3 - 1
    assert found["y"].tolist() == expected.tolist()


def test_several_bounds() -> None:
    i, j = var("i"), var("j")
    one = Assign("s", Access("y", (i, j)), Const(1.0, f32))
    inner = For("j", "j", (const(0), i - 2), (const(5), i + 2), (one,))
    kernel = Kernel("band", (array("y", f32, 6, 6),), (), (loop("i", 0, 6, inner),))
    found = run(kernel, {})["y"]
    expected = [[float(max(0, r - 2) <= c < min(5, r + 2)) for c in range(6)] for r in range(6)]
    assert found.tolist() == expected


def test_fixed_point_is_raw_integers() -> None:
    fixed = FixedType(8, 4)
    i = var("i")
    total = apply("add", load("a", fixed, i), Const(Fraction(1, 16), fixed))
    kernel = Kernel(
        "bump",
        (array("a", fixed, 3), array("y", fixed, 3)),
        (),
        (loop("i", 0, 3, Assign("s", Access("y", (i,)), cast(total, fixed))),),
    )
    found = run(kernel, {"a": np.array([0, -1, 127], np.int8)})
    assert found["y"].tolist() == [1, 0, -128]


def test_values_are_converted_where_they_are_stored() -> None:
    i = var("i")
    store = Assign("s", Access("y", (i,)), load("x", f64, i))
    kernel = Kernel(
        "narrow", (array("x", f64, 2), array("y", f16, 2)), (), (loop("i", 0, 2, store),)
    )
    found = run(kernel, {"x": np.array([1 / 3, 1e9])})
    assert found["y"].tolist() == [float(np.float16(1 / 3)), float("inf")]


def test_integers_above_64_bits() -> None:
    wide = IntType(100)
    i = var("i")
    value = apply("mul", load("x", wide, i), load("x", wide, i))
    kernel = Kernel(
        "square",
        (array("x", wide, 1), array("y", IntType(200), 1)),
        (),
        (loop("i", 0, 1, Assign("s", Access("y", (i,)), value)),),
    )
    found = run(kernel, {"x": np.array([-(2**99)], object)})
    assert found["y"].tolist() == [2**198]


def test_calls() -> None:
    i = var("i")
    grown = apply("mul", load("v", f32, i), Argument("by", f32))
    inner = Kernel(
        "grow",
        (Scalar("by", f32), array("v", f32, 3)),
        (array("unused", f32, 2),),
        (loop("i", 0, 3, Assign("s", Access("v", (i,)), grown)),),
    )
    outer = Kernel(
        "twice",
        (array("a", f32, 3),),
        (),
        (
            Call("first", "grow", (Const(2.0, f32), "a")),
            Call("second", "grow", (Const(3.0, f64), "a")),
        ),
        (inner,),
    )
    assert run(outer, {"a": np.ones(3, np.float32)})["a"].tolist() == [6, 6, 6]


def test_source_is_python() -> None:
    compile(python_source(trisolv(4)), "text", "exec")


GEMM_ARGUMENTS = {"alpha": 1.0, **{n: np.ones((3, 3), np.float32) for n in "ABC"}}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"D": 1}, "POM-R001"),
        ({"A": None}, "POM-R002"),
        ({"A": np.ones((3, 4), np.float32)}, "POM-R002"),
        ({"A": np.ones((3, 3))}, "POM-R002"),
        ({"alpha": "1"}, "POM-R003"),
        ({"alpha": True}, "POM-R003"),
    ],
)
def test_wrong_arguments(changes: dict[str, object], code: str) -> None:
    with pytest.raises(PomError, match=code):
        run(gemm(3), {**GEMM_ARGUMENTS, **changes})


def test_missing_argument() -> None:
    arguments = {k: v for k, v in GEMM_ARGUMENTS.items() if k != "B"}
    with pytest.raises(PomError, match="POM-R001: gemm needs its argument 'B'"):
        run(gemm(3), arguments)


def test_values_outside_a_type() -> None:
    int4 = IntType(4)
    i = var("i")
    copy = Assign("s", Access("y", (i,)), load("x", int4, i))
    kernel = Kernel(
        "copy", (array("x", int4, 2), array("y", int4, 2)), (), (loop("i", 0, 2, copy),)
    )
    with pytest.raises(PomError, match="POM-R003: argument 'x' holds values from 0 to 8"):
        run(kernel, {"x": np.array([0, 8], np.int8)})
    wide = IntType(80)
    kernel = Kernel(
        "wide",
        (array("x", wide, 1),),
        (),
        (Assign("s", Access("x", (const(0),)), load("x", wide, const(0))),),
    )
    with pytest.raises(PomError, match=r"POM-R003: argument 'x' holds 1\.5"):
        run(kernel, {"x": np.array([1.5], object)})


def test_subscript_out_of_bounds() -> None:
    col = np.array([0, 3, 4, 1], np.int32)
    with pytest.raises(
        PomError,
        match="POM-R010: a subscript is 4, outside an extent of 4: statement 'take' of gather at i = 2",
    ):
        run(gather(4, 4), {"col": col, "v": np.ones(4, np.float32)})


def test_negative_subscript_is_out_of_bounds() -> None:
    col = np.array([0, -1, 0, 0], np.int32)
    with pytest.raises(PomError, match="POM-R010: a subscript is -1"):
        run(gather(4, 4), {"col": col, "v": np.ones(4, np.float32)})


def division(location: Location | None = None) -> Kernel:
    int8 = IntType(8)
    i = var("i")
    quotient = apply("div", load("a", int8, i), load("b", int8, i))
    store = Assign("s", Access("y", (i,)), cast(quotient, int8), location)
    params = (array("a", int8, 3), array("b", int8, 3), array("y", int8, 3))
    return Kernel("ratio", params, (), (loop("i", 0, 3, store),))


def test_division_by_zero_names_the_place() -> None:
    arguments = {"a": np.ones(3, np.int8), "b": np.array([1, 1, 0], np.int8)}
    for line in (7, 9):  # equal kernels from different lines are not mixed up
        with pytest.raises(PomError, match=r"POM-R011: division by zero: .* at i = 2") as caught:
            run(division(Location("k.py", line)), arguments)
        assert caught.value.location == Location("k.py", line)


def test_read_before_write() -> None:
    i = var("i")
    copy = Assign("s", Access("y", (i,)), load("t", f32, i))
    kernel = Kernel("early", (array("y", f32, 2),), (array("t", f32, 2),), (loop("i", 0, 2, copy),))
    with pytest.raises(PomError, match=r"POM-R012: .* at i = 0"):
        run(kernel, {})


def test_division_of_floats_by_zero_is_infinite() -> None:
    i = var("i")
    quotient = apply("div", load("x", f32, i), Const(0.0, f32))
    kernel = Kernel(
        "inf",
        (array("x", f32, 3),),
        (),
        (loop("i", 0, 3, Assign("s", Access("x", (i,)), quotient)),),
    )
    found = run(kernel, {"x": np.array([1, -1, 0], np.float32)})["x"]
    assert found[0] == np.inf
    assert found[1] == -np.inf
    assert np.isnan(found[2])


SCALARS = st.sampled_from(
    [
        IntType(5),
        IntType(9, False),
        IntType(33),
        FixedType(8, 4),
        FixedType(12, 14),
        FixedType(9, -1, False),
    ]
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_translated_expressions_are_the_table_of_operations(data: st.DataObject) -> None:
    """The inlined Python of an expression gives what `OPS` evaluates."""

    def build(depth: int, kind: type) -> tuple[Expr, object]:
        if depth == 0:
            type_ = data.draw(SCALARS.filter(lambda t: isinstance(t, kind)))
            name = f"x{len(arguments)}"
            low, high = (
                IntType(type_.width, type_.signed).minimum,
                IntType(type_.width, type_.signed).maximum,
            )
            arguments[name] = (type_, data.draw(st.integers(low, high)))
            return Argument(name, type_), arguments[name][1]
        op = data.draw(st.sampled_from(["add", "sub", "mul", "min", "max", "neg", "abs"]))
        parts = [build(depth - 1, kind) for _ in range(OPS[op].arity)]
        expr = apply(op, *(e for e, _ in parts))
        types = [e.type for e, _ in parts]
        return expr, OPS[op].evaluate([v for _, v in parts], types, expr.type)

    arguments: dict[str, tuple[object, int]] = {}
    expr, value = build(2, data.draw(st.sampled_from([IntType, FixedType])))
    params = tuple(Scalar(n, t) for n, (t, _) in arguments.items())  # type: ignore[arg-type]
    store = Assign("s", Access("y", (Affine.const(0),)), expr)
    kernel = Kernel("random", (*params, array("y", expr.type, 1)), (), (store,))
    found = run(kernel, {n: v for n, (_, v) in arguments.items()})["y"]
    assert found.tolist() == [value]


def test_large_float_arrays_stay_arrays() -> None:
    i = var("i")
    size = 300_000
    copy = Assign("s", Access("y", (i,)), load("x", f32, i))
    kernel = Kernel(
        "copy", (array("x", f32, size), array("y", f32, size)), (), (loop("i", 0, 9, copy),)
    )
    x = np.arange(size, dtype=np.float32)
    found = run(kernel, {"x": x})["y"]
    assert found[:10].tolist() == [*range(9), 0]
    assert isinstance(copy.value, Load)
