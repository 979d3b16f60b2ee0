"""Affine expressions in C++: what is proved about them, and how they are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.codegen.hlscpp_index import (
    IndexRanges,
    LoopRange,
    binding,
    condition_text,
    index_text,
    trip_counts,
)
from pom.errors import PomError
from pom.ir.affine import Affine, FloorDiv, parse_affine

TRIANGLE = IndexRanges(
    [
        LoopRange("i", (Affine.const(0),), (Affine.const(10),)),
        LoopRange("j", (Affine.const(0),), (Affine.var("i") + 1,)),
    ]
)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("0", "0"),
        ("i", "i"),
        ("5 - i", "5 - i"),
        ("-i", "-i"),
        ("2*i - 3*j - 1", "2 * i - 3 * j - 1"),
        ("i % 4", "i % 4"),
        ("(i + 1) % 4", "(i + 1) % 4"),
        ("i // 4", "i / 4"),
        ("4*(i // 4)", "4 * (i / 4)"),
        ("(i - 3) // 4", "(i + 1) / 4 - 1"),
        ("(i - 3) % 4", "(i + 1) % 4"),
        ("(i - j) // 2", "(i - j) / 2"),
        ("(j - i) % 3", "(j - i + 9) % 3"),
        ("7 - i // 2", "7 - i / 2"),
        ("3*(i % 2) + j", "j + 3 * (i % 2)"),
    ],
)
def test_text(expression: str, text: str) -> None:
    assert index_text(parse_affine(expression), TRIANGLE, frozenset()).text == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("i - 1", "i >= 1"),
        ("8 - i", "i <= 8"),
        ("i - j", "i >= j"),
        ("i - j - 1", "i > j"),
        ("j - i + 1", "j + 1 >= i"),
        ("-i - j + 4", "i + j <= 4"),
    ],
)
def test_conditions(expression: str, text: str) -> None:
    assert condition_text(parse_affine(expression), False, TRIANGLE, frozenset()) == text


def test_equality() -> None:
    e = parse_affine("i - j - 2")
    assert condition_text(e, True, TRIANGLE, frozenset()) == "i == j + 2"


def test_what_overflows_int_is_computed_in_64_bits() -> None:
    wide = IndexRanges([LoopRange("i", (Affine.const(0),), (Affine.const(1 << 20),))])
    assert index_text(parse_affine("4096*i"), wide, frozenset()).text == "4096LL * i"
    assert index_text(parse_affine("4096*i // 3"), wide, frozenset()).text == "4096LL * i / 3"
    assert index_text(parse_affine("i + 3000000000"), wide, frozenset()).text == (
        "(long long)i + 3000000000LL"
    )
    assert index_text(parse_affine("1024*i"), wide, frozenset()).text == "1024 * i"


def test_bounds_that_never_bind_are_dropped() -> None:
    kept = binding([parse_affine("i + 1"), Affine.const(20)], "min", TRIANGLE)
    assert kept == (parse_affine("i + 1"),)
    assert binding([Affine.const(1), Affine.const(6)], "max", TRIANGLE) == (Affine.const(6),)
    both = [parse_affine("i"), Affine.const(5)]
    assert binding(both, "min", TRIANGLE) == tuple(both)


def test_trip_counts_of_a_triangle() -> None:
    low, high = (Affine.const(0),), (Affine.var("i") + 1,)
    assert trip_counts(low, high, 1, TRIANGLE) == (1, 10)
    assert trip_counts(low, high, 4, TRIANGLE) == (1, 3)


def test_a_division_of_what_is_not_bounded_is_refused() -> None:
    free = Affine(((FloorDiv(Affine.var("n"), 2), 1),))
    with pytest.raises(PomError, match="POM-C006"):
        index_text(free, TRIANGLE, frozenset())


terms = st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.integers(-9, 9))


@settings(max_examples=60, deadline=None)
@given(terms, terms, st.integers(2, 5), st.integers(-3, 3))
def test_bounds_are_bounds_and_text_is_exact(
    a: tuple[int, int, int], b: tuple[int, int, int], divisor: int, factor: int
) -> None:
    """Against every point of the triangle; C++ division is what Python's eval of it truncates."""
    i, j = Affine.var("i"), Affine.var("j")
    inner = i * a[0] + j * a[1] + a[2]
    e = i * b[0] + j * b[1] + b[2] + (inner // divisor) * factor + inner % divisor
    text = index_text(e, TRIANGLE, frozenset()).text.replace("/", "//")
    low, high = TRIANGLE.minimum(e), TRIANGLE.maximum(e)
    assert low is not None
    assert high is not None
    for x in range(10):
        for y in range(x + 1):
            value = e.evaluate({"i": x, "j": y})
            assert low <= value <= high
            assert eval(text, {"i": x, "j": y}) == value  # numerators are not negative
            assert "//" not in text or _numerators_are_natural(text, x, y)


def _numerators_are_natural(text: str, x: int, y: int) -> bool:
    """Truncating division gives the same: numerators of ``//`` and ``%`` are not negative."""

    class Checked(int):
        def __floordiv__(self, other: int) -> Checked:
            assert int(self) >= 0
            return Checked(int(self) // other)

        def __mod__(self, other: int) -> Checked:
            assert int(self) >= 0
            return Checked(int(self) % other)

        def __add__(self, other: int) -> Checked:
            return Checked(int(self) + other)

        def __sub__(self, other: int) -> Checked:
            return Checked(int(self) - other)

        def __mul__(self, other: int) -> Checked:
            return Checked(int(self) * other)

        def __neg__(self) -> Checked:
            return Checked(-int(self))

        __rmul__, __radd__ = __mul__, __add__

        def __rsub__(self, other: int) -> Checked:
            return Checked(other - int(self))

    eval(text, {"i": Checked(x), "j": Checked(y)})
    return True
