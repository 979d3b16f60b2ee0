"""Intervals of distances decide orders on their own only where isl does it the same way."""

from __future__ import annotations

import random
from functools import partial

import islpy as isl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.graph import Assign
from pom.ir.poly import PolyStatement
from pom.passes.conflicts import conflicts
from pom.passes.distances import distances, is_plainly_later
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import Time, schedule_times
from pom.passes.legality import reversed_pairs
from tests.passes.brute_force import random_kernel
from tests.passes.random_schedules import random_primitive

i, j, k = map(Affine.var, "ijk")
EMPTY = Affine()


def statement(name: str, *iterators: str) -> PolyStatement:
    return PolyStatement(name, iterators, "{ }", Assign(name, None, None))  # type: ignore[arg-type]


S, T = statement("S", "i", "j"), statement("T", "i", "k")


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9))
def test_what_is_plainly_later_is_not_reversed(seed: int) -> None:
    rng = random.Random(seed)
    program = graph_to_poly(random_kernel(rng))
    statements = {s.name: s for s in program.statements}
    known = conflicts(program)
    for _ in range(3):
        if not any(program.loops(s.name) for s in program.statements):
            return
        _, rewrite = random_primitive(rng, program)
        try:
            candidates = rewrite()
        except PomError:
            continue
        for candidate in candidates:
            times = schedule_times(candidate)
            for c in known:
                source, target = statements[c.source], statements[c.target]
                ends = times[c.source], times[c.target]
                if is_plainly_later(partial(distances, c.relation, source, target), *ends):
                    assert reversed_pairs(c.relation.wrap(), source, target, *ends) is None
            program = candidate


def test_distances_are_those_along_common_iterators() -> None:
    relation = isl.Map("{ S[i, j] -> T[i', k] : i' = i + 2 and 0 <= i < 5 and 0 <= j, k < 9 }")
    assert distances(relation, S, T) == {"i": (2, 2)}
    both = isl.Map("{ S[i, j] -> S[i', j'] : i <= i' <= i + 1 and j' = j - 3 and 0 <= i, j < 9 }")
    assert distances(both, S, S) == {"i": (0, 1), "j": (-3, -3)}
    assert distances(isl.Map("{ S[i, j] -> S[i', j'] : false }"), S, S) == {}
    turned = statement("T", "j", "i")
    crossed = isl.Map("{ S[i, j] -> T[j', i'] : i' = i + 1 and j' = j + 3 and 0 <= i, j < 9 }")
    assert distances(crossed, S, turned) == {"i": (1, 1)}


def test_distances_that_are_not_known() -> None:
    """Without a bound, or among parts and remainders, where bounds are expensive."""
    unbounded = isl.Map("{ S[i, j] -> S[i', j'] : i' >= i + 2 and j' = j + 1 }")
    assert distances(unbounded, S, S) == {"j": (1, 1)}
    parts = isl.Map("{ S[i, j] -> S[i', j] : 0 <= i, i' < 9 and (i' = i + 1 or i' = i + 3) }")
    assert distances(parts, S, S) == {"j": (0, 0)}


def test_the_text_alone_decides() -> None:
    def never() -> dict[str, tuple[int, int]]:
        raise AssertionError

    first, then = (EMPTY, i), (Affine.const(1), i)
    assert is_plainly_later(never, first, then)
    assert not is_plainly_later(never, then, first)
    assert not is_plainly_later(never, (EMPTY,), (EMPTY,))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((i,), (i,), True),
        ((i * -1,), (i * -1,), False),
        ((j,), (j,), False),
        ((EMPTY, i), (EMPTY, i), True),
        ((i,), (i + 1,), True),
        ((i + 1,), (i,), False),
        ((i + 1, EMPTY), (i, Affine.const(1)), True),
        # a quotient may stay the same: what is left is decided by the remainder, or not at all
        ((i // 4,), (i // 4,), False),
        ((i // 4, i % 4), (i // 4, i % 4), True),
        ((i // 4, j, i % 4), (i // 4, j, i % 4), False),
        ((i % 4, i // 4), (i % 4, i // 4), False),
        (((i * -1) // 4, i % 4), ((i * -1) // 4, i % 4), False),
        # the quotients differ by one where these places agree, so the remainders may fall
        ((j // 4, (j % 4) * -1), (j // 4 + 1, (j % 4) * -1), False),
        ((i // 4, i % 4), (i // 2, i % 4), False),
        ((i // 4, i % 4), (i, i % 4), False),
        ((k,), (k,), False),
        ((i,), (i * 2,), False),
        ((i + j,), (i,), False),
        ((EMPTY,), (i + 1,), False),
        ((i - 1,), (EMPTY,), False),
    ],
)
def test_orders_that_intervals_show(before: Time, after: Time, expected: bool) -> None:
    assert is_plainly_later(lambda: {"i": (1, 1), "j": (-1, -1)}, before, after) == expected


def test_an_interval_shows_what_its_lower_end_shows() -> None:
    assert is_plainly_later(lambda: {"i": (0, 9), "j": (1, 2)}, (i, j), (i, j))
    assert not is_plainly_later(lambda: {"i": (0, 9), "j": (0, 2)}, (i, j), (i, j))
    assert not is_plainly_later(lambda: {"i": (-1, 9), "j": (1, 2)}, (i, j), (i, j))
    assert is_plainly_later(lambda: {"i": (-3, -1)}, (i * -2,), (i * -2,))
    assert not is_plainly_later(lambda: {"i": (-3, 1)}, (i * -2,), (i * -2,))
    assert is_plainly_later(lambda: {"i": (4, 5)}, (i // 4,), (i // 4,))
    assert is_plainly_later(lambda: {"i": (-8, -5)}, ((i // 4) * -1,), ((i // 4) * -1,))
    assert not is_plainly_later(lambda: {"i": (-8, -3)}, ((i // 4) * -1,), ((i // 4) * -1,))


def test_quotients_agree_only_where_their_places_say_so() -> None:
    """What a place proves of a quotient, the remainder after it may use; and nothing else."""
    # i = 0 and i' = 4 run at one time: (1, 0)
    four = {"i": (4, 7), "j": (-1, -1)}
    assert not is_plainly_later(lambda: four, (i // 4 + 1, i % 4), (i // 4, i % 4))
    # places that agree may add up from quotients that do not
    sums = (i // 4 + j, i % 4), (i // 4 + j, i % 4)
    assert not is_plainly_later(lambda: {"i": (1, 4), "j": (0, 0)}, *sums)
    assert not is_plainly_later(lambda: {"i": (4, 4), "j": (-1, -1)}, *sums)
