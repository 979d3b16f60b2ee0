"""Trees of sums: where they are, and that no design within the limits is faster than its bound."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.realise import with_partitions
from pom.dse.space import problem_variants
from pom.dse.strategies.candidates import DesignSpace
from tests.dse.problems import example


def sums(name: str, structure: str) -> list[tuple[str, tuple[str, ...]]]:
    evaluator = Evaluator(replace(example(name), fast_math=True))
    nests = evaluator.structure(structure).nests
    return [(s.statement, s.loops) for nest in nests for s in nest.sums]


def test_sums_along_different_loops_of_one_nest_get_no_tree() -> None:
    assert sums("polybench/bicg", "written") == []
    assert sums("polybench/bicg", "dependence-aware") == [("S2", ("i",)), ("S3", ("j",))]


def test_sums_of_one_nest_share_their_loops() -> None:
    assert sums("polybench/gesummv", "dependence-aware") == [("S2", ("j",)), ("S3", ("j",))]


def test_a_nest_that_is_no_box_gets_no_tree() -> None:
    assert sums("polybench/trmm", "written") == []


@pytest.mark.parametrize("name", ["polybench/gemm", "polybench/atax", "polybench/gesummv"])
def test_bound_is_below_the_model_with_trees(name: str) -> None:
    problem = replace(example(name, device="xcu280"), fast_math=True)
    evaluator = Evaluator(problem)
    space = DesignSpace(problem_variants(problem, evaluator))
    rng = random.Random(3)
    trees = 0
    for _ in range(12):
        variant = rng.choice(space.variants)
        coordinates = tuple(rng.randrange(n) for n in space.shape(variant))
        plan = space.plan(variant, coordinates)
        for (nest, lists), position in zip(variant.candidates, coordinates, strict=True):
            # banks that other nests want may make registers of an array (pom.dse.branch)
            own = tuple(each for each in plan.nests if each.statement == nest.handle)
            structure = variant.structure
            alone = with_partitions(
                structure.program, structure.nests, replace(plan, nests=own, dataflow=False)
            )
            answer = evaluator.evaluate(alone, nest.handle)
            if answer.is_refused or answer.resources.exceeded(problem.limits):
                continue
            bounds = [float(b) for c in lists for b in c.bound]
            assert bounds[position] <= answer.latency_cycles
            trees += bool(nest.sums)
    assert trees
