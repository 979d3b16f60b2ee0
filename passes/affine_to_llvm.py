"""Level 3 → the LLVM dialect, ready for the execution engine.

    affine.for, hls numerics → arith, scf → cf → llvm

On the way, what compiled code must not do silently is made to report itself: a data-dependent
subscript outside its array calls ``@pom_report`` and uses element 0. Mathematical functions become
calls of ``@pom_libm_<name>``, which the runtime binds to the C library: LLVM would fold or rewrite
the functions that it knows, and its results may differ in the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlir import ir
from mlir.dialects import arith, func, memref, scf
from mlir.passmanager import PassManager

from pom.errors import PomError
from pom.ir.libm import ARITY
from pom.ir.ops import OPS
from pom.passes.affine_expand_numeric import (
    REPORT,
    AffineExpandNumeric,
    declare,
    operations,
    report,
)
from pom.passes.affine_widen_storage import AffineWidenStorage
from pom.passes.base import AffinePass

SUBSCRIPT_OUT_OF_BOUNDS = 2
LIBM_PREFIX = "pom_libm_"

PIPELINE = (
    "builtin.module("
    "func.func(lower-affine,convert-scf-to-cf,canonicalize,cse),"
    # Nested in func.func, convert-to-llvm crashes the process.
    "convert-to-llvm,reconcile-unrealized-casts)"
)

_EXACT = frozenset({"sqrt", "floor", "ceil"})
"""Functions with one correct result, which LLVM may compute as it likes."""

_FLOAT_OPS = {
    spec.float_op: name for name, spec in OPS.items() if name in ARITY and name not in _EXACT
}


def _guard(subscript: ir.Value, extent: int) -> ir.Value:
    index = ir.IndexType.get()
    limit = arith.constant(index, ir.IntegerAttr.get(index, extent))
    is_outside = arith.cmpi(9, subscript, limit)  # unsigned, so that negative ones are outside
    branch = scf.IfOp(is_outside)
    with ir.InsertionPoint(branch.then_block):
        report(SUBSCRIPT_OUT_OF_BOUNDS)
        scf.YieldOp([])
    zero = arith.constant(index, ir.IntegerAttr.get(index, 0))
    return arith.select(is_outside, zero, subscript)


def guard_subscripts(module: ir.Module) -> None:
    """Check the subscripts of every ``memref.load`` and ``memref.store`` at run time."""
    for op in operations(module, "memref."):
        first = {"memref.load": 1, "memref.store": 2}.get(op.name)
        if first is None:
            continue
        declare(module, REPORT, [ir.IntegerType.get_signless(64)], [])
        shape = ir.MemRefType(op.operands[first - 1].type).shape
        for position, extent in enumerate(shape, start=first):
            with ir.InsertionPoint(op), op.location:
                op.operands[position] = _guard(op.operands[position], extent)


def call_the_c_library(module: ir.Module) -> None:
    """``math`` functions → calls; f16 by way of f32."""
    for op in operations(module, "math."):
        name = _FLOAT_OPS.get(op.name)
        if name is None:
            continue
        type = op.result.type
        computed = ir.F32Type.get() if isinstance(type, ir.F16Type) else type
        symbol = LIBM_PREFIX + name + ("" if isinstance(computed, ir.F64Type) else "f")
        declare(module, symbol, [computed] * len(op.operands), [computed])
        with ir.InsertionPoint(op), op.location:
            values = [v if v.type == computed else arith.extf(computed, v) for v in op.operands]
            call = func.CallOp([computed], ir.FlatSymbolRefAttr.get(symbol), values)
            result = call.result if computed == type else arith.truncf(type, call.result)
            op.result.replace_all_uses_with(result)
        op.erase()


def free_local_arrays(module: ir.Module) -> None:
    """A ``memref.dealloc`` before the return of a function for each array that it allocates."""
    for function in operations(module, "func.func"):
        blocks = function.regions[0].blocks
        if len(blocks) == 0:
            continue
        body = list(blocks[0].operations)
        allocated = [op for op in body if op.operation.name == "memref.alloc"]
        with ir.InsertionPoint(body[-1]), function.location:
            for op in allocated:
                memref.dealloc(op.operation.result)


@dataclass(frozen=True)
class AffineToLlvm(AffinePass):
    """Everything to the LLVM dialect."""

    name: ClassVar[str] = "affine-to-llvm"
    summary: ClassVar[str] = "lower to the LLVM dialect for the JIT"

    def run(self, program: ir.Module) -> None:
        """Edit `program`.

        Raises
        ------
        PomError
            POM-A210 where an operation remains that has no lowering.
        """
        AffineExpandNumeric().run(program)
        AffineWidenStorage().run(program)
        with program.context:
            guard_subscripts(program)
            call_the_c_library(program)
            free_local_arrays(program)
            try:
                PassManager.parse(PIPELINE).run(program.operation)
            except ir.MLIRError as error:
                reasons = tuple(str(d.message) for d in error.error_diagnostics)
                raise PomError(
                    "POM-A210", "the module cannot be lowered to LLVM", notes=reasons
                ) from error
            foreign = sorted({op.name for op in operations(program, "")} - {"builtin.module"})
            if left := [name for name in foreign if not name.startswith("llvm.")]:
                raise PomError("POM-A210", f"no lowering to LLVM for {', '.join(left)}")
