"""Plans are values with an exact text."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from pom.dse.plan import NestPlan, Plan, parse_plan
from pom.ir.directives import Partition

NAMES = st.text("abcij", min_size=1, max_size=3)
NESTS = st.lists(st.tuples(NAMES, st.integers(1, 99)), min_size=1, max_size=4).flatmap(
    lambda loops: st.builds(
        NestPlan,
        NAMES,
        st.just(tuple(n for n, _ in loops)),
        st.just(tuple(f for _, f in loops)),
        st.booleans(),
        st.integers(1, 9),
    )
)
PARTITIONS = st.builds(
    Partition,
    st.integers(0, 3),
    st.sampled_from(["cyclic", "block", "complete"]),
    st.integers(0, 9),
)
PLANS = st.builds(
    Plan,
    NAMES,
    st.lists(NESTS, max_size=3).map(tuple),
    st.lists(st.tuples(NAMES, st.lists(PARTITIONS, max_size=2).map(tuple)), max_size=2).map(tuple),
    st.lists(st.tuples(NAMES, NAMES), max_size=2).map(tuple),
    st.booleans(),
)


@given(PLANS)
def test_text_and_pickle_are_exact(plan):
    assert parse_plan(plan.text) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_lanes_are_the_product_of_the_factors():
    plan = NestPlan("mac", ("k", "i", "j"), (1, 4, 8))
    assert plan.lanes == 32
    assert plan.factor("j") == 8
    assert str(plan) == "mac[k i*4 j*8]"
