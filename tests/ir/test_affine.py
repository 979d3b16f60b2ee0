"""Quasi-affine expressions: bounds and simplification within ranges."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from pom.ir.affine import Affine, parse_affine

NAMES = ("a", "b", "c")
small = st.integers(-6, 6)
ranges_of_names = st.fixed_dictionaries(
    {n: st.tuples(st.integers(-4, 4), st.integers(0, 4)).map(lambda t: (t[0], t[0] + t[1])) for n in NAMES}
)  # fmt: skip


def expressions() -> st.SearchStrategy[Affine]:
    leaf = st.one_of(small.map(Affine.const), st.sampled_from(NAMES).map(Affine.var))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda t: t[0] + t[1]),
            st.tuples(inner, small).map(lambda t: t[0] * t[1]),
            st.tuples(inner, st.integers(1, 6)).map(lambda t: t[0] // t[1]),
            st.tuples(inner, st.integers(1, 6)).map(lambda t: t[0] % t[1]),
        ),
        max_leaves=8,
    )


@given(expressions(), ranges_of_names)
def test_simplification_keeps_every_value_within_the_bounds(
    e: Affine, ranges: dict[str, tuple[int, int]]
) -> None:
    simple, limits = e.simplify(ranges), e.bounds(ranges)
    assert limits is not None
    for values in product(*(range(low, high + 1) for low, high in ranges.values())):
        point = dict(zip(ranges, values, strict=True))
        assert simple.evaluate(point) == e.evaluate(point)
        assert limits[0] <= e.evaluate(point) <= limits[1]


def test_a_known_remainder_is_the_variable() -> None:
    e = parse_affine("(5*i + j) % 5")
    assert e.simplify({"j": (0, 4)}) == Affine.var("j")
    assert e.simplify({"j": (0, 5)}) != Affine.var("j")
    assert e.simplify({}) != Affine.var("j")


def test_bounds_of_an_unknown_variable_are_unknown() -> None:
    assert parse_affine("i + j").bounds({"i": (0, 3)}) is None
    assert parse_affine("i // 2 - 3").bounds({"i": (0, 3)}) == (-3, -2)
