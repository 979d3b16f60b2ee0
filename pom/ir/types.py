"""Scalar and array types, and the result types of the arithmetic.

Integers follow ``ap_int`` and fixed point follows ``ap_fixed`` (truncation and wrap-around, the
defaults AP_TRN and AP_WRAP): an operation's result is wide enough to be exact, and bits are lost
only where a value is cast or stored. Division is the exception: it truncates as the headers do.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_WIDTH = 1024
"""Widest integer that ``ap_int`` can be by default (AP_INT_MAX_W)."""


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Element type and constant shape; rank 0 is a scalar that is kept in memory."""

    element: ScalarType
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.element}[{', '.join(map(str, self.shape))}]"


class _Subscriptable:
    """``f32[64, 48]`` in an annotation is an array type."""

    __slots__ = ()

    def __getitem__(self, shape: int | tuple[int, ...]) -> ArrayType:
        return ArrayType(self, shape if isinstance(shape, tuple) else (shape,))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class FloatType(_Subscriptable):
    """IEEE binary16, binary32 or binary64."""

    width: int

    def __str__(self) -> str:
        return f"f{self.width}"


@dataclass(frozen=True, slots=True)
class IntType(_Subscriptable):
    """``ap_int<width>`` or ``ap_uint<width>``."""

    width: int
    signed: bool = True

    @property
    def minimum(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (self.width - self.signed)) - 1

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.width}"


@dataclass(frozen=True, slots=True)
class FixedType(_Subscriptable):
    """``ap_fixed<width, integer_bits>`` or ``ap_ufixed``: the value is raw * 2**-fraction_bits."""

    width: int
    integer_bits: int
    signed: bool = True

    @property
    def fraction_bits(self) -> int:
        return self.width - self.integer_bits

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}fixed<{self.width},{self.integer_bits}>"


@dataclass(frozen=True, slots=True)
class BoolType(_Subscriptable):
    """One bit; arithmetic on it is refused."""

    @property
    def width(self) -> int:
        return 1

    def __str__(self) -> str:
        return "bool"


ScalarType = FloatType | IntType | FixedType | BoolType

f16, f32, f64 = FloatType(16), FloatType(32), FloatType(64)
bool_ = BoolType()


def parse_scalar_type(text: str) -> ScalarType:
    """The inverse of ``str``.

    Raises
    ------
    ValueError
        `text` is not the text of a scalar type.
    """
    if text == "bool":
        return BoolType()
    signed = not text.startswith("u")
    stem = text.removeprefix("u")
    if text in ("f16", "f32", "f64"):
        return FloatType(int(text[1:]))
    if stem.startswith("int") and stem[3:].isdigit():
        return IntType(int(stem[3:]), signed)
    if stem.startswith("fixed<") and stem.endswith(">"):
        width, _, integer_bits = stem[6:-1].partition(",")
        return FixedType(int(width), int(integer_bits), signed)
    raise ValueError(f"unknown scalar type {text!r}")
