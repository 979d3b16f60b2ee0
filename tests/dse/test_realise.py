"""Every point of the design space computes what the kernel computes: executed and compared.

Without ``fast_math`` the results have to be equal bit for bit. With it sums are reassociated: what
may differ is the rounding of each of their terms, which `REASSOCIATED` bounds relative to the
largest value of an array.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

import pom
from pom.dse.evaluation import Evaluator
from pom.dse.plan import Plan
from pom.dse.problem import Problem
from pom.dse.realise import realise
from pom.dse.space import problem_variants
from pom.dse.strategies.candidates import DesignSpace
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.poly_reduction import InterleaveReduction
from tests.dse.problems import example
from tests.fuzz.kernels import random_kernel
from tests.passes.data_primitives import run_both

REASSOCIATED = 1e-5


def assert_computes(problem: Problem, program: PolyProgram) -> None:
    expected, found = run_both(problem.kernel, program)
    for name, values in expected.items():
        if problem.fast_math:
            scale = np.abs(values).max() * REASSOCIATED
            np.testing.assert_allclose(found[name], values, rtol=0, atol=scale, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], values, err_msg=name)


def random_plans(problem: Problem, evaluator: Evaluator, count: int, seed: int) -> list[Plan]:
    """Designs of every variant in turn, their candidates at random."""
    space = DesignSpace(problem_variants(problem, evaluator))
    rng = random.Random(seed)
    plans = []
    for number in range(count):
        variant = space.variants[number % len(space.variants)]
        shape = space.shape(variant)
        if all(shape):
            plans.append(space.plan(variant, tuple(rng.randrange(n) for n in shape)))
    return plans


def check(problem: Problem, count: int, seed: int = 1) -> list[PolyProgram]:
    """Execute up to `count` designs; those that the engine refuses are none."""
    evaluator = Evaluator(problem)
    found: list[PolyProgram] = []
    for plan in random_plans(problem, evaluator, 5 * count, seed):
        if len(found) == count:
            break
        try:
            program = evaluator.realised(plan)
        except PomError:
            continue
        assert_computes(problem, program)
        found.append(program)
    return found


KERNELS = (
    "polybench/gemm", "polybench/atax", "polybench/trmm", "polybench/jacobi_1d", "polybench/bicg",
    "polybench/gesummv", "pom/seidel", "pom/bicg", "pom/edge_detect", "polybench/lu",
    "polybench/cholesky", "polybench/trisolv", "polybench/gramschmidt", "polybench/syrk",
    "applications/conv2d", "applications/fir", "applications/subsequence",
)  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_designs_of_examples_are_equal_to_the_reference(name: str) -> None:
    assert len(check(example(name), 4)) >= 3


@pytest.mark.parametrize("name", ["polybench/gemm", "polybench/atax", "polybench/mvt"])
def test_reassociated_sums_are_close_to_the_reference(name: str) -> None:
    problem = replace(example(name), fast_math=True)
    programs = check(problem, 4)
    assert len(programs) >= 3
    assert any(a.name.endswith("lanes") for p in programs for a in p.locals)


@pytest.mark.parametrize("index", range(12))
def test_designs_of_random_kernels_are_equal_to_the_reference(index: int) -> None:
    problem = replace(example("polybench/gemm"), kernel=random_kernel(random.Random(100 + index)))
    check(problem, 4, seed=index)


@pom.kernel
def integer_dot(A: pom.int16[12, 10], x: pom.int16[10], y: pom.int32[12]):
    for i in pom.loop("i", 0, 12):
        for j in pom.loop("j", 0, 10):
            y[i] += A[i, j] * x[j]


def test_trees_need_fast_math_on_floats_and_nothing_on_integers() -> None:
    def trees(problem: Problem) -> int:
        evaluator = Evaluator(problem)
        return sum(
            isinstance(primitive, InterleaveReduction)
            for plan in random_plans(problem, evaluator, 8, 1)
            for structure in (evaluator.structure(plan.structure),)
            for primitive in realise(structure.program, structure.nests, plan, problem.fast_math)
        )

    floats = example("polybench/gemm")
    integers = replace(floats, kernel=integer_dot.graph)
    assert trees(floats) == 0
    assert trees(replace(floats, fast_math=True)) > 0
    assert trees(integers) > 0
    assert len(check(integers, 8)) >= 6
