"""What is expected of a choice of rows, before the design is evaluated as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pom.dse.branch import Branch
from pom.dse.evaluation import own_lut
from pom.dse.executor import SerialExecutor
from pom.dse.plan import NestPlan
from pom.dse.problem import Resources
from pom.dse.row_views import LikelyRows, View
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from tests.dse.problems import example


def branch_of(kernel, *limits, **choice):
    search = Search(example(kernel, "mini", *limits), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    branch = Branch(search, variants[0])
    if choice:
        rows = [
            table.row_of(
                NestPlan(
                    table.nest.handle,
                    table.nest.orders[0],
                    tuple(choice.get(loop, 1) for loop in table.nest.orders[0]),
                )
            )
            for table in branch.tables
        ]
        branch.ask(list(enumerate(rows)), is_helped=False)
    branch.composer.is_strict = False
    return search, branch


@pytest.mark.parametrize(
    "kernel", ["polybench/covariance", "polybench/gemver", "polybench/cholesky"]
)
def test_what_a_choice_needs_is_what_the_design_needs(kernel):
    search, branch = branch_of(kernel, j=4)
    composer = branch.composer
    choice = composer.choose(search.problem.limits, is_known=True)
    plan = branch.plan(choice.rows)
    handles = [table.nest.handle for table in branch.tables]
    answers = search.evaluate([(plan, handle) for handle in handles])
    for n, (row, found) in enumerate(zip(choice.rows, answers, strict=True)):
        own = own_lut(found) - found.shared_lut
        composer.inside[n, row] = found.latency_cycles, own, found.shared_lut
    choice = composer.choose(search.problem.limits, is_known=True)
    (whole,) = search.evaluate([(plan, "")])
    assert choice.lut == pytest.approx(whole.resources.lut, rel=0.08)


def test_an_operator_that_one_nest_alone_has_is_no_gift_to_the_others():
    search, branch = branch_of("polybench/covariance", j=4)
    tables = branch.tables
    choice = branch.composer.choose(search.problem.limits, is_known=True)
    operators = np.stack([t.known.by_operator[r] for t, r in zip(tables, choice.rows, strict=True)])
    # the dividers are in one nest, and most of the adders and multipliers in another
    assert len(set(operators.argmax(axis=0)[operators.max(axis=0) > 0].tolist())) > 1
    assert choice.lut >= operators.max(axis=0).sum() > operators.sum(axis=1).max()


@pytest.mark.parametrize(("lut", "expected"), [(1000, 0), (700, 1), (400, -1)])
def test_a_nest_keeps_its_row_where_that_fits_and_is_faster(lut, expected):
    # others want other banks than the fastest row does, and agree with it all the same
    none, ones = np.zeros(2), np.ones(2, dtype=np.int64)
    operators = np.array([[600.0, 0.0], [300.0, 0.0]])
    rows = LikelyRows(
        ones, np.array([10.0, 20.0]), none, none, operators, operators.sum(1), none, ones, none > 0
    )
    limits = replace(Resources(), lut=lut, dsp=1)
    view = View(rows, limits, 2, np.array([False, True]), np.array([50.0, 50.0]))
    assert view.fastest_beside(100.0, 75.0, np.array([200.0, 100.0]), present=0) == expected
