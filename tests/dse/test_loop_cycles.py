"""What the loops of a nest take in every design that has them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pom.dse.plan import NestPlan
from tests.dse.problems import branches, example


@pytest.mark.parametrize(
    "name", ["polybench/gramschmidt", "polybench/trmm", "polybench/lu", "polybench/ludcmp"]
)
def test_loops_of_nests_add_up_to_no_more_than_the_whole_takes(name):
    """Random designs: loops of varying length run beside other code."""
    search, found = branches(example(name))
    rng = random.Random(23)
    compared = 0
    for _ in range(8):
        branch = rng.choice(found)
        few = [np.flatnonzero(table.lanes <= 8).tolist() for table in branch.tables]
        plan = branch.plan([rng.choice(of_nest) for of_nest in few])
        (whole,) = search.evaluate([(plan, "")])
        inside = search.evaluate([(plan, table.nest.handle) for table in branch.tables])
        if whole.is_refused or any(answer.is_refused for answer in inside):
            continue
        compared += 1
        assert sum(answer.loop_cycles for answer in inside) <= whole.latency_cycles
    assert compared > 2


def test_a_loop_that_is_split_counts_by_its_mean():
    """gramschmidt: j varies with k and is split, i is always as long."""
    search, found = branches(example("polybench/gramschmidt", "small"))
    branch = next(b for b in found if any(t.nest.handle == "S5" for t in b.tables))
    n = next(n for n, table in enumerate(branch.tables) if table.nest.handle == "S5")
    plan = branch.plan_of((NestPlan("S5", ("i", "j"), (1, 16)),))
    (answer,) = search.evaluate([(plan, branch.tables[n].nest.handle)])
    outer = branch.tables[n].nest.prefix[0].extent
    # all but the states around the loop in every iteration of k
    assert answer.latency_cycles - 5 * outer <= answer.loop_cycles <= answer.latency_cycles


def test_loops_behind_a_guard_count_by_their_means():
    """cholesky: k runs once more for the last pivot, so that the update is behind a guard."""
    search, found = branches(example("polybench/cholesky"))
    plans = (
        NestPlan("A_in_copy", ("A_0",), (2,)), NestPlan("A_in2_copy", ("A_0",), (13,)),
        NestPlan("S0", ("i", "j"), (1, 1)), NestPlan("S1", ("i",), (13,)),
        NestPlan("S2", ("k_2",), (10,)),
    )  # fmt: skip
    branch = next(
        b for b in found
        if b.variant.structure.name == "distributed"
        and {t.nest.handle for t in b.tables} == {plan.statement for plan in plans}
    )  # fmt: skip
    plan = branch.plan_of(plans)
    (whole,) = search.evaluate([(plan, "")])
    inside = search.evaluate([(plan, each.statement) for each in plans])
    total = sum(answer.loop_cycles for answer in inside)
    assert 0.7 * whole.latency_cycles <= total <= whole.latency_cycles
