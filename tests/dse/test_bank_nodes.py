"""What nests need of each other's banks, and the bounds over nodes of equal banks."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pom.dse.bank_selection import SelectionCosts
from pom.dse.branch import REGISTER_LUT
from pom.dse.dual import CONTROL_LUT
from pom.dse.evaluation import own_lut
from pom.dse.realise import wanted_banks, wanted_by_rows
from pom.dse.shared_banks import SharedBanks
from pom.dse.strategies.exact import Exact
from pom.qor_model.resources_constants import LUT_TERMS, load_constants
from tests.dse.problems import branches, example, random_designs, searched

KERNELS = ("polybench/k2mm", "polybench/gemver", "polybench/doitgen", "polybench/covariance")


def shared_banks(search, branch):
    constants = load_constants(search.local.library.tool)
    costs = dict(zip(LUT_TERMS, constants.lut, strict=True))
    program = branch.variant.structure.program
    registers = REGISTER_LUT * costs["port_muxes"]
    return SharedBanks(program, branch.tables, SelectionCosts(costs["accesses"], registers))


OTHERS = (
    "applications/conv2d", "applications/fir", "polybench/seidel_2d", "polybench/lu",
    "polybench/jacobi_2d", "polybench/floyd_warshall", "polybench/deriche",
)  # fmt: skip


@pytest.mark.parametrize("name", [*KERNELS, *OTHERS])
def test_classes_are_what_rows_want(name):
    search, found = branches(example(name))
    rng = random.Random(3)
    for branch in found[:3]:
        shared = shared_banks(search, branch)
        program = branch.variant.structure.program
        for n, table in enumerate(branch.tables):
            plans = [table.plan(row) for row in rng.sample(range(len(table)), min(len(table), 12))]
            for plan in plans:
                factors = np.array([plan.factors])
                by_rows = wanted_by_rows(program, table.nest, plan.order, factors)
                wanted = wanted_banks(program, table.nest, plan)
                assert {k: int(b[0]) for k, b in by_rows.items() if b[0] > 1} == wanted
            for row in rng.sample(range(len(table)), min(len(table), 12)):
                wanted = wanted_banks(program, table.nest, table.plan(row))
                of_class = shared.of_class(n, int(shared.classes[n][row]))
                assert of_class == {key: wanted.get(key, 1) for key in of_class}


@pytest.mark.parametrize("name", KERNELS)
def test_banks_of_others_cost_at_least_what_bounds_count(name):
    """Random designs whose nests do not agree on banks."""
    search, found = branches(example(name, "small"))
    rng = random.Random(5)
    compared = 0
    for _ in range(5):
        branch = rng.choice(found)
        shared = shared_banks(search, branch)
        few = [np.flatnonzero(table.lanes <= 16).tolist() for table in branch.tables]
        rows = [rng.choice(of_nest) for of_nest in few]
        banks = shared.wanted_by(dict(enumerate(rows)))
        plan = branch.plan(rows)
        branch.ask(list(enumerate(rows)))
        handles = [(plan, table.nest.handle) for table in branch.tables]
        for n, inside in enumerate(search.evaluate(handles)):
            alone = branch.tables[n].answers[rows[n]]
            if alone.is_refused or inside.is_refused:
                continue
            more = float(shared.extra_lut(n, banks, np.array([rows[n]]))[0])
            compared += more > 0
            least = max(own_lut(alone) - alone.shared_lut - CONTROL_LUT, 0.0)
            assert least + more <= own_lut(inside), (branch.plan(rows), n)
    assert compared


@pytest.mark.parametrize("name", KERNELS)
def test_nests_add_up_to_no_more_than_the_whole_needs(name):
    """Own logic adds up, and operators of a kind are those of the nest that needs most."""
    search, found = branches(example(name, "small"))
    rng = random.Random(7)
    compared = 0
    for _ in range(4):
        branch = rng.choice(found)
        few = [np.flatnonzero(table.lanes <= 8).tolist() for table in branch.tables]
        rows = [rng.choice(of_nest) for of_nest in few]
        branch.ask(list(enumerate(rows)))
        (whole,) = search.evaluate([(branch.plan(rows), "")])
        if whole.is_refused or any(
            t.answers[r].is_refused for t, r in zip(branch.tables, rows, strict=True)
        ):
            continue
        compared += 1
        pairs = list(zip(branch.tables, rows, strict=True))
        own = sum(max(t.known.own[r] - t.known.shared[r] - CONTROL_LUT, 0.0) for t, r in pairs)
        operators = np.max([t.known.by_operator[r] for t, r in pairs], axis=0).sum()
        assert own + operators <= whole.resources.lut
    assert compared


@pytest.mark.parametrize("name", ["polybench/k2mm", "polybench/gemver"])
def test_no_bound_of_a_search_is_above_a_design_that_fits(name):
    """Designs at random, most of them with banks that do not agree."""
    search, found = branches(example(name, "small", "lut=20000", "dsp=60"))
    search.deadline = None
    Exact(patience=120).run(search)
    fitting = 0
    for _, _, whole in random_designs(search, found, seed=13, count=60):
        if search.fits(whole.resources):
            fitting += 1
            assert search.lower_bound <= whole.latency_cycles
    assert fitting >= 3


def test_rows_that_hardly_count_are_not_asked_for_while_banks_are_open():
    """k2mm: both products decide, and of what sets results to zero hundreds of rows are alike."""
    search = searched(example("polybench/k2mm", "medium"), Exact(patience=300))
    assert search.best is not None
    assert search.lower_bound >= 0.99 * search.best.latency_cycles
    assert search.evaluated < 200
