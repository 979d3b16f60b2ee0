"""The size of the space, dimension by dimension."""

from __future__ import annotations

from dataclasses import replace

from pom.dse.evaluation import Evaluator
from pom.dse.explain_space import explain_space
from pom.dse.space import problem_variants
from pom.dse.strategies.candidates import DesignSpace
from tests.dse.problems import example
from tests.dse.test_overlap import problem_of, two_sums


def test_every_dimension_has_a_size() -> None:
    found = explain_space(example("polybench/gemm"))
    assert found.designs > 1
    for structure in found.structures:
        assert structure.implementations == 4
        assert structure.overlap == 0
        for nest in structure.nests:
            assert nest.orders >= 1
            assert nest.parallelisations >= max(count for _, count in nest.factors) >= 1
    assert "6 orders" in found.text()


def test_structures_with_the_same_designs_are_left_out() -> None:
    found = explain_space(example("polybench/gemm"))
    assert found.left_out == ("written", "distributed", "distributed-anew")
    assert "distributed-anew" in found.text()


def test_trees_are_named_where_they_are_allowed() -> None:
    problem = example("polybench/gemm")
    strict, fast = explain_space(problem), explain_space(replace(problem, fast_math=True))
    assert not any(nest.trees for s in strict.structures for nest in s.nests)
    assert any(nest.trees == ("k",) for s in fast.structures for nest in s.nests)
    assert "tree" in fast.text()
    assert "tree" not in strict.text()


def test_overlap_doubles_the_designs() -> None:
    problem = problem_of(two_sums)
    (structure,) = explain_space(problem).structures
    space = DesignSpace(problem_variants(problem, Evaluator(problem)))
    designs = 0
    for variant in space.variants:
        first, second = space.shape(variant)
        designs += first * second
    assert (structure.overlap, structure.designs) == (2, 2 * designs)
    assert explain_space(problem).to_json()["designs"] == structure.designs
