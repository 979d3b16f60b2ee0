"""The fastest choice of one row per nest within a limit, against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pom.dse.choices import fastest_choice, fastest_sharing

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


SHARED_CELL = st.tuples(
    st.integers(0, 30), st.integers(0, 10), st.tuples(st.integers(0, 9), st.integers(0, 9))
)
SHARED = st.lists(
    st.tuples(st.booleans(), st.lists(SHARED_CELL, min_size=1, max_size=5)), min_size=1, max_size=4
)


@given(SHARED, st.integers(0, 50), st.lists(st.integers(1, 5), min_size=8, max_size=8))
def test_operators_that_nests_share_are_counted_no_more_than_once(nests, limit, weights):
    """Between the knapsack with shares and the fastest of all choices, some nests without operators."""
    nests = [
        [(c, own, (0, 0) if is_plain else used) for c, own, used in cells]
        for is_plain, cells in nests
    ]
    shares = np.array(weights[: 2 * len(nests)], dtype=float).reshape(-1, 2)
    shares /= shares.sum(axis=0)
    cycles = [np.array([float(c) for c, _, _ in cells]) for cells in nests]
    own = [np.array([float(lut) for _, lut, _ in cells]) for cells in nests]
    operators = [np.array([used for _, _, used in cells], dtype=float) for cells in nests]

    def needed(cells):
        return sum(lut for _, lut, _ in cells) + sum(max(c[2][k] for c in cells) for k in (0, 1))

    fitting = [sum(c for c, _, _ in cells) for cells in product(*nests) if needed(cells) <= limit]
    relaxed = fastest_choice(
        cycles, [o + of @ s for o, of, s in zip(own, operators, shares, strict=True)], limit + 1e-6
    )
    found = fastest_sharing(cycles, own, operators, shares, limit + 1e-6, float("inf"), 0.0)
    if found is None:
        assert not fitting
        return
    assert relaxed is not None
    assert relaxed.cycles <= found.cycles <= min(fitting, default=float("inf"))
    assert len(found.cells) == len(nests)
    assert sum(float(c[k]) for c, k in zip(cycles, found.cells, strict=True)) == found.cycles


def test_splits_find_what_shares_hide():
    """Two nests of one kind of operators: half of each is what a choice of both has by shares."""
    cycles = [np.array([10.0, 30.0])] * 2
    own = [np.zeros(2)] * 2
    operators = [np.array([[8.0], [4.0]])] * 2
    shares = np.full((2, 1), 0.5)
    relaxed = fastest_choice(cycles, [of @ [0.5] for of in operators], 6.0)
    assert relaxed is not None
    assert relaxed.cycles == 40.0
    found = fastest_sharing(cycles, own, operators, shares, 6.0, float("inf"), 0.0)
    assert found is not None
    assert found.cycles == 60.0
