"""The JIT as a function: arguments, faults, calls, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlir import ir

from pom.errors import PomError
from pom.ir.expr import Access, Argument, Const
from pom.ir.graph import Assign, Call, Kernel, Scalar
from pom.ir.types import IntType, f16, f32, f64
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.runtime.jit import JitFunction, signature
from pom.runtime.reference import run
from tests.runtime.kernels import apply, array, cast, gather, gemm, load, loop, trisolv, var
from tests.runtime.level3 import context, elementwise


def compiled(kernel: Kernel) -> JitFunction:
    return JitFunction(poly_to_affine(graph_to_poly(kernel)), kernel.name)


def test_module_and_inputs_are_not_modified() -> None:
    module = poly_to_affine(graph_to_poly(gemm(4)))
    before = str(module)
    function = JitFunction(module, "gemm")
    arrays = {n: np.ones((4, 4), np.float32) for n in "ABC"}
    assert (function({"alpha": 1.0, **arrays})["C"] == 5).all()
    assert str(module) == before
    assert all((a == 1).all() for a in arrays.values())


def test_arrays_that_are_not_contiguous() -> None:
    rng = np.random.default_rng(0)
    arrays = {n: rng.standard_normal((8, 8)).astype(np.float32)[::2, 1::2] for n in "AB"}
    arguments = {"alpha": 0.5, **arrays, "C": np.zeros((4, 4), np.float32).T}
    assert (compiled(gemm(4))(arguments)["C"] == run(gemm(4), arguments)["C"]).all()


def test_products_and_sums_are_not_fused() -> None:
    one, tiny = np.float32(1), np.float32(2.0**-12)
    a = np.full((1, 1), one + tiny)
    arguments = {"alpha": 1.0, "A": a, "B": a, "C": -(a * a)}
    assert compiled(gemm(1))(arguments)["C"] == 0


@pytest.mark.parametrize("type", [f16, f32, f64], ids=str)
def test_functions_of_constants_are_not_folded(type: object) -> None:
    """LLVM folds the functions it knows in double precision, which may round differently."""
    from pom.ir.types import FloatType

    assert isinstance(type, FloatType)
    values = [0.1 * k + 0.3 for k in range(60)]
    i = var("i")
    stores = tuple(
        Assign(f"s{k}", Access("y", (i + k,)), apply("exp", Const(v, type)))
        for k, v in enumerate(values)
    )
    kernel = Kernel("folds", (array("y", type, 60),), (), (loop("i", 0, 1, *stores),))
    assert (compiled(kernel)({})["y"] == run(kernel, {})["y"]).all()


def test_division_by_zero() -> None:
    int8 = IntType(8)
    module = ir.Module.parse(elementwise("div", (int8, int8), IntType(9), 4), context())
    function = JitFunction(module, "f")
    ones = np.ones(4, np.int8)
    with pytest.raises(PomError, match="POM-R021: division by zero, in f"):
        function({"x0": ones, "x1": np.array([1, 0, 1, 1], np.int8)})
    assert function({"x0": ones, "x1": ones})["y"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("bad", [-1, 4, 2**31 - 1])
def test_subscript_out_of_bounds(bad: int) -> None:
    function = compiled(gather(3, 4))
    col = np.array([0, bad, 3], np.int32)
    with pytest.raises(PomError, match="POM-R020"):
        function({"col": col, "v": np.ones(4, np.float32)})


def test_unknown_function_and_missing_attributes() -> None:
    module = poly_to_affine(graph_to_poly(gemm(2)))
    with pytest.raises(PomError, match="POM-R022: the module has no function 'gemv'"):
        JitFunction(module, "gemv")
    text = "func.func @f(%x: memref<2xf32>) { return }"
    with pytest.raises(PomError, match="POM-R022: the arguments of 'f'"):
        signature(ir.Module.parse(text, context()), "f")
    text = 'func.func @f(%x: memref<2xf32> {hls.name = "x"}) { return }'
    with pytest.raises(PomError, match="POM-R022: an argument of 'f'"):
        signature(ir.Module.parse(text, context()), "f")


def test_wrong_arguments() -> None:
    with pytest.raises(PomError, match="POM-R001"):
        compiled(gemm(2))({})


def test_calls_and_local_arrays() -> None:
    i = var("i")
    doubled = apply("mul", load("v", f32, i), Argument("by", f32))
    fill = Assign("fill", Access("t", (i,)), doubled)
    back = Assign("back", Access("v", (i,)), load("t", f32, i))
    inner = Kernel(
        "grow",
        (Scalar("by", f32), array("v", f32, 5)),
        (array("t", f32, 5),),
        (loop("i", 0, 5, fill), loop("i", 0, 5, back)),
    )
    calls = tuple(Call(f"c{k}", "grow", (Const(2.0, f32), "a")) for k in range(2))
    outer = Kernel("twice", (array("a", f32, 5),), (), calls, (inner,))
    arguments = {"a": np.arange(5, dtype=np.float32)}
    assert compiled(outer)(arguments)["a"].tolist() == [0, 4, 8, 12, 16]


@settings(max_examples=12, deadline=None)
@given(width=st.integers(1, 80), signed=st.booleans(), seed=st.integers(0, 2**20))
def test_accumulation_in_any_width(width: int, signed: bool, seed: int) -> None:
    type = IntType(width, signed)
    kernel = gemm(3, type)
    from pom.runtime.inputs import make

    arguments = make(kernel, "random", np.random.default_rng(seed))
    assert (compiled(kernel)(arguments)["C"] == run(kernel, arguments)["C"]).all()


def test_a_triangular_nest() -> None:
    from pom.runtime.inputs import make

    kernel = trisolv(9)
    arguments = make(kernel, "dominant", np.random.default_rng(1))
    assert (compiled(kernel)(arguments)["x"] == run(kernel, arguments)["x"]).all()


def test_cast_of_a_product() -> None:
    i = var("i")
    int8 = IntType(8)
    value = cast(apply("mul", load("x", int8, i), load("x", int8, i)), int8)
    params = (array("x", int8, 4), array("y", int8, 4))
    kernel = Kernel("square", params, (), (loop("i", 0, 4, Assign("s", Access("y", (i,)), value)),))
    found = compiled(kernel)({"x": np.array([-128, 127, 16, 3], np.int8)})
    assert found["y"].tolist() == [0, 1, 0, 9]
