"""Types of levels 1 and 2 in MLIR.

========================  ===========================================
``f32``                   itself
``int12``, ``uint12``     ``si12``, ``ui12``
``bool``                  ``i1``
``fixed<16,8>``           ``!graph.fixed<16 : i64, 8 : i64>`` (``ufixed`` the same)
``f32[64, 48]``           ``tensor<64x48xf32>``
========================  ===========================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pom.ir.types import (
    MAX_WIDTH,
    ArrayType,
    BoolType,
    FixedType,
    FloatType,
    IntType,
    ScalarType,
)

if TYPE_CHECKING:
    from mlir.ir import Type

MAX_ELEMENTS = (1 << 63) - 1
"""Most elements of an array: what a 64-bit index reaches."""

_FIXED = re.compile(r"!graph\.(u?)fixed<(-?\d+) : i64, (-?\d+) : i64>")


def type_problem(kind: ScalarType | ArrayType) -> str | None:
    """Why there can be no hardware value of this type, or None."""
    match kind:
        case ArrayType():
            total = 1
            for size in kind.shape:
                if type(size) is not int or size < 1:
                    return f"{kind}: every size is at least 1"
                total *= size
            if total > MAX_ELEMENTS:
                return f"{kind} has more than {MAX_ELEMENTS} elements"
            return type_problem(kind.element)
        case FloatType() if kind.width not in (16, 32, 64):
            return f"{kind}: floats have 16, 32 or 64 bits"
        case IntType() | FixedType() if not 1 <= kind.width <= MAX_WIDTH:
            return f"{kind}: the width is 1 to {MAX_WIDTH} bits"
        case FixedType() if abs(kind.integer_bits) > 2 * MAX_WIDTH:
            return f"{kind}: at most {2 * MAX_WIDTH} integer bits"
    return None


def to_mlir_type(kind: ScalarType | ArrayType) -> Type:
    """The MLIR type of a type without problems (`type_problem`), in the current context."""
    from mlir.ir import F16Type, F32Type, F64Type, IntegerType, RankedTensorType, Type

    match kind:
        case ArrayType():
            return RankedTensorType.get(list(kind.shape), to_mlir_type(kind.element))
        case FloatType():
            return {16: F16Type, 32: F32Type, 64: F64Type}[kind.width].get()
        case BoolType():
            return IntegerType.get_signless(1)
        case IntType(width=width, signed=signed):
            return IntegerType.get_signed(width) if signed else IntegerType.get_unsigned(width)
        case FixedType():
            sign = "" if kind.signed else "u"
            return Type.parse(f"!graph.{sign}fixed<{kind.width} : i64, {kind.integer_bits} : i64>")


def from_mlir_type(kind: Type) -> ScalarType | ArrayType:
    """The inverse of `to_mlir_type`.

    Raises
    ------
    ValueError
        Not a type of these levels.
    """
    from mlir.ir import RankedTensorType

    if isinstance(kind, RankedTensorType):
        if not kind.has_static_shape or kind.encoding is not None:
            raise ValueError(f"{kind} is not an array of constant shape")
        return ArrayType(from_mlir_scalar(kind.element_type), tuple(kind.shape))
    return from_mlir_scalar(kind)


def from_mlir_scalar(kind: Type) -> ScalarType:
    """A scalar type, or ValueError."""
    from mlir.ir import F16Type, F32Type, F64Type, IntegerType

    match kind:
        case F16Type():
            return FloatType(16)
        case F32Type():
            return FloatType(32)
        case F64Type():
            return FloatType(64)
        case IntegerType() if kind.is_signed or kind.is_unsigned:
            return IntType(kind.width, kind.is_signed)
        case IntegerType() if kind.width == 1:
            return BoolType()
    if found := _FIXED.fullmatch(str(kind)):
        sign, width, integer_bits = found.groups()
        return FixedType(int(width), int(integer_bits), not sign)
    raise ValueError(f"{kind} is not a type of a value: f32, si12, ui12, i1, !graph.fixed<…>")
