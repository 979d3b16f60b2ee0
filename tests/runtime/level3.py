"""Level-3 modules written by hand, for tests of what runs below level 3."""

from __future__ import annotations

from collections.abc import Sequence

from mlir import ir

from pom.ir.ops import OPS
from pom.ir.types import BoolType, FloatType, ScalarType


def mlir_name(type: ScalarType) -> str:
    return str(type) if isinstance(type, FloatType) else f"i{type.width}"


def context() -> ir.Context:
    made = ir.Context()
    made.allow_unregistered_dialects = True
    return made


def argument(name: str, type: ScalarType, shape: str, direction: str) -> str:
    return (
        f'%{name}: memref<{shape}{mlir_name(type)}> {{hls.name = "{name}", '
        f'hls.type = "{type}", hls.direction = "{direction}"}}'
    )


FLOAT_PREDICATES = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}


def operation(op: str, types: Sequence[ScalarType], result: ScalarType) -> str:
    """Level 3 of one operation on ``%v0, %v1 …`` that defines ``%r``."""
    names = ", ".join(f"%v{k}" for k in range(len(types)))
    mlir = [mlir_name(t) for t in types]
    if op != "cast" and isinstance(types[-1], FloatType):
        if op in FLOAT_PREDICATES:
            return f"%r = arith.cmpf {FLOAT_PREDICATES[op]}, {names} : {mlir[0]}"
        if op in ("min", "max"):
            swapped = "%v1, %v0" if op == "min" else "%v0, %v1"
            return (
                f"%t = arith.cmpf olt, {swapped} : {mlir[0]}\n"
                f"%r = arith.select %t, %v1, %v0 : {mlir[0]}"
            )
        if op == "select":
            return f"%r = arith.select {names} : {mlir[1]}"
        return f"%r = {OPS[op].float_op} {names} : {mlir[0]}"
    if all(isinstance(t, BoolType) for t in types) and op in ("and", "or", "xor"):
        return f"%r = arith.{op}i {names} : i1"
    listed = ", ".join(f'"{t}"' for t in types)
    return (
        f'%r = "hls.{op}"({names}) {{types = [{listed}], result = "{result}"}} : '
        f"({', '.join(mlir)}) -> {mlir_name(result)}"
    )


def elementwise(op: str, types: Sequence[ScalarType], result: ScalarType, size: int) -> str:
    """A function ``f`` that applies one operation to arrays ``x0``, ``x1`` … into ``y``."""
    inputs = [argument(f"x{k}", t, f"{size}x", "in") for k, t in enumerate(types)]
    output = argument("y", result, f"{size}x", "out")
    loads = "\n".join(
        f"%v{k} = affine.load %x{k}[%i] : memref<{size}x{mlir_name(t)}>"
        for k, t in enumerate(types)
    )
    return f"""
module {{
  func.func @f({", ".join([*inputs, output])}) attributes {{hls.top}} {{
    affine.for %i = 0 to {size} {{
      "hls.statement"(%i) {{name = "s"}} : (index) -> ()
      {loads}
      {operation(op, types, result)}
      affine.store %r, %y[%i] : memref<{size}x{mlir_name(result)}>
    }}
    return
  }}
}}"""
