"""Level 3 becomes a region tree."""

from __future__ import annotations

import mlir.ir as mlir
import pytest

from pom.errors import PomError
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.region import (
    F32,
    Affine,
    Block,
    If,
    Loop,
    LoopDirectives,
    OpKind,
    Partition,
    PartitionKind,
    ScalarKind,
    ScalarType,
)

GEMM = """
module {
  func.func @gemm(%alpha: f32 {hls.name = "alpha", hls.type = "f32"},
                  %A: memref<64x48xf32> {hls.name = "A", hls.type = "f32", hls.direction = "in",
                       hls.partition = [{dim = 2 : i64, kind = "cyclic", factor = 4 : i64}]},
                  %y: memref<64xf32> {hls.name = "y", hls.type = "f32", hls.direction = "out",
                       hls.partition = [{dim = 0 : i64, kind = "complete", factor = 0 : i64}]})
      attributes {hls.top} {
    affine.for %i = 0 to 64 {
      affine.for %j = affine_map<(d0) -> (d0)>(%i) to 48 step 2 {
        %0 = affine.load %A[%i, 2 * %j + 1] : memref<64x48xf32>
        %1 = arith.mulf %alpha, %0 : f32
        affine.if affine_set<(d0) : (d0 - 3 >= 0)>(%j) {
          affine.store %1, %y[%i] : memref<64xf32>
        }
      } {hls.name = "j0", hls.pipeline_ii = 2 : i64, hls.unroll = 4 : i64, hls.flatten = false}
    } {hls.name = "i0", hls.pipeline_off}
    return
  }
}
"""


def _module(text: str) -> mlir.Module:
    context = mlir.Context()
    context.allow_unregistered_dialects = True
    return mlir.Module.parse(text, context)


def test_loops_accesses_and_directives() -> None:
    found = design_from_affine(_module(GEMM))
    function = found.function(found.top)
    assert function.scalars == (("alpha", F32),)
    assert function.array("A").partitions == (Partition(1, PartitionKind.CYCLIC, 4),)
    assert function.array("A").is_read
    assert not function.array("A").is_written
    assert function.array("y").partitions == (Partition(0, PartitionKind.COMPLETE, 64),)
    outer = function.body[0]
    assert isinstance(outer, Loop)
    assert (outer.name, outer.directives.pipeline) == ("i0", False)
    inner = outer.body[0]
    assert isinstance(inner, Loop)
    assert inner.directives == LoopDirectives(True, 2, 4, False)
    assert (inner.lower, inner.upper, inner.step) == (
        (Affine((("i0", 1),)),),
        (Affine((), 48),),
        2,
    )
    block, guard = inner.body
    assert isinstance(block, Block)
    load, product = block.ops
    assert load.access is not None
    assert load.access.subscripts == (Affine((("i0", 1),)), Affine((("j0", 2),), 1))
    assert (product.kind, product.operands, product.scalars) == (
        OpKind.MUL,
        (load.id,),
        ("0:alpha",),
    )
    assert isinstance(guard, If)
    assert guard.conditions == (Affine((("j0", 1),), -3),)


def test_types_come_from_the_attributes() -> None:
    text = """
    module {
      func.func @f(%a: memref<8xi12> {hls.name = "a", hls.type = "ufixed<12,4>"}) attributes {hls.top} {
        affine.for %i = 0 to 8 {
          %0 = affine.load %a[%i] : memref<8xi12>
          %1 = "hls.add"(%0, %0) {types = ["ufixed<12,4>", "ufixed<12,4>"], result = "ufixed<13,5>"} : (i12, i12) -> i13
          %2 = "hls.cast"(%1) {types = ["ufixed<13,5>"], result = "ufixed<12,4>"} : (i13) -> i12
          affine.store %2, %a[%i] : memref<8xi12>
        } {hls.name = "i"}
        return
      }
    }"""
    function = design_from_affine(_module(text)).function("f")
    loop = function.body[0]
    assert isinstance(loop, Loop)
    block = loop.body[0]
    assert isinstance(block, Block)
    assert block.ops[1].dtype == ScalarType(ScalarKind.UFIXED, 13, 5)
    assert block.ops[3].dtype == ScalarType(ScalarKind.UFIXED, 12, 4)


def test_an_unknown_operation_is_refused() -> None:
    text = """
    module {
      func.func @f(%x: f32) {
        %0 = "other.op"(%x) : (f32) -> f32
        return
      }
    }"""
    with pytest.raises(PomError, match="POM-Q001"):
        design_from_affine(_module(text))


def test_bounds_and_guards_that_round_are_kept() -> None:
    text = GEMM.replace(
        "affine_map<(d0) -> (d0)>(%i) to 48 step 2",
        "affine_map<(d0) -> (d0 ceildiv 2)>(%i) to affine_map<(d0) -> (d0 mod 5)>(%i)",
    ).replace("d0 - 3 >= 0", "(d0 floordiv 4) * 2 - d0 + 3 >= 0")
    outer = design_from_affine(_module(text)).functions[0].body[0]
    assert isinstance(outer, Loop)
    inner = outer.body[0]
    assert isinstance(inner, Loop)
    guard = inner.body[1]
    assert isinstance(guard, If)
    for value in range(64):
        assert inner.lower[0].value({"i0": value}) == -(-value // 2)
        assert inner.upper[0].value({"i0": value}) == value % 5
        assert guard.conditions[0].value({"j0": value}) == value // 4 * 2 - value + 3


def test_a_subscript_that_rounds_is_unknown() -> None:
    text = GEMM.replace("%A[%i, 2 * %j + 1]", "%A[%i, %j floordiv 2]")
    outer = design_from_affine(_module(text)).functions[0].body[0]
    assert isinstance(outer, Loop)
    inner = outer.body[0]
    assert isinstance(inner, Loop)
    block = inner.body[0]
    assert isinstance(block, Block)
    assert block.ops[0].access is not None
    assert block.ops[0].access.subscripts == (Affine((("i0", 1),)), None)


def test_a_bound_that_is_an_argument_is_refused() -> None:
    text = GEMM.replace("@gemm(", "@gemm(%n: index, ").replace(
        "affine_map<(d0) -> (d0)>(%i) to 48", "affine_map<()[s0] -> (s0)>()[%n] to 48"
    )
    with pytest.raises(PomError, match="POM-Q002: a bound of loop j0 is not affine"):
        design_from_affine(_module(text))
