"""How many lanes nests may have."""

from __future__ import annotations

from dataclasses import replace

import pom
from pom.dse.evaluation import Evaluator
from pom.dse.problem import Problem
from pom.dse.space import CEILING, COPY_LANES, FREE_LANES, Variant, problem_variants
from tests.dse.problems import example


def variants(problem: Problem) -> tuple[Variant, ...]:
    return problem_variants(problem, Evaluator(problem))


def most_lanes(variant: Variant) -> dict[str, int]:
    return {
        nest.handle: max(int(c.lanes.max()) for c in lists) for nest, lists in variant.candidates
    }


def test_lanes_follow_from_the_operators_up_to_the_ceiling() -> None:
    found = {
        v.implementations: most_lanes(v)["S1"]
        for v in variants(example("polybench/gemm", "medium", device="xcu280"))
        if v.structure.name == "dependence-aware"
    }
    # 9,024 blocks of which a lane takes five, or three where the adder is in logic
    assert 1700 < found[()] <= 9024 // 5
    assert 2048 < found[("fadd", "fabric"),] <= min(9024 // 3, CEILING)


def test_nests_that_move_data_have_as_many_lanes_as_the_others() -> None:
    @pom.kernel
    def copy(A: pom.f32[64], B: pom.f32[64]):
        for i in pom.loop("i", 0, 64):
            B[i] = A[i]

    problem = example("polybench/k2mm", device="xcu280")
    found = most_lanes(next(v for v in variants(problem) if len(v.candidates) == 4))
    assert found["S0"] > COPY_LANES
    (alone, *_) = variants(replace(problem, kernel=copy.graph))
    assert most_lanes(alone) == {"S0": COPY_LANES}


def test_integer_lanes_are_not_those_of_a_copy() -> None:
    @pom.kernel
    def add(A: pom.int32[4096], B: pom.int32[4096]):
        for i in pom.loop("i", 0, 4096):
            B[i] = A[i] + B[i]

    (variant, *_) = variants(replace(example("polybench/gemm"), kernel=add.graph))
    assert most_lanes(variant) == {"S0": FREE_LANES}
