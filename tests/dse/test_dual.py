"""The cells that stand for a row in a bound before it is known."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pom.dse.branch import Branch
from pom.dse.dual import CONTROL_LUT, least_own, part_of
from pom.dse.executor import SerialExecutor
from pom.dse.known_rows import Room
from pom.dse.nest_table import KNOWN
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from tests.dse.problems import example


@pytest.mark.parametrize(
    "name", ["polybench/ludcmp", "polybench/cholesky", "polybench/gramschmidt", "polybench/symm"]
)
def test_one_of_the_cells_of_a_row_is_below_what_it_turns_out_to_take(name):
    """In cycles and in LUT, also where longer intervals let it share operators."""
    problem = example(name)
    limits = problem.limits
    search = Search(problem, Store(None), SerialExecutor())
    variants = problem_variants(problem, search.local)
    rng = random.Random(4)
    compared = shared = 0
    for _ in range(60):
        branch = Branch(search, rng.choice(variants))
        n = rng.randrange(len(branch.tables))
        table = branch.tables[n]
        row = rng.choice(np.flatnonzero(table.lanes <= 64).tolist())
        if rng.random() < 0.5:
            table.refine(row)
        cycles, interval = table.bounds(Room(limits.lut, limits.ff, limits.dsp))
        part = part_of(n, table, cycles, interval, np.array([row]), least_own(table))
        branch.ask([(n, row)], is_helped=False)
        answer = table.answers.get(row)
        if table.state[row] != KNOWN or answer is None or not search.fits(answer.resources):
            continue
        compared += 1
        own = max(table.known.own[row] - table.known.shared[row] - CONTROL_LUT, 0.0)
        operators = table.known.by_operator[row]
        is_below = part.cycles <= max(answer.latency_cycles, table.least_cycles()[row])
        is_below &= part.own + part.operators.sum(axis=1) <= own + operators.sum() + CONTROL_LUT
        shared += bool(operators.sum() < part.operators[0].sum() - 1)
        assert is_below.any(), (branch.variant.structure.name, table.plan(row))
    assert compared > 20
    assert shared
