"""What straight-line code between loops adds to a bound."""

from __future__ import annotations

import pytest

import pom
from pom import devices
from pom.dse.between import states_between
from pom.dse.known_rows import Room
from pom.dse.nest_table import REFUSED
from pom.dse.nests import find_nests
from pom.dse.plan import NestPlan
from pom.dse.problem import Problem, limits_of
from pom.dse.space import least_cost
from pom.passes.graph_to_poly import graph_to_poly
from pom.qor_model.operators import OperatorLibrary
from tests.dse.problems import branches, example, random_designs

UNLIMITED = Room(float("inf"), float("inf"), float("inf"))


def steps(n: int = 24, *, is_guarded: bool = False, is_used: bool = True) -> Problem:
    """A quotient between two loops, of the sum that the first one makes or of other values."""

    @pom.kernel
    def kernel(a: pom.f32[n, n], b: pom.f32[n, n], c: pom.f32[n], d: pom.f32[n]):
        total = pom.array("total", pom.f32)
        scale = pom.array("scale", pom.f32)
        scale[()] = 1
        for k in pom.loop("k", 0, n):
            total[()] = 0
            for i in pom.loop("i", 0, n):
                total[()] = total + a[k, i]
            if is_guarded:
                with pom.when(k > 3):
                    scale[()] = c[k] / total
            elif is_used:
                scale[()] = c[k] / total
            else:
                scale[()] = c[k] / d[k]
            for i in pom.loop("i", 0, n):
                b[k, i] = scale * b[k, i]

    target = devices.load("xc7z020")
    return Problem(kernel.graph, target, 10.0, limits_of(target, ()))


def between(problem: Problem) -> dict[str, float]:
    """By nest, in the kernel as it is written."""
    program = graph_to_poly(problem.kernel)
    nests = find_nests(program)
    library = OperatorLibrary.for_device(problem.device, problem.clock_ns)
    costs = {name: least_cost(library, name) for name in ("fadd", "fmul", "fdiv")}
    return states_between(program, nests, costs, {nest.handle for nest in nests})


def test_a_quotient_of_a_sum_is_waited_for():
    first, second = between(steps()).values()
    assert first == 0.0
    # a division of floats takes more than ten states
    assert second >= 24 * 10


def test_what_does_not_need_the_loop_before_may_run_beside_it():
    assert set(between(steps(is_used=False)).values()) == {0.0}


def test_code_behind_a_guard_is_not_counted():
    assert set(between(steps(is_guarded=True)).values()) == {0.0}


@pytest.mark.parametrize(
    "problem",
    [
        steps(), steps(is_guarded=True), steps(is_used=False), example("polybench/durbin"),
        example("polybench/gramschmidt"), example("polybench/cholesky"),
        example("polybench/nussinov"),
    ],
    ids=["used", "guarded", "unused", "durbin", "gramschmidt", "cholesky", "nussinov"],
)  # fmt: skip
def test_nests_and_code_between_them_take_no_more_than_the_whole(problem):
    """Random designs: before anything is known of their rows, and once it is."""
    search, found = branches(problem)
    compared = 0
    for branch, rows, whole in random_designs(search, found, seed=5, count=10):
        compared += 1
        for is_known in (False, True):
            pairs = list(zip(branch.tables, rows, strict=True))
            if is_known:
                branch.ask(list(enumerate(rows)))
                if not search.fits(whole.resources) or any(t.state[r] == REFUSED for t, r in pairs):
                    break
            for table, row in pairs:
                table.refine(row)
            bounds = (branch._beside_others(t, t.bounds(UNLIMITED)[0])[r] for t, r in pairs)
            assert sum(bounds) <= whole.latency_cycles + 1e-6, branch.plan(rows)
    assert compared >= 4


def test_loops_around_that_run_for_other_code_may_leave_none_for_a_nest():
    """gramschmidt: beside code for the last column, the middle of the range of j is lower."""
    search, found = branches(example("polybench/gramschmidt", "small"))
    branch = next(
        b for b in found
        if b.variant.structure.name == "dependence-aware"
        and dict(b.variant.implementations) == {"fmul": "fabric", "fsub": "fabric"}
    )  # fmt: skip
    plans = (
        NestPlan("S1", ("i",), (7,)), NestPlan("S3", ("i",), (20,)), NestPlan("S4", ("j",), (3,)),
        NestPlan("S5", ("j", "i"), (1, 4)), NestPlan("S6", ("j", "i"), (8, 3)),
    )  # fmt: skip
    rows = [t.row_of(plan) for t, plan in zip(branch.tables, plans, strict=True)]
    branch.ask([(n, row) for n, row in enumerate(rows) if row is not None])
    (whole,) = search.evaluate([(branch.plan_of(plans), "")])
    bounds = [
        branch._beside_others(t, t.bounds(UNLIMITED)[0])[r]
        for t, r in zip(branch.tables, rows, strict=True)
    ]
    assert 0.98 * whole.latency_cycles <= sum(bounds) <= whole.latency_cycles


def test_which_nests_run_whenever_the_loops_around_do():
    problem = example("polybench/gramschmidt")
    nests = {n.handle: n for n in find_nests(graph_to_poly(problem.kernel))}
    # over i in every iteration of k; over j in none of the last one
    assert nests["S1"].is_everywhere
    assert not nests["S5"].is_everywhere
