"""Points of domains are counted, not estimated."""

from __future__ import annotations

import islpy as isl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.dse import instance_count
from pom.dse.instance_count import count_points

COEFFICIENTS = st.integers(-3, 3)


def enumerated(domain: isl.Set) -> int:
    found = []
    domain.foreach_point(found.append)
    return len(found)


@given(st.lists(st.tuples(COEFFICIENTS, COEFFICIENTS, st.integers(-5, 9)), max_size=3))
@settings(max_examples=40, deadline=None)
def test_random_polygons(constraints):
    parts = "".join(f" and {a}i + {b}j + {c} >= 0" for a, b, c in constraints)
    domain = isl.Set(f"{{ [i, j] : 0 <= i < 11 and -4 <= j < 9{parts} }}")
    assert count_points(domain) == (enumerated(domain), True)


@pytest.mark.parametrize(
    "text",
    [
        "{ [i, j, k] : 0 <= i < 13 and 0 <= j < i and j <= k <= i }",
        "{ [i, j] : 0 <= i < 9 and (j < i or j > 2i) and 0 <= j < 30 }",
        "{ [i, j] : 0 <= i < 7 and j = 2i }",
        "{ [i] : 3 <= i <= 9 }",
        "{ [i] : i = 1 or 4 <= i < 6 }",
    ],
)
def test_shapes(text):
    domain = isl.Set(text)
    assert count_points(domain) == (enumerated(domain), True)


def test_beyond_the_work_limit_the_count_is_a_lower_bound(monkeypatch):
    monkeypatch.setattr(instance_count, "WORK_LIMIT", 100)
    domain = isl.Set("{ [i, j, k] : 0 <= i < 20 and 0 <= j < i and 0 <= k < j }")
    count, is_exact = count_points(domain)
    assert not is_exact
    assert 1 <= count <= enumerated(domain)


def test_quantified_dims_are_not_counted():
    domain = isl.Set("{ [i, j] : 0 <= i < 9 and 0 <= j <= i and exists e : j + i = 3e }")
    count, is_exact = count_points(domain)
    assert count <= enumerated(domain)
    assert not is_exact or count == enumerated(domain)
