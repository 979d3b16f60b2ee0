"""Data files and the testbench's verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pom.codegen.hlscpp import interface
from pom.codegen.testbench import data_files, element_bytes, emit_testbench, from_bytes, to_bytes
from pom.errors import PomError
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType
from pom.runtime.gpp import CompiledKernel
from tests.codegen.kernels import EXAMPLES
from tests.codegen.level3 import parse


@given(st.integers(1, 150), st.booleans(), st.data())
def test_integers_round_trip(width: int, signed: bool, data: st.DataObject) -> None:
    type = IntType(width, signed)
    values = data.draw(st.lists(st.integers(type.minimum, type.maximum), max_size=6))
    array = np.array(values, dtype=object)
    content = to_bytes(array, type)
    assert len(content) == len(values) * element_bytes(type)
    assert from_bytes(content, type, (len(values),)).tolist() == values


@pytest.mark.parametrize("type", [FloatType(16), FloatType(32), FloatType(64), BoolType()])
def test_others_round_trip(type: ScalarType) -> None:
    dtype = f"f{type.width // 8}" if isinstance(type, FloatType) else "?"
    array = np.array([[0, 1, -0.0], [1, 0, 1]]).astype(dtype)
    found = from_bytes(to_bytes(array, type), type, (2, 3))
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()


def test_width_of_data() -> None:
    widths = {1: 1, 8: 1, 9: 2, 33: 8, 64: 8, 65: 9, 100: 13}
    assert {w: element_bytes(FixedType(w, 3)) for w in widths} == widths


def test_missing_values_are_named() -> None:
    kernel = interface(parse(EXAMPLES["gemm"].text))
    arguments = EXAMPLES["gemm"].arguments(np.random.default_rng(1))
    for missing in ("alpha", "C"):
        rest = {name: value for name, value in arguments.items() if name != missing}
        with pytest.raises(PomError, match=rf"POM-C020.*'{missing}'"):
            data_files(kernel, rest)
    with pytest.raises(PomError, match=r"POM-C020.*'C'"):
        data_files(kernel, arguments, {})


def test_names_of_the_testbench_do_not_clash() -> None:
    text = """
module {
  func.func @exp(%data: memref<2xf32> {hls.name = "data", hls.type = "f32", hls.direction = "in"},
      %ok: f32 {hls.name = "ok", hls.type = "f32"},
      %y0: memref<2xf32> {hls.name = "y0", hls.type = "f32", hls.direction = "out"},
      %int: memref<f32> {hls.name = "int", hls.type = "f32", hls.direction = "out"}) {
    affine.for %i = 0 to 2 {
      %0 = affine.load %data[%i] : memref<2xf32>
      %1 = arith.addf %0, %ok : f32
      affine.store %1, %y0[%i] : memref<2xf32>
      affine.store %1, %int[] : memref<f32>
    } {hls.name = "for", hls.loop = "data"}
    return
  }
}
"""
    compiled = CompiledKernel(parse(text))
    assert compiled.interface.name == "exp_"
    found = compiled({"data": np.float32([1, 2]), "ok": np.float32(0.5)})
    assert found["y0"].tolist() == [1.5, 2.5]
    assert found["int"].tolist() == 2.5


def test_first_difference_is_told() -> None:
    compiled = CompiledKernel(parse(EXAMPLES["gemm"].text))
    arguments = EXAMPLES["gemm"].arguments(np.random.default_rng(1))
    expected = EXAMPLES["gemm"].compute(arguments)
    assert compiled.check(arguments, expected) is None
    expected["C"][5, 2] = np.nextafter(expected["C"][5, 2], np.float32(9))
    told = compiled.check(arguments, expected)
    assert told is not None
    assert told.startswith("FAIL: C[5][2] is ")


def test_nan_equals_nan_and_zeros_differ() -> None:
    text = """
module {
  func.func @k(%A: memref<3xf32> {hls.name = "A", hls.type = "f32", hls.direction = "inout"}) {
    affine.for %i = 0 to 3 {
      %0 = affine.load %A[%i] : memref<3xf32>
      %1 = arith.negf %0 : f32
      affine.store %1, %A[%i] : memref<3xf32>
    }
    return
  }
}
"""
    compiled = CompiledKernel(parse(text))
    start = {"A": np.float32([0.0, np.nan, np.inf])}
    assert compiled.check(start, {"A": np.float32([-0.0, np.nan, -np.inf])}) is None
    assert compiled.check(start, {"A": np.float32([-0.0, 1.0, -np.inf])}) is not None
    assert compiled.check(start, {"A": np.float32([0.0, np.nan, -np.inf])}) is not None


def test_one_step_of_double_is_a_difference() -> None:
    text = """
module {
  func.func @k(%A: memref<1xf64> {hls.name = "A", hls.type = "f64", hls.direction = "inout"}) {
    %0 = affine.load %A[0] : memref<1xf64>
    %1 = arith.addf %0, %0 : f64
    affine.store %1, %A[0] : memref<1xf64>
    return
  }
}
"""
    compiled = CompiledKernel(parse(text))
    for start in (0.1, 1e-310, -3e300):
        arguments, exact = {"A": np.array([start])}, np.array([start + start])
        assert compiled.check(arguments, {"A": exact}) is None
        assert compiled.check(arguments, {"A": np.nextafter(exact, 9)}) is not None


def test_tolerance_is_in_the_text() -> None:
    kernel = interface(parse(EXAMPLES["gemm"].text))
    text = emit_testbench(kernel, header="gemm.h", max_ulps=4)
    assert 'pom::check("C", data + "/C.expected.bin", &C[0][0], {8, 4}, 4)' in text
