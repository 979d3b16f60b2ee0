"""No design within the limits is faster in the model than its bound says."""

from __future__ import annotations

import random

import pytest

from pom.dse.branch import Branch
from pom.dse.evaluation import Evaluator
from pom.dse.executor import SerialExecutor
from pom.dse.known_rows import Room
from pom.dse.lane_choices import useful_factors
from pom.dse.plan import NestPlan
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from pom.dse.strategies.candidates import DesignSpace
from tests.dse.problems import example

KERNELS = (
    "polybench/gemm", "polybench/atax", "polybench/trmm", "polybench/jacobi_1d",
    "polybench/trisolv", "polybench/syrk", "pom/bicg",
)  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_bound_is_below_the_model_for_random_designs_that_fit(name):
    problem = example(name)
    evaluator = Evaluator(problem)
    space = DesignSpace(problem_variants(problem, evaluator))
    rng = random.Random(7)
    compared = 0
    for _ in range(60):
        if compared == 4:
            break
        variant = rng.choice(space.variants)
        coordinates = tuple(rng.randrange(n) for n in space.shape(variant))
        answer = evaluator.evaluate(space.plan(variant, coordinates))
        if answer.is_refused or answer.resources.exceeded(problem.limits):
            continue
        compared += 1
        bound = 0.0
        for (_, lists), position in zip(variant.candidates, coordinates, strict=True):
            bounds = [float(b) for c in lists for b in c.bound]
            bound += bounds[position]
        assert variant.bound <= bound <= answer.latency_cycles
    assert compared >= 2


def test_steps_that_wait_for_each_other_bound_every_order_and_all_lanes():
    """gramschmidt: the sums over i may not be reassociated, so 20 additions follow each other, 29 times."""
    problem = example("polybench/gramschmidt")
    search = Search(problem, Store(None), SerialExecutor())
    (variant, *_) = [
        v for v in problem_variants(problem, search.local) if v.structure.name == "distributed"
    ]
    tables = {t.nest.handle: t for t in Branch(search, variant).tables}
    steps = 19 * 29
    assert tables["S5"].bounds(UNLIMITED)[0].min() >= 5 * steps
    # one element per iteration of k
    assert tables["S1"].bounds(UNLIMITED)[0][tables["S1"].lanes < 20].min() >= 5 * 19 * 30
    # side by side
    assert tables["S6"].bounds(UNLIMITED)[0].min() < 5 * steps


def test_factors_that_save_no_iteration_are_left_out():
    assert useful_factors(10, 10, only_divisors=False) == [1, 2, 3, 4, 5, 10]
    assert useful_factors(10, 10, only_divisors=True) == [1, 2, 5, 10]
    assert useful_factors(10, 4, only_divisors=False) == [1, 2, 3, 4]


UNLIMITED = Room(float("inf"), float("inf"), float("inf"))


@pytest.mark.parametrize(
    "name",
    [
        "polybench/gemm", "polybench/syrk", "polybench/covariance", "polybench/gramschmidt",
        "polybench/cholesky", "polybench/lu", "polybench/durbin", "polybench/nussinov",
        "polybench/symm", "polybench/trmm", "polybench/correlation", "polybench/k2mm", "polybench/doitgen", "polybench/adi",
        "polybench/jacobi_1d", "pom/gaussian", "pom/seidel", "polybench/ludcmp",
        "polybench/trisolv", "polybench/seidel_2d",
    ],
)  # fmt: skip
def test_no_nest_alone_is_faster_than_its_bound(name):
    """With ports and, for nests that are no box, blocks counted; whether or not it fits."""
    problem = example(name)
    search = Search(problem, Store(None), SerialExecutor())
    variants = problem_variants(problem, search.local)
    rng = random.Random(11)
    compared = 0
    for _ in range(5):
        branch = Branch(search, rng.choice(variants))
        for n, table in enumerate(branch.tables):
            row = rng.choice([r for r in range(len(table)) if table.lanes[r] <= 12])
            table.refine(row)
            bound = table.bounds(UNLIMITED)[0][row]
            branch.ask([(n, row)])
            if row in table.answers and not table.answers[row].is_refused:
                compared += 1
                answer = table.answers[row].latency_cycles
                assert bound <= answer, (branch.variant.structure.name, table.plan(row))
    assert compared >= 4


