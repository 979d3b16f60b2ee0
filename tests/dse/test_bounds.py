"""No design within the limits is faster in the model than its bound says."""

from __future__ import annotations

import random

import pytest

from pom.dse.bounds import chain_latency, useful_factors
from pom.dse.evaluation import Evaluator
from pom.dse.space import problem_variants
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
    for _ in range(12):
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
    assert compared


def test_factors_that_save_no_iteration_are_left_out():
    assert useful_factors(10, 10, only_divisors=False) == [1, 2, 3, 4, 5, 10]
    assert useful_factors(10, 10, only_divisors=True) == [1, 2, 5, 10]
    assert useful_factors(10, 4, only_divisors=False) == [1, 2, 3, 4]


def test_chain_is_the_slowest_way():
    problem = example("polybench/gemm")
    nests = problem_variants(problem, Evaluator(problem))[0].candidates
    values = [v for nest, _ in nests for v in nest.values]
    latency = {"fadd": 5, "fmul": 4}
    assert max(chain_latency(v, latency) for v in values) == 13
