"""How Python numbers become constants."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pom.dsl.literals import as_number, constant, literal
from pom.errors import PomError
from pom.ir.types import BoolType, FixedType, FloatType, IntType


def test_integer_beside_an_integer_is_as_narrow_as_it_can_be() -> None:
    assert literal(0, IntType(8), None).type == IntType(1, signed=False)
    assert literal(255, IntType(32), None).type == IntType(8, signed=False)
    assert literal(-1, IntType(8), None).type == IntType(1)
    assert literal(-129, IntType(4), None).type == IntType(9)


@given(st.integers(-(2**70), 2**70))
def test_narrowest_type_holds_exactly(value: int) -> None:
    const = literal(value, IntType(8), None)
    assert isinstance(const.type, IntType)
    assert const.type.minimum <= value <= const.type.maximum
    assert const.value == value
    if const.type.width > 1:
        narrower = IntType(const.type.width - 1, const.type.signed)
        assert not narrower.minimum <= value <= narrower.maximum


@given(st.floats(allow_nan=False, width=32))
def test_float32_literals_are_kept(value: float) -> None:
    assert constant(value, FloatType(32), None).value == value


def test_float_literals_are_rounded() -> None:
    assert constant(0.1, FloatType(32), None).value == struct.unpack("f", struct.pack("f", 0.1))[0]
    assert constant(3, FloatType(16), None).value == 3.0


@given(st.fractions(-200, 200, max_denominator=10**6), st.integers(1, 20), st.integers(-4, 24))
def test_fixed_literals_are_truncated_or_refused(
    value: Fraction, width: int, integer_bits: int
) -> None:
    type = FixedType(width, integer_bits)
    step = Fraction(2) ** -type.fraction_bits
    low, high = -(1 << (width - 1)) * step, ((1 << (width - 1)) - 1) * step
    if low <= value < high + step:
        const = constant(value, type, None)
        assert isinstance(const.value, Fraction)
        assert 0 <= value - const.value < step
        assert (const.value / step).denominator == 1
    else:
        with pytest.raises(PomError, match="POM-D042"):
            constant(value, type, None)


def test_kinds_do_not_mix() -> None:
    with pytest.raises(PomError, match="POM-D041"):
        constant(1, BoolType(), None)
    with pytest.raises(PomError, match="POM-D041"):
        constant(True, IntType(8), None)
    with pytest.raises(PomError, match="POM-D041"):
        literal(Fraction(1, 2), IntType(8), None)
    with pytest.raises(PomError, match="POM-D042"):
        constant(1e300, FloatType(32), None)


def test_strangers_are_no_numbers() -> None:
    assert as_number("1") is None
    assert as_number(1j) is None
    assert as_number(Fraction(1, 3)) == Fraction(1, 3)
