"""Identifiers and literals."""

from __future__ import annotations

import math
import re
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pom.codegen.hlscpp_names import KEYWORDS, RESERVED, Scope, function_name, identifier
from pom.codegen.hlscpp_types import cpp_type, fixed_literal, float_literal, native_literal
from pom.ir.types import BoolType, FixedType, FloatType, IntType


@given(st.text(min_size=0, max_size=12))
def test_identifiers_are_valid(name: str) -> None:
    text = identifier(name)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text)
    assert text not in KEYWORDS | RESERVED
    assert "__" not in text
    assert not re.match(r"_[A-Z]", text)


@given(st.lists(st.sampled_from(["i", "i_2", "int", "int_", "A.x", "A_x", "i2"]), max_size=12))
def test_fresh_names_are_distinct(wishes: list[str]) -> None:
    outer = Scope({"i"})
    inner = outer.inner()
    names = [inner.fresh(wish) for wish in wishes]
    assert len({*names, "i"}) == len(names) + 1


def test_siblings_share_names() -> None:
    outer = Scope()
    assert [outer.inner().fresh("i"), outer.inner().fresh("i")] == ["i", "i"]


def test_functions_keep_clear_of_the_c_library() -> None:
    assert function_name("exp") == "exp_"
    assert identifier("exp") == "exp"


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (BoolType(), "bool"),
        (FloatType(16), "half"),
        (FloatType(32), "float"),
        (FloatType(64), "double"),
        (IntType(12), "ap_int<12>"),
        (IntType(7, False), "ap_uint<7>"),
        (FixedType(16, 6), "ap_fixed<16, 6>"),
        (FixedType(16, -2, False), "ap_ufixed<16, -2>"),
    ],
)
def test_types(type: IntType, text: str) -> None:
    assert cpp_type(type) == text


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_float_literals_are_exact(value: float) -> None:
    text = float_literal(value, 32)
    assert text.endswith("f")
    assert struct.pack("<f", float(text[:-1])) == struct.pack("<f", value)
    # A decimal that is rounded to double and then to float may differ: read it as float only.
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()
    assert re.search(r"[.e]", text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_literals_are_exact(value: float) -> None:
    text = float_literal(value, 64)
    assert struct.pack("<d", float(text)) == struct.pack("<d", value)
    assert re.search(r"[.e]", text)


def test_special_literals() -> None:
    assert float_literal(math.inf, 32) == "std::numeric_limits<float>::infinity()"
    assert float_literal(-math.inf, 64) == "-std::numeric_limits<double>::infinity()"
    assert float_literal(math.nan, 16) == "half(std::numeric_limits<float>::quiet_NaN())"
    assert native_literal(-(1 << 31)) == "(-2147483647 - 1)"
    assert native_literal(1 << 31) == "2147483648LL"
    assert native_literal(-(1 << 63)) == "(-9223372036854775807LL - 1)"


@given(st.integers(1, 200), st.integers(-40, 200), st.data())
def test_fixed_literals_are_exact(width: int, whole: int, data: st.DataObject) -> None:
    type = FixedType(width, whole)
    raw = data.draw(st.integers(-(1 << (width - 1)), (1 << (width - 1)) - 1))
    numbers = re.findall(r"\((-?[0-9][0-9.e+-]*)\)", fixed_literal(raw, type))
    total = sum((Fraction(float(n)) for n in numbers), Fraction(0))
    assert total == Fraction(raw) / Fraction(2) ** type.fraction_bits
