"""The scalar types of the surface, and checks of array types."""

from __future__ import annotations

import operator

from pom.dsl.locate import user_location
from pom.errors import PomError
from pom.ir.location import Location
from pom.ir.types import (
    MAX_WIDTH,
    ArrayType,
    BoolType,
    FixedType,
    FloatType,
    IntType,
    ScalarType,
    bool_,
    f16,
    f32,
    f64,
)

__all__ = ["bool_", "check_array_type", "f16", "f32", "f64", "fixed", "int_", "ufixed", "uint_"]

bool = bool_
int8, int16, int32, int64 = (IntType(w) for w in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (IntType(w, signed=False) for w in (8, 16, 32, 64))

MAX_BYTES = 2**63 - 1
"""Size of an array beyond which addresses no longer fit into 64 bits."""


def is_scalar_type(value: object) -> bool:  # type: ignore[valid-type]
    """Whether `value` is one of the scalar types."""
    return isinstance(value, (FloatType, IntType, FixedType, BoolType))


def _width(value: object, what: str) -> int:
    try:
        width = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        width = 0
    if not 1 <= width <= MAX_WIDTH:
        raise PomError(
            "POM-D006",
            f"{what} of {value!r} bits: a width is an integer from 1 to {MAX_WIDTH}",
            user_location(),
        )
    return width


def int_(width: int) -> IntType:
    """Signed integer of `width` bits, ``ap_int<width>``."""
    return IntType(_width(width, "a signed integer"))


def uint_(width: int) -> IntType:
    """Unsigned integer of `width` bits, ``ap_uint<width>``."""
    return IntType(_width(width, "an unsigned integer"), signed=False)


def fixed(width: int, integer_bits: int) -> FixedType:
    """Signed fixed point, ``ap_fixed<width, integer_bits>``.

    Parameters
    ----------
    width : int
        All bits, the sign included.
    integer_bits : int
        Bits left of the point, the sign included; negative or above `width` scales the value.
    """
    return FixedType(_width(width, "a fixed-point number"), _point(integer_bits))


def ufixed(width: int, integer_bits: int) -> FixedType:
    """Unsigned fixed point, ``ap_ufixed<width, integer_bits>``."""
    return FixedType(_width(width, "a fixed-point number"), _point(integer_bits), signed=False)


def _point(value: object) -> int:
    try:
        bits = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        bits = MAX_WIDTH + 1
    if abs(bits) > MAX_WIDTH:
        raise PomError(
            "POM-D006",
            f"{value!r} integer bits: an integer from {-MAX_WIDTH} to {MAX_WIDTH}",
            user_location(),
        )
    return bits


def check_array_type(type: ArrayType, name: str, location: Location | None) -> ArrayType:
    """`type` with plain int sizes, if it can be an array's."""
    if not is_scalar_type(type.element):
        raise PomError("POM-D002", f"the elements of {name!r} have no scalar type", location)
    shape = []
    for size in type.shape:
        try:
            extent = operator.index(size)
        except TypeError:
            extent = 0
        if extent < 1 or size is True:
            raise PomError(
                "POM-D004",
                f"array {name!r} has size {size!r} in {_shape_text(type.shape)}",
                location,
                "every size is a positive integer constant",
            )
        shape.append(extent)
    total_bytes = (type.element.width + 7) // 8
    for extent in shape:
        total_bytes *= extent
    if total_bytes > MAX_BYTES:
        raise PomError(
            "POM-D005",
            f"array {name!r} of shape {_shape_text(type.shape)} would need {total_bytes} bytes, "
            "more than 64-bit addresses reach",
            location,
            "tile the problem outside the kernel",
        )
    return ArrayType(type.element, tuple(shape))


def _shape_text(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(repr, shape)) + "]"


def check_scalar_type(type: object, name: str, location: Location | None) -> ScalarType:
    """`type` if it is a scalar type."""
    if isinstance(type, (FloatType, IntType, FixedType, BoolType)):
        return type
    raise PomError(
        "POM-D002",
        f"{type!r} is no scalar type for {name!r}",
        location,
        "use pom.f32, pom.int_(w), pom.fixed(w, i), pom.bool …",
    )
