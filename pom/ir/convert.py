"""Conversion of values between scalar types: what ``cast`` does in every execution.

=============  ==================================================================================
from → to      the value
=============  ==================================================================================
int, fixed     truncated (fixed → fixed towards minus infinity as AP_TRN, fixed → int towards zero
→ int, fixed   as C), then wrapped to the bits of the target (AP_WRAP)
float → int    truncated towards zero, then wrapped; NaN and infinities give 0
float → fixed  truncated towards minus infinity, then wrapped; NaN and infinities give 0
int, fixed     rounded to nearest, ties to even, infinity on overflow; to f16 by way of f32, since
→ float        ``half`` is made from ``float``
float → float  rounded to nearest, ties to even
bool → any     0 or 1
any → bool     whether the value is not zero (NaN is not)
=============  ==================================================================================

Notes
-----
The simulation headers of ``ap_int`` and ``ap_fixed`` compute this with five exceptions, where they
are wrong and the C++ must not rely on them (tests/ir/test_ops_against_headers.py shows each):

- ``ap_int<w>(x)`` of a float in (-0.5, 0) is 1: write ``ap_int<w>(std::trunc(x))``.
- ``ap_int<w>(x)`` of an infinite or NaN f32 is not 0 for w > 105: convert `x` to double first.
- ``ap_int<w>(y)`` of a signed fixed-point value without integer bits is -1 for a negative `y`:
  convert to a fixed-point type with one integer bit first.
- a float made of an integer wider than 64 bits keeps only the low 64: go by way of ``ap_fixed``.
- exponents beyond the float's range: refused by `check_conversion`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType

_NUMPY_FLOAT: dict[int, type[np.floating[Any]]] = {16: np.float16, 32: np.float32, 64: np.float64}

MANTISSA_BITS = {16: 11, 32: 24, 64: 53}
"""Significant bits of a float, the hidden one included, by width."""

MAX_EXPONENT = {16: 16, 32: 128, 64: 1024}
"""Every finite value of a float is below two to this power."""


def numpy_float(type: FloatType) -> type[np.floating[Any]]:
    """The numpy scalar class of a float type."""
    return _NUMPY_FLOAT[type.width]


def conversion_problem(source: ScalarType, target: ScalarType) -> str | None:
    """Why values of `source` cannot be converted to `target` in hardware, or None.

    A float's exponent must reach every bit of the fixed-point or integer type: the vendor's
    conversion does neither overflow to infinity nor produce subnormal numbers.
    """
    for one, other in ((source, target), (target, source)):
        if not isinstance(one, FloatType) or not isinstance(other, (IntType, FixedType)):
            continue
        width = max(one.width, 32)
        whole = other.width if isinstance(other, IntType) else other.integer_bits
        fraction = 0 if isinstance(other, IntType) else other.fraction_bits
        top = 972 if one is source else MAX_EXPONENT[width] + other.signed
        if whole > top:
            return f"{other} has {whole} integer bits, a conversion with {one} takes at most {top}"
        bottom = MAX_EXPONENT[width] - 2
        if fraction > bottom:
            return f"{other} has {fraction} fraction bits, a conversion with {one} takes at most {bottom}"
    return None


def wrap_bits(value: int, width: int, signed: bool) -> int:
    """The low `width` bits of `value`, as two's complement if `signed`."""
    value &= (1 << width) - 1
    if signed and value >> (width - 1):
        value -= 1 << width
    return value


def rescale(raw: int, shift: int) -> int:
    """``floor(raw * 2**shift)``."""
    return raw << shift if shift >= 0 else raw >> -shift


def round_to_float(raw: int, fraction_bits: int, type: FloatType) -> Any:
    """``raw * 2**-fraction_bits`` rounded to nearest, ties to even."""
    if type.width == 16:
        return narrow(round_to_float(raw, fraction_bits, FloatType(32)), type)
    scalar = numpy_float(type)
    precision = MANTISSA_BITS[type.width]
    magnitude = abs(raw)
    excess = magnitude.bit_length() - precision
    if excess > 0:
        kept, rest = magnitude >> excess, magnitude & ((1 << excess) - 1)
        half = 1 << (excess - 1)
        if rest > half or (rest == half and kept & 1):
            kept += 1
        magnitude = kept
    else:
        excess = 0
    exponent = excess - fraction_bits
    if magnitude and magnitude.bit_length() + exponent > MAX_EXPONENT[type.width]:
        return scalar(-math.inf if raw < 0 else math.inf)
    value = math.ldexp(float(magnitude), exponent)
    return scalar(-value if raw < 0 else value)


def narrow(value: Any, type: FloatType) -> Any:
    """A float value in another float type, rounded to nearest."""
    with np.errstate(all="ignore"):
        return numpy_float(type)(value)


def _from_float(value: Any, target: IntType | FixedType) -> int:
    if not math.isfinite(value):
        return 0
    if isinstance(target, IntType):
        return wrap_bits(int(value), target.width, target.signed)
    numerator, denominator = float(value).as_integer_ratio()
    scaled = rescale(numerator, max(target.fraction_bits, 0))
    raw = scaled // (denominator << max(-target.fraction_bits, 0))
    return wrap_bits(raw, target.width, target.signed)


def convert(value: Any, source: ScalarType, target: ScalarType) -> Any:
    """`value` of type `source` as a value of type `target`.

    Parameters
    ----------
    value : numpy.floating, int or bool
        A float, an integer, a raw fixed-point integer or a bool, as `source` says.
    source, target : ScalarType

    Returns
    -------
    numpy.floating, int or bool
        In the same representation, for `target`.
    """
    match source, target:
        case _, BoolType():
            return bool(value != 0)
        case BoolType(), _:
            return convert(int(value), IntType(1, False), target)
        case FloatType(), FloatType():
            return value if source == target else narrow(value, target)
        case FloatType(), IntType() | FixedType():
            return _from_float(value, target)
        case IntType() | FixedType(), FloatType():
            fraction = source.fraction_bits if isinstance(source, FixedType) else 0
            return round_to_float(value, fraction, target)
        case FixedType(), IntType():
            whole = rescale(abs(value), -source.fraction_bits)
            return wrap_bits(-whole if value < 0 else whole, target.width, target.signed)
        case IntType() | FixedType(), IntType() | FixedType():
            have = source.fraction_bits if isinstance(source, FixedType) else 0
            want = target.fraction_bits if isinstance(target, FixedType) else 0
            return wrap_bits(rescale(value, want - have), target.width, target.signed)
    raise TypeError(f"no conversion from {source} to {target}")