@pytest.mark.parametrize(
    "name", ["polybench/durbin", "polybench/gramschmidt", "polybench/jacobi_1d", "polybench/adi"]
)
def test_answers_of_nests_alone_add_up_to_a_bound_of_the_whole(name):
    """Beside others, a nest shares the states around its loops, but not those inside."""
    problem = example(name)
    search = Search(problem, Store(None), SerialExecutor())
    for variant in problem_variants(problem, search.local)[:3]:
        branch = Branch(search, variant)
        # lanes along no loop: the nests agree on every bank
        rows = tuple(int((t.lanes == 1).argmax()) for t in branch.tables)
        branch.ask(list(enumerate(rows)))
        (whole,) = search.evaluate([(branch.plan(rows), "")])
        inside = sum(t.known.loops[r] for t, r in zip(branch.tables, rows, strict=True))
        assert 0.5 * whole.latency_cycles < inside <= whole.latency_cycles


def test_a_sum_waits_where_the_loops_inside_of_it_are_shortest():
    """syrk with k around a block of j that has one block where i is small: nothing is between steps."""
    problem = example("polybench/syrk", "small")
    search = Search(problem, Store(None), SerialExecutor())
    variant = next(
        v for v in problem_variants(problem, search.local)
        if v.structure.name == "dependence-aware"
    )  # fmt: skip
    (n, table) = next(
        (n, t) for n, t in enumerate(Branch(search, variant).tables) if len(t.nest.band) == 3
    )
    branch = Branch(search, variant)
    row = table.row_of(NestPlan(table.nest.handle, ("i", "k", "j"), (4, 1, 4)))
    branch.ask([(n, row)])
    bound, answer = table.least_cycles()[row], branch.tables[n].answers[row].latency_cycles
    assert table.interval[row] >= 5
    assert 0.6 * answer <= bound <= answer


@pytest.mark.parametrize(
    ("factors", "order", "least"),
    [
        # j has as many iterations as are left of i: how many lie between two steps of k is not known
        ((4, 1, 1), ("i", "k", "j"), 5),
        # lanes along k update one element, each behind the guard of its lane along i
        ((2, 4, 1), ("k", "i", "j"), 2),
    ],
)
def test_sums_in_a_triangle(factors: tuple[int, ...], order: tuple[str, ...], least: int) -> None:
    """covariance, whose matrix is symmetric: the bound knows what the model does with guards."""
    problem = example("polybench/covariance", "small")
    search = Search(problem, Store(None), SerialExecutor())
    variant = next(
        v for v in problem_variants(problem, search.local) if v.structure.name == "distributed"
    )
    branch = Branch(search, variant)
    (n, table) = next((n, t) for n, t in enumerate(branch.tables) if len(t.nest.band) == 3)
    row = table.row_of(NestPlan(table.nest.handle, order, factors))
    assert row is not None
    branch.ask([(n, row)])
    bound = table.alone_cycles(table.interval)[row]
    answer = table.answers[row].latency_cycles
    # where banks of other nests do not help
    assert max(table.interval[row], table.waits[row]) >= least
    assert 0.6 * answer <= bound <= answer


def test_what_no_loop_of_the_pipeline_moves_is_computed_in_front_of_it() -> None:
    """syr2k with k side by side: products with alpha along j and k are none of the loop along i."""
    problem = example("polybench/syr2k", "mini")
    search = Search(problem, Store(None), SerialExecutor())
    branch = Branch(search, problem_variants(problem, search.local)[0])
    (n, table) = next((n, t) for n, t in enumerate(branch.tables) if len(t.nest.band) == 3)
    row = table.row_of(NestPlan(table.nest.handle, ("j", "k", "i"), (1, 20, 1)))
    assert row is not None
    branch.ask([(n, row)])
    answer = table.answers[row]
    assert search.fits(answer.resources)
    assert table.least_cycles()[row] <= answer.latency_cycles
    assert table.dsp[row] <= answer.resources.dsp


def test_lanes_with_a_guard_in_common_read_for_themselves() -> None:
    """symm: the last block of i ends beyond A, so that its reads stay behind the guards of all lanes."""
    problem = example("polybench/symm", "small")
    search = Search(problem, Store(None), SerialExecutor())
    branch = Branch(search, problem_variants(problem, search.local)[0])
    (n, table) = next(
        (n, t) for n, t in enumerate(branch.tables) if t.nest.handle == "S2" and not t.nest.is_box
    )
    row = table.row_of(NestPlan("S2", ("k", "j", "i"), (1, 8, 8)))
    assert row is not None
    branch.ask([(n, row)])
    assert table.interval[row] == 4
    assert 0.8 * table.answers[row].latency_cycles <= table.least_cycles()[row]
    assert table.least_cycles()[row] <= table.answers[row].latency_cycles
