"""Fronts and distances against brute force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pom.dse.pareto import adrs, is_dominated, pareto_front

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)), max_size=25)


@given(POINTS)
def test_front_is_the_set_of_undominated_points(points):
    expected = {p for p in points if not any(is_dominated(p, q) for q in points)}
    front = pareto_front(points, key=lambda p: p)
    assert set(front) == expected
    assert len(front) == len(expected)
    assert front == sorted(front)


@given(POINTS.filter(bool))
def test_distance_of_a_set_to_itself_is_zero(points):
    assert adrs(points, points) == 0


def test_distance_by_hand():
    assert adrs([(10.0, 100.0), (20.0, 50.0)], [(11.0, 100.0)]) == pytest.approx((0.1 + 1.0) / 2)


def test_empty_sets_are_refused():
    with pytest.raises(ValueError, match="empty"):
        adrs([], [(1.0,)])
