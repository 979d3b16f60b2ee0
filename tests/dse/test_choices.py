"""The fastest choice of one row per nest within a limit, against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pom.dse.choices import fastest_choice

CELL = st.tuples(st.one_of(st.integers(0, 30), st.just(float("inf"))), st.integers(0, 30))
NESTS = st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=4)


def enumerated(nests, limit, most):
    choices = (
        (sum(c for c, _ in cells), sum(lut for _, lut in cells)) for cells in product(*nests)
    )
    return min((c for c, lut in choices if lut <= limit and c < most), default=None)


def arrays(nests):
    return (
        [np.array([float(c) for c, _ in cells]) for cells in nests],
        [np.array([float(lut) for _, lut in cells]) for cells in nests],
    )


@given(NESTS, st.integers(0, 80), st.one_of(st.integers(0, 100), st.just(float("inf"))))
def test_it_is_the_fastest_of_all(nests, limit, most):
    expected = enumerated(nests, limit, most)
    found = fastest_choice(*arrays(nests), limit, most)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.cycles == expected
    chosen = [cells[k] for cells, k in zip(nests, found.cells, strict=True)]
    assert sum(c for c, _ in chosen) == expected
    assert sum(lut for _, lut in chosen) <= limit


@given(NESTS, st.integers(0, 80), st.integers(1, 5))
def test_with_a_grain_it_is_a_lower_bound_and_names_a_choice_that_is_near(nests, limit, grain):
    expected = enumerated(nests, limit, float("inf"))
    found = fastest_choice(*arrays(nests), limit, grain=float(grain))
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert expected - grain * len(nests) < found.cycles <= expected
    chosen = [cells[k] for cells, k in zip(nests, found.cells, strict=True)]
    assert sum(c for c, _ in chosen) < found.cycles + grain * len(nests)
    assert sum(lut for _, lut in chosen) <= limit
