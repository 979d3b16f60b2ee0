"""Trip counts of loops with variable bounds."""

from __future__ import annotations

from fractions import Fraction

from pom.qor_model.region import Affine, Loop
from pom.qor_model.trip_counts import exact_mean, iv_range, reported_count, trip_range
from tests.qor_model.regions import iv, loop


def _triangle() -> tuple[Loop, Loop]:
    outer = loop("i", 10)
    inner = Loop("j", (Affine((), 0),), (iv("i"),), ())
    return outer, inner


def test_a_triangle_runs_from_nothing_to_the_whole_row() -> None:
    outer, inner = _triangle()
    assert trip_range(inner, {"i": iv_range(outer, {})}) == (0, 9)
    assert exact_mean(inner, (outer,)) == Fraction(9, 2)


def test_bounds_that_move_together_leave_a_constant_count() -> None:
    inner = Loop("j", (iv("i"),), (iv("i", 4),), (), step=2)
    assert trip_range(inner, {"i": (0, 100)}) == (2, 2)


def test_the_smallest_of_two_upper_bounds_counts() -> None:
    outer = loop("t", 4)
    inner = Loop("i", (iv("t", 0, 8),), (iv("t", 8, 8), Affine((), 30)), ())
    assert exact_mean(inner, (outer,)) == Fraction(8 + 8 + 8 + 6, 4)
    ranges = {"t": (0, 3)}
    assert trip_range(inner, ranges) == (6, 8)
    assert reported_count(inner, ranges, (outer,)) == 7.5


def test_a_triangle_is_reported_with_the_middle_of_its_range() -> None:
    outer, inner = _triangle()
    assert reported_count(inner, {"i": (0, 9)}, (outer,)) == 4
