"""Scalar types and literals in C++."""

from __future__ import annotations

import math
from typing import Any, assert_never

import numpy as np

from pom.errors import PomError
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType

_FLOATS = {16: "half", 32: "float", 64: "double"}
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
_LONG_MAX = (1 << 63) - 1


def cpp_type(type: ScalarType) -> str:
    """The C++ name of a type."""
    match type:
        case BoolType():
            return "bool"
        case FloatType(width=w):
            return _FLOATS[w]
        case IntType(width=w, signed=s):
            return f"ap_{'' if s else 'u'}int<{w}>"
        case FixedType(width=w, integer_bits=i, signed=s):
            return f"ap_{'' if s else 'u'}fixed<{w}, {i}>"
        case _:
            assert_never(type)


def headers(type: ScalarType) -> frozenset[str]:
    """Headers that declare the C++ type."""
    match type:
        case IntType():
            return frozenset({"ap_int.h"})
        case FixedType():
            return frozenset({"ap_fixed.h"})
        case FloatType(width=16):
            return frozenset({"hls_half.h"})
        case _:
            return frozenset()


def native_literal(value: int) -> str:
    """An integer as a plain C++ literal of at least ``int``; it must fit 64 bits.

    ``-2147483648`` would be a negated ``long``, so it is written as gcc's headers do.
    """
    if value == _INT_MIN:
        return "(-2147483647 - 1)"
    if value == -_LONG_MAX - 1:
        return "(-9223372036854775807LL - 1)"
    return str(value) if _INT_MIN < value <= _INT_MAX else f"{value}LL"


def is_native(value: int) -> bool:
    """Whether `native_literal` can write it."""
    return -_LONG_MAX - 1 <= value <= _LONG_MAX


def float_literal(value: float, width: int) -> str:
    """An exact literal: the shortest decimal that reads back as `value`.

    >>> float_literal(0.1, 64), float_literal(float(np.float32(0.1)), 32)
    ('0.1', '0.1f')
    """
    suffix = "" if width == 64 else "f"
    if math.isnan(value):
        text = f"std::numeric_limits<{'double' if width == 64 else 'float'}>::quiet_NaN()"
    elif math.isinf(value):
        sign = "-" if value < 0 else ""
        text = f"{sign}std::numeric_limits<{'double' if width == 64 else 'float'}>::infinity()"
    else:
        narrow: np.floating[Any] = np.float64(value) if width == 64 else np.float32(value)
        text = np.format_float_positional(narrow, unique=True, trim="0")
        if len(text) > 16:
            text = (
                repr(narrow.item()) if width == 64 else np.format_float_scientific(narrow, trim="0")
            )
        text += suffix
    return f"half({text})" if width == 16 else text


def integer_literal(value: int, type: IntType) -> str:
    """A literal that has `type` itself: ``ap_uint<100>("0x123", 16)`` above 64 bits."""
    if is_native(value):
        return f"{cpp_type(type)}({native_literal(value)})"
    sign = "-" if value < 0 else ""
    return f'{cpp_type(type)}("{sign}{abs(value):x}", 16)'


def fixed_literal(raw: int, type: FixedType) -> str:
    """A fixed-point literal: a decimal where a double holds it exactly, else a sum of such.

    The string constructors of ``ap_fixed`` differ between releases, so they are not used.

    Raises
    ------
    PomError
        POM-C008: the exponent is beyond that of double.
    """
    parts = []
    rest, sign = abs(raw), -1 if raw < 0 else 1
    while rest:
        shift = max(rest.bit_length() - 53, 0)
        head = rest >> shift << shift
        exponent = shift - type.fraction_bits
        if not -1022 <= exponent <= 970:
            raise PomError("POM-C008", f"a constant of {type} is beyond the range of double")
        parts.append(math.ldexp(float(head >> shift), exponent) * sign)
        rest -= head
    texts = [float_literal(p, 64) for p in parts or [0.0]]
    name = cpp_type(type)
    if len(texts) == 1:
        return f"{name}({texts[0]})"
    return f"{name}({' + '.join(f'{name}({t})' for t in texts)})"
