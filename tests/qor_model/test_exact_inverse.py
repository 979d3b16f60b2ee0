"""Division by a constant with an exact inverse is a multiplication, as clang makes it."""

from __future__ import annotations

import mlir.ir as mlir
import pytest

from pom.dialects.context import new_context
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.region import Block, Loop, OpKind


def _kind(divisor: str, type_: str) -> OpKind:
    text = f"""
    func.func @k(%A: memref<4x{type_}> {{hls.name = "A"}}) {{
      %d = arith.constant {divisor} : {type_}
      affine.for %i = 0 to 4 {{
        %a = affine.load %A[%i] : memref<4x{type_}>
        %q = arith.divf %a, %d : {type_}
        affine.store %q, %A[%i] : memref<4x{type_}>
      }}
      return
    }}
    """
    with new_context():
        design = design_from_affine(mlir.Module.parse(text))
    (loop,) = design.function(design.top).body
    assert isinstance(loop, Loop)
    (block,) = loop.body
    assert isinstance(block, Block)
    return block.ops[1].kind


@pytest.mark.parametrize(
    ("divisor", "type_", "kind"),
    [
        ("8.0", "f32", OpKind.MUL),
        ("-0.25", "f32", OpKind.MUL),
        ("1.0", "f64", OpKind.MUL),
        ("3.0", "f32", OpKind.DIV),
        ("6.0", "f64", OpKind.DIV),
        ("0.0", "f32", OpKind.DIV),
        # The inverse of 2^127 is not a normal number in f32; in f64 it is.
        ("0x7F000000", "f32", OpKind.DIV),
        ("0x47E0000000000000", "f64", OpKind.MUL),
    ],
)
def test_kind(divisor: str, type_: str, kind: OpKind) -> None:
    assert _kind(divisor, type_) is kind
