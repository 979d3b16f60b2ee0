"""Encoding and decoding of arrays, and their layout in memory."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.errors import PomError
from pom.ir.types import ArrayType, BoolType, FixedType, IntType, ScalarType, f16, f32, f64
from pom.runtime.arguments import bind
from pom.runtime.arrays import container, decode, encode, from_values, to_values
from pom.runtime.buffers import element_bytes, pack, unpack
from pom.runtime.inputs import edge_values, random_values
from tests.runtime.kernels import gemm

TYPES: tuple[ScalarType, ...] = (
    f16, f32, f64, BoolType(), IntType(1, False), IntType(3), IntType(8), IntType(12, False),
    IntType(31), IntType(64), IntType(64, False), IntType(70), IntType(129, False),
    FixedType(8, 4), FixedType(17, 20, False), FixedType(90, 3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("type", "dtype"),
    [
        (f16, "float16"),
        (BoolType(), "bool"),
        (IntType(1, False), "uint8"),
        (IntType(9), "int16"),
        (IntType(33, False), "uint64"),
        (IntType(65), "object"),
        (FixedType(24, 8), "int32"),
    ],
)
def test_container(type: ScalarType, dtype: str) -> None:
    assert container(type) == np.dtype(dtype)


@pytest.mark.parametrize("type", TYPES, ids=str)
def test_memory_round_trip(type: ScalarType) -> None:
    values = edge_values(type) + random_values(type, 20, np.random.default_rng(0))
    shape = ArrayType(type, (len(values),))
    array = from_values(values, shape)
    packed = pack(array, type)
    assert packed.nbytes == len(values) * element_bytes(type)
    back = unpack(packed, shape)
    assert back.dtype == array.dtype
    assert repr(to_values(back, type)) == repr(to_values(array, type))


def test_encode_truncates_towards_minus_infinity_and_wraps() -> None:
    raw = encode([0.5, -0.03, 7.99, 8.0, -8.1], FixedType(8, 4))
    assert raw.dtype == np.int8
    assert raw.tolist() == [8, -1, 127, -128, 126]
    assert decode(raw[:3], FixedType(8, 4)).tolist() == [0.5, -0.0625, 7.9375]


def test_encode_integers_and_bools() -> None:
    assert encode([[1, 255], [256, -1]], IntType(8, False)).tolist() == [[1, 255], [0, 255]]
    assert encode([2.9, -2.9], IntType(4)).tolist() == [2, -2]
    assert encode([2**70], IntType(72)).tolist() == [2**70]
    assert encode([0, 3], BoolType()).tolist() == [False, True]
    assert encode([1.5], f32).dtype == np.float32


def test_wide_fixed_point_decodes_to_fractions() -> None:
    fixed = FixedType(70, 2)
    raw = encode([Fraction(1, 3)], fixed)
    assert decode(raw, fixed).tolist() == [Fraction(2**68 // 3, 2**68)]


@settings(max_examples=100, deadline=None)
@given(
    value=st.floats(-1000, 1000),
    width=st.integers(1, 40),
    whole=st.integers(-5, 45),
    signed=st.booleans(),
)
def test_decode_of_encode_is_the_floor(value: float, width: int, whole: int, signed: bool) -> None:
    fixed = FixedType(width, whole, signed)
    raw = int(encode([value], fixed)[0])
    scaled = Fraction(value) * Fraction(2) ** fixed.fraction_bits
    assert (raw - scaled.numerator // scaled.denominator) % 2**width == 0


def test_bind() -> None:
    kernel = gemm(2)
    assert bind(kernel, (1, 2), {"C": 3}) == {"alpha": 1, "A": 2, "C": 3}
    with pytest.raises(PomError, match="POM-R004: gemm takes 4 arguments"):
        bind(kernel, (1, 2, 3, 4, 5), {})
    with pytest.raises(PomError, match="POM-R004: gemm got 'alpha' twice"):
        bind(kernel, (1,), {"alpha": 2})
