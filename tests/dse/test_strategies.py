"""Strategies: the exact one against all designs, the others for their rules; all deterministic."""

from __future__ import annotations

import sys

import pytest

from pom.dse.strategies import STRATEGIES, make_strategy
from pom.dse.strategies.exhaustive import Exhaustive
from pom.dse.strategies.nsga2 import Nsga2
from pom.dse.strategies.pom_method import MOST_LANES, PRIMES
from pom.dse.strategies.random_search import RandomSearch
from pom.errors import PomError
from tests.dse.problems import example, searched

SMALL = ("dsp=20", "lut=6000")


@pytest.mark.parametrize("name", ["pom/heat_1d", "polybench/trisolv"])
def test_exact_is_as_good_as_all_designs(name):
    problem = example(name, "mini", "dsp=12", "lut=4500")
    every = searched(problem, Exhaustive())
    exact = searched(problem, "exact")
    assert exact.best is not None
    assert exact.best.latency_cycles <= every.best.latency_cycles * 1.01
    assert exact.lower_bound <= every.best.latency_cycles
    # in a space of a dozen designs, first designs and nests alone may be a few more
    assert exact.evaluated <= every.evaluated + 4


@pytest.mark.parametrize("strategy", ["exact", "pom", RandomSearch(6), RandomSearch(6, 3)])
def test_a_strategy_does_the_same_again(strategy):
    problem = example("polybench/gemm", "mini", *SMALL)
    first, second = searched(problem, strategy), searched(problem, strategy)
    assert first.best == second.best
    assert [e.plan for e in first.designs] == [e.plan for e in second.designs]


def test_exact_is_within_the_limits_and_above_its_bound():
    problem = example("polybench/k2mm", "small", "dsp=60", "lut=20000")
    search = searched(problem, "exact")
    assert search.best is not None
    assert not search.best.resources.exceeded(problem.limits)
    assert 0 < search.lower_bound <= search.best.latency_cycles


def test_exact_is_at_least_as_good_as_the_published_method():
    problem = example("polybench/atax", "small")
    assert (
        searched(problem, "exact").best.latency_cycles
        <= searched(problem, "pom").best.latency_cycles
    )


def test_the_published_method_keeps_its_rules():
    search = searched(example("pom/gemm", "small"), "pom")
    for nest in search.best.plan.nests:
        assert nest.lanes <= MOST_LANES
        for factor in nest.factors:
            for prime in PRIMES:
                while factor % prime == 0:
                    factor //= prime
            assert factor == 1
    assert search.best.resources.dsp <= search.problem.limits.dsp
    assert search.best.plan.implementations == ()


def test_a_skewed_nest_gets_no_lanes_by_the_published_method():
    search = searched(example("pom/seidel"), "pom")
    assert all(n.lanes == 1 and not n.is_pipelined for n in search.best.plan.nests)


def test_large_spaces_are_not_tried_one_by_one():
    with pytest.raises(PomError, match="POM-X142"):
        searched(example("polybench/gemm", "small"), "exhaustive")


def test_nsga2_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymoo.algorithms.moo.nsga2", None)
    with pytest.raises(PomError, match="POM-X141"):
        searched(example("polybench/gemm", "mini"), "nsga2")


def test_nsga2_finds_a_design():
    pytest.importorskip("pymoo")
    problem = example("polybench/gemm", "mini", *SMALL)
    first, second = (searched(problem, Nsga2(8, 3)) for _ in range(2))
    assert first.best == second.best
    assert first.best is not None


def test_unknown_strategy():
    with pytest.raises(PomError, match="POM-X140"):
        make_strategy("guess")
    assert all(make_strategy(name).name == name for name in STRATEGIES)
