"""Expansion of integer operations, and what cannot be expanded or lowered."""

from __future__ import annotations

import pytest
from mlir import ir

from pom.errors import PomError
from pom.ir.types import FixedType, IntType, ScalarType, f32
from pom.passes.affine_expand_numeric import AffineExpandNumeric
from pom.passes.affine_to_llvm import AffineToLlvm
from pom.passes.affine_widen_storage import AffineWidenStorage, storage_width
from tests.runtime.level3 import context, elementwise


def module(op: str, types: tuple[ScalarType, ...], result: ScalarType) -> ir.Module:
    return ir.Module.parse(elementwise(op, types, result, 4), context())


def test_operands_are_extended_by_their_own_sign() -> None:
    made = module("add", (IntType(8), IntType(4, False)), IntType(9))
    AffineExpandNumeric().run(made)
    made.operation.verify()
    lines = [line.strip() for line in str(made).splitlines() if "arith." in line]
    assert lines == [
        "%2 = arith.extsi %0 : i8 to i9",
        "%3 = arith.extui %1 : i4 to i9",
        "%4 = arith.addi %2, %3 : i9",
    ]
    assert "hls." not in str(made).replace("hls.direction", "").replace("hls.name", "").replace(
        "hls.type", ""
    ).replace("hls.top", "")


def test_fixed_point_is_aligned() -> None:
    made = module("add", (FixedType(8, 4), FixedType(8, 6)), FixedType(11, 7))
    AffineExpandNumeric().run(made)
    assert "arith.shli" in str(made)


def test_storage_is_widened() -> None:
    made = module("neg", (IntType(12),), IntType(13))
    AffineWidenStorage().run(made)
    text = str(made)
    assert "memref<4xi16>" in text
    assert "memref<4xi12>" not in text
    assert "arith.trunci %0 : i16 to i12" in text
    assert "arith.extui %2 : i13 to i16" in text


@pytest.mark.parametrize(
    ("width", "stored"), [(1, 8), (8, 8), (9, 16), (33, 64), (64, 64), (65, 128), (129, 256)]
)
def test_storage_width(width: int, stored: int) -> None:
    assert storage_width(width) == stored


def test_no_expansion() -> None:
    text = elementwise("add", (IntType(8), IntType(8)), IntType(9), 4)
    made = ir.Module.parse(text.replace("hls.add", "hls.frobnicate"), context())
    with pytest.raises(PomError, match=r"POM-A200: hls\.frobnicate of int8, int8"):
        AffineExpandNumeric().run(made)


def test_types_that_do_not_fit_the_attributes() -> None:
    text = elementwise("add", (IntType(8), IntType(8)), IntType(9), 4)
    made = ir.Module.parse(text.replace('result = "int9"', 'result = "int10"'), context())
    with pytest.raises(PomError, match=r"POM-A201: hls\.add has MLIR types i8, i8, i9"):
        AffineExpandNumeric().run(made)


def test_no_lowering() -> None:
    text = elementwise("neg", (f32,), f32, 4).replace("arith.negf", '"other.negf"')
    text = text.replace('"other.negf" %v0 : f32', '"other.negf"(%v0) : (f32) -> f32')
    with pytest.raises(PomError, match="POM-A210"):
        AffineToLlvm().run(ir.Module.parse(text, context()))
