"""Composition of nests under shared banks, and the bounds over it."""

from __future__ import annotations

import numpy as np
import pytest

from pom.dse.branch import Branch
from pom.dse.executor import SerialExecutor
from pom.dse.known_rows import Room
from pom.dse.nest_table import KNOWN, REFUSED
from pom.dse.plan import NestPlan
from pom.dse.realise import wanted_banks
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from pom.qor_model.expand import TOO_LARGE
from tests.dse.problems import example


def branch_of(name, *limits):
    search = Search(example(name, "mini", *limits), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    variant = next(v for v in variants if len(v.candidates) > 1 and not v.has_guards)
    return search, Branch(search, variant)


@pytest.fixture(scope="module")
def atax():
    return branch_of("polybench/atax")


def test_a_choice_is_expected_to_fit_and_agrees_on_banks(atax):
    search, branch = atax
    limits = search.problem.limits
    choice = branch.composer.choose(limits)
    assert choice is not None
    assert choice.lut <= limits.lut
    program = branch.variant.structure.program
    banks = {}
    for table, row in zip(branch.tables, choice.rows, strict=True):
        for key, number in wanted_banks(program, table.nest, table.plan(row)).items():
            assert banks.setdefault(key, number) == number


def test_nothing_is_known_before_it_was_evaluated(atax):
    search, branch = atax
    if any((table.state == KNOWN).any() for table in branch.tables):
        pytest.fail("the branch of the fixture was used before")
    assert branch.composer.choose(search.problem.limits, is_known=True) is None


def test_answers_replace_bounds_and_raise_them(atax):
    search, branch = atax
    choice = branch.composer.choose(search.problem.limits)
    room = Room(float("inf"), float("inf"), float("inf"))
    before = [table.bounds(room)[0].copy() for table in branch.tables]
    first = branch.lower_bound(float("inf"))
    branch.ask(list(enumerate(choice.rows)))
    for table, row, old in zip(branch.tables, choice.rows, before, strict=True):
        answer = table.answers[row]
        now = table.bounds(room)[0][row]
        assert old[row] <= now <= answer.latency_cycles
        assert now == answer.latency_cycles or table.is_relieved[row]
        others = np.arange(len(table)) != row
        assert (table.bounds(room)[0][others] == old[others]).all()
    assert branch.lower_bound(float("inf")).cycles >= first.cycles - 1e-6
    (whole,) = search.evaluate([(branch.plan(choice.rows), "")])
    assert first.cycles <= whole.latency_cycles


def test_no_bound_is_above_a_design_that_fits():
    search, branch = branch_of("polybench/atax", "dsp=40", "lut=14000")
    for _ in range(3):
        choice = branch.composer.choose(search.problem.limits)
        branch.ask([(n, r) for n, r in enumerate(choice.rows) if r not in branch.tables[n].answers])
        (whole,) = search.evaluate([(branch.plan(choice.rows), "")])
        if search.fits(whole.resources):
            assert branch.lower_bound(float("inf")).cycles <= whole.latency_cycles


def test_branches_share_answers_of_nests_without_the_operators_that_differ():
    search = Search(example("polybench/atax"), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    first = next(v for v in variants if len(v.candidates) > 1)
    other = next(
        v
        for v in variants
        if v.structure.name == first.structure.name and v.implementations != first.implementations
    )
    branches = [Branch(search, variant) for variant in (first, other)]
    idle = [n for n, t in enumerate(branches[0].tables) if not t.nest.work]
    busy = [n for n, t in enumerate(branches[0].tables) if t.nest.work]
    assert idle
    assert busy
    # a lane of each, in the order as written
    plans = [
        NestPlan(table.nest.handle, table.nest.orders[0], (1,) * len(table.nest.band))
        for table in branches[0].tables
    ]

    def ask(branch, nests):
        branch.ask([(n, branch.tables[n].row_of(plans[n])) for n in nests])

    ask(branches[0], [*idle, *busy])
    before = search.evaluated
    ask(branches[1], idle)
    assert search.evaluated == before
    ask(branches[1], busy)
    # once as they are, and with what other nests may do for them: registers only of what they read, or
    # of what they write, too
    assert before < search.evaluated <= before + 3 * len(busy)


def test_calls_one_after_the_other_take_a_state_each():
    """Two pipelined loops in a time loop: what they take alone, less what they share, is exact."""
    search = Search(example("polybench/jacobi_1d"), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    branch = Branch(search, next(v for v in variants if v.structure.name == "written"))
    rows = [int((table.lanes == 1).argmax()) for table in branch.tables]
    branch.ask(list(enumerate(rows)))
    (whole,) = search.evaluate([(branch.plan(rows), "")])
    found = sum(b.cycles for b in branch.bindings(rows))
    assert 0.995 * whole.latency_cycles <= found <= whole.latency_cycles


def test_rows_with_more_lanes_than_one_that_is_too_large_are_too_large_as_well():
    search = Search(example("polybench/seidel_2d", "medium"), Store(None), SerialExecutor())
    variants = [v for v in problem_variants(search.problem, search.local) if v.has_guards]
    first, second = (Branch(search, v) for v in variants[:2])
    (table,) = first.tables
    chosen = table.lists[0]
    is_square = (chosen.factors >= 8).sum(axis=1) == 2
    row = int(np.where(is_square & (chosen.lanes > 140), chosen.lanes, 1 << 30).argmin())
    first.ask([(0, row)])
    assert table.answers[row].refusal.startswith(TOO_LARGE)
    inferred = np.flatnonzero((table.state == REFUSED) & (np.arange(len(table)) != row))
    assert len(inferred) == table.too_large > 5
    # those with about as many lanes are the most doubtful
    few = inferred[np.argsort(table.lanes[inferred], kind="stable")[:3]]
    asked = [first._alone(table, int(other)) for other in few]
    assert all(answer.refusal.startswith(TOO_LARGE) for answer in search.evaluate(asked))
    # other operators do not make a body smaller
    before = search.evaluated
    second.ask([(0, second.tables[0].row_of(table.plan(row)))])
    assert search.evaluated == before
    assert second.tables[0].too_large >= table.too_large


def test_a_first_bound_without_banks_is_between_what_a_branch_begins_with_and_the_bound():
    """covariance: the logic that nests need together doubles the bound before anything is evaluated."""
    search = Search(example("polybench/covariance", "small"), Store(None), SerialExecutor())
    branch = Branch(search, problem_variants(search.problem, search.local)[0])
    first = branch.lower_bound(float("inf"), has_banks=False).cycles
    assert 1.2 * branch.bound < first <= branch.lower_bound(float("inf")).cycles
    assert search.evaluated == 0


def test_nests_that_hardly_count_have_a_single_lane() -> None:
    search = Search(example("polybench/nussinov"), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    branch = Branch(search, next(v for v in variants if v.structure.name == "commuted"))
    diagonal = next(table for table in branch.tables if table.nest.handle == "S3")
    plain = float(diagonal.least_cycles()[diagonal.lanes == 1].min())
    before = branch.lower_bound(np.inf).cycles
    branch.lighten(100.0 * plain)
    assert not diagonal.is_light
    branch.lighten(1e4 * plain)
    assert diagonal.is_light
    cycles = diagonal.guesses().cycles
    assert np.isinf(cycles[diagonal.lanes > 1]).all()
    assert np.isfinite(cycles[diagonal.lanes == 1]).any()
    # what is looked for does not change what is proved
    assert branch.lower_bound(np.inf).cycles == before


def test_rows_of_a_kind_are_expected_to_rise_as_the_one_that_was_refined():
    search = Search(example("polybench/trmm", "mini"), Store(None), SerialExecutor())
    branch = Branch(search, problem_variants(search.problem, search.local)[0])
    table = max(branch.tables, key=lambda each: 0 if each.nest.is_box else len(each))
    bounds, before = table.least_cycles(), table.guesses().cycles
    table.refine_kinds(float("inf"))
    refined = table.is_refined
    assert 0 < refined.sum() < len(table)
    # bounds of rows that were not looked at stay, and what is expected of them rises
    assert (table.least_cycles()[~refined] == bounds[~refined]).all()
    assert (table.guesses().cycles[~refined] >= before[~refined] - 1e-6).all()
    assert (table.guesses().cycles[~refined] > 1.5 * before[~refined]).any()
    for row in np.flatnonzero(~refined)[:: len(table) // 20]:
        expected = table.guesses().cycles[row]
        table.refine(int(row))
        assert table.least_cycles()[row] <= max(4 * expected, before[row])
