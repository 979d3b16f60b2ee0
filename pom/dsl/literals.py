"""Python numbers in kernels: a literal takes the type of what it is combined with.

- With a float, the literal is rounded to it (to nearest, ties to even).
- With an integer, the literal gets the narrowest integer type that holds it, so that the exact
  result types stay narrow; a number with a fractional part is refused.
- With fixed point, the literal takes the other operand's type and is truncated to its fraction
  bits (towards minus infinity, ``AP_TRN``); one out of range is refused.
- With bool, only True and False.
"""

from __future__ import annotations

import math
import numbers
import struct
from fractions import Fraction

from pom.errors import PomError
from pom.ir.expr import Const
from pom.ir.location import Location
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType

Number = int | float | Fraction

_FLOAT_FORMATS = {16: "<e", 32: "<f", 64: "<d"}


def as_number(value: object) -> Number | None:
    """A Python number for Python and numpy scalars (bools stay bools); None for anything else."""
    if isinstance(value, (bool, int, float, Fraction)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    return None


def literal(value: Number, other: ScalarType, location: Location | None) -> Const:
    """`value` as an operand beside one of type `other`."""
    if isinstance(other, IntType) and not isinstance(value, bool):
        return Const(_integer(value, other, location), _narrowest(int(value)), location)
    return constant(value, other, location)


def constant(value: Number, type: ScalarType, location: Location | None) -> Const:
    """`value` as a constant of exactly `type`."""
    if isinstance(value, bool) != isinstance(type, BoolType):
        raise PomError(
            "POM-D041",
            f"the literal {value!r} is no {type}",
            location,
            "write True or False for bool and a number for any other type",
        )
    match type:
        case BoolType():
            return Const(value, type, location)
        case FloatType():
            return Const(_rounded(value, type, location), type, location)
        case IntType():
            return Const(
                _in_range(_integer(value, type, location), value, type, location), type, location
            )
        case FixedType():
            return Const(_truncated(value, type, location), type, location)


def _narrowest(value: int) -> IntType:
    if value < 0:
        return IntType((-value - 1).bit_length() + 1)
    return IntType(max(value.bit_length(), 1), signed=False)


def _integer(value: Number, type: ScalarType, location: Location | None) -> int:
    if isinstance(value, float):
        raise PomError(
            "POM-D041",
            f"the float literal {value!r} beside {type}",
            location,
            f"write the integer {round(value)}"
            if math.isfinite(value) and value == round(value)
            else "convert the integer with pom.cast(x, pom.f32) first",
        )
    if value != int(value):
        raise PomError("POM-D041", f"the fraction {value} beside {type}", location)
    return int(value)


def _in_range(number: int, value: Number, type: IntType, location: Location | None) -> int:
    if not type.minimum <= number <= type.maximum:
        raise _does_not_fit(value, type, f"{type.minimum} … {type.maximum}", location)
    return number


def _does_not_fit(
    value: Number, type: ScalarType, allowed: str, location: Location | None
) -> PomError:
    return PomError(
        "POM-D042",
        f"the literal {value} does not fit into {type} ({allowed})",
        location,
        "use a wider type; a literal is never wrapped silently",
    )


def _rounded(value: Number, type: FloatType, location: Location | None) -> float:
    try:
        number = float(value)
        layout = _FLOAT_FORMATS[type.width]
        rounded: float = struct.unpack(layout, struct.pack(layout, number))[0]
    except OverflowError:
        raise _does_not_fit(value, type, "finite", location) from None
    if math.isnan(rounded):
        raise PomError("POM-D041", "a literal that is not a number (NaN)", location)
    return rounded


def _truncated(value: Number, type: FixedType, location: Location | None) -> Fraction:
    if isinstance(value, float) and not math.isfinite(value):
        raise _does_not_fit(value, type, "finite", location)
    scale = Fraction(2) ** type.fraction_bits
    raw = math.floor(Fraction(value) * scale)
    low = -(1 << (type.width - 1)) if type.signed else 0
    high = (1 << (type.width - type.signed)) - 1
    if not low <= raw <= high:
        allowed = f"{float(low / scale)} … {float(high / scale)}"
        raise _does_not_fit(value, type, allowed, location)
    return Fraction(raw) / scale
