"""Integer arrays of any width kept in whole bytes, as the JIT and numpy hold them.

    %A : memref<8xi12>                      %A : memref<8xi16>
    %v = affine.load %A[%i]           →     %w = affine.load %A[%i]
                                            %v = arith.trunci %w : i16 to i12
    affine.store %v, %A[%i]                 %x = arith.extui %v : i12 to i16
                                            affine.store %x, %A[%i]

LLVM's own lowering takes no elements below eight bits, and leaves padding bits undefined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlir import ir
from mlir.dialects import arith

from pom.passes.affine_expand_numeric import operations
from pom.passes.base import AffinePass


def storage_width(width: int) -> int:
    """Bits that an integer of `width` bits takes in an array: 8, 16, 32, 64 or n times 128."""
    if width > 64:
        return -(-width // 128) * 128
    return next(w for w in (8, 16, 32, 64) if width <= w)


def _stored(type: ir.Type) -> ir.Type:
    """The type that takes the place of `type`."""
    if not isinstance(type, ir.MemRefType) or not isinstance(type.element_type, ir.IntegerType):
        return type
    element = ir.IntegerType.get_signless(storage_width(type.element_type.width))
    return ir.MemRefType.get(list(type.shape), element)


def _widen_function(op: ir.Operation) -> None:
    type = ir.FunctionType(ir.TypeAttr(op.attributes["function_type"]).value)
    inputs = [_stored(t) for t in type.inputs]
    op.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, type.results))
    for block in op.regions[0].blocks:
        for value in block.arguments:
            value.set_type(_stored(value.type))
        break


def _widen_load(op: ir.Operation) -> None:
    narrow = op.result.type
    stored = ir.MemRefType(op.operands[0].type).element_type
    if stored == narrow:
        return
    op.result.set_type(stored)
    with ir.InsertionPoint.after(op), op.location:
        cut = arith.TruncIOp(narrow, op.result)
    op.result.replace_all_uses_except(cut.result, cut.operation)


def _widen_store(op: ir.Operation) -> None:
    stored = ir.MemRefType(op.operands[1].type).element_type
    if op.operands[0].type == stored:
        return
    with ir.InsertionPoint(op), op.location:
        op.operands[0] = arith.extui(stored, op.operands[0])


@dataclass(frozen=True)
class AffineWidenStorage(AffinePass):
    """Integer arrays in whole bytes."""

    name: ClassVar[str] = "affine-widen-storage"
    summary: ClassVar[str] = "keep integer arrays of any width in whole bytes"

    def run(self, program: ir.Module) -> None:
        """Edit `program`."""
        with program.context, ir.Location.unknown():
            for op in operations(program, "func.func"):
                _widen_function(op)
            for op in operations(program, "memref.alloc"):
                op.result.set_type(_stored(op.result.type))
            for prefix in ("affine.", "memref."):
                for op in operations(program, prefix + "load"):
                    _widen_load(op)
                for op in operations(program, prefix + "store"):
                    _widen_store(op)
