"""Kernels that nobody wrote: the search answers, and what it takes for granted holds."""

from __future__ import annotations

import random
from collections import Counter

import pytest

import pom
from pom.dse.evaluation import Evaluator
from pom.dse.nests import find_nests
from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import with_partitions
from pom.dse.space import problem_variants
from pom.dse.structures import Structure, find_structures
from pom.dsl.kernel import KernelFunction
from pom.exploration.run import make_problem
from pom.passes.graph_to_poly import graph_to_poly
from tests.fuzz.search import findings, trial_of
from tests.fuzz.trial import kernel_of

SEED = 11


@pytest.mark.parametrize("number", range(5))
def test_searches_of_random_kernels(number: int) -> None:
    counts: Counter[str] = Counter()
    assert not list(findings(trial_of(SEED, number, 1.5), counts))
    assert counts


def random_plan(structure: Structure, rng: random.Random) -> Plan:
    nests = []
    for nest in structure.nests:
        order = rng.choice(nest.orders)
        factors = tuple(min(rng.choice((1, 1, 2, 3, 40)), nest.loop(loop).extent) for loop in order)
        nests.append(NestPlan(nest.handle, order, factors, ii=rng.choice((1, 2))))
    return with_partitions(structure.program, structure.nests, Plan(structure.name, tuple(nests)))


def test_rewritten_nests_of_random_kernels_have_the_estimate_of_lowered_ones() -> None:
    compared = 0
    for number in range(40, 56):
        problem = make_problem(kernel_of(7, number), "xc7z020")
        evaluator, lowering = Evaluator(problem), Evaluator(problem)
        lowering.is_direct = False
        rng = random.Random(number)
        for structure in find_structures(evaluator.program, fast_math=False):
            plan = random_plan(structure, rng)
            for handle in ("", *(nest.statement for nest in plan.nests)):
                if evaluator.rewritten(plan, handle) is not None:
                    assert evaluator.evaluate(plan, handle) == lowering.evaluate(plan, handle)
                    compared += 1
    assert compared > 10


def rounded() -> KernelFunction:
    """Two iterations side by side update one element: lanes of a block are one chain, blocks are none."""

    @pom.kernel
    def rounded(A: pom.int16[6], B: pom.int16[12]):
        for i in pom.loop("i", 0, 12):
            A[i // 2] += B[i]

    return rounded


def test_rounded_subscripts_are_lowered() -> None:
    evaluator = Evaluator(make_problem(rounded(), "xc7z020"))
    structure = evaluator.structure("written")
    plan = Plan("written", (NestPlan(structure.nests[0].handle, ("i",), (2,)),))
    plan = with_partitions(structure.program, structure.nests, plan)
    assert evaluator.rewritten(plan, plan.nests[0].statement) is None
    # a block every cycle
    assert evaluator.evaluate(plan, plan.nests[0].statement).latency_cycles < 12


def test_statements_that_never_run_are_in_no_nest() -> None:
    @pom.kernel
    def partly(A: pom.f32[8], B: pom.f32[8]):
        for i in pom.loop("i", 0, 8):
            A[i] = B[i]
            for j in pom.loop("j", 3, 3):
                A[i] += B[j]
        for k in pom.loop("k", 5, 2):
            B[k] = A[k]

    nests = find_nests(graph_to_poly(partly.graph))
    assert [nest.statements for nest in nests] == [("S0",)]
    assert [loop.name for loop in nests[0].band] == ["i"]
    assert pom.auto_dse(partly, "xc7z020", rerank="none").latency_cycles < 12


def test_operators_that_are_in_dsp_blocks_only_have_no_other_implementation() -> None:
    @pom.kernel
    def halves(A: pom.f16[16], B: pom.f32[16]):
        for i in pom.loop("i", 0, 16):
            A[i] = A[i] * A[i] - A[i]
            B[i] = B[i] * B[i]

    problem = make_problem(halves, "xc7z020")
    found = {v.implementations for v in problem_variants(problem, Evaluator(problem))}
    operators = {operator for choice in found for operator, _ in choice}
    assert "fmul" in operators
    assert not any(operator.startswith("h") for operator in operators)
