"""Trip counts of loops with variable bounds."""

from __future__ import annotations

from fractions import Fraction

from pom.qor_model.region import Affine, Loop
from pom.qor_model.trip_counts import (
    EXACT_LIMIT,
    Guard,
    exact_mean,
    exact_share,
    iv_range,
    reported_count,
    trip_range,
)
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


def test_a_row_counts_as_often_as_the_rows_between_repeat_it() -> None:
    outer, middle = _triangle()
    inner = Loop("k", (Affine((), 0),), (iv("i"),), ())
    assert exact_mean(inner, (outer, middle)) == Fraction(sum(i * i for i in range(10)), 45)


def test_a_guard_selects_the_iterations_that_are_averaged() -> None:
    outer, inner = _triangle()
    odd = iv("i") - iv("i").floor_div(2) * 2 - 1
    is_odd = Guard((odd,), (0,))
    assert exact_share(is_odd, (outer,)) == Fraction(1, 2)
    assert exact_mean(inner, (outer, is_odd)) == 5
    assert exact_mean(inner, (outer, Guard((odd,), (0,), holds=False))) == 4
    assert reported_count(inner, {"i": (0, 9)}, (outer, is_odd)) == 5
    assert exact_share(Guard((iv("i", 0, -1) - 1,)), (outer,)) == 0
    assert exact_mean(inner, (outer, Guard((iv("i", 0, -1) - 1,)))) == 0


def test_more_iterations_than_are_counted_are_sampled_evenly() -> None:
    outer, inner = loop("i", 2 * EXACT_LIMIT), Loop("j", (Affine((), 0),), (iv("i"),), ())
    mean = exact_mean(inner, (outer,))
    assert abs(mean / (2 * EXACT_LIMIT - 1) * 2 - 1) < Fraction(1, 10**5)
