"""Values that one lane computes for another are counted once."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pom
from pom.dse.bounds import Budget, candidates
from pom.dse.evaluation import Evaluator
from pom.dse.nests import Operation
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Problem
from pom.dse.realise import with_partitions
from pom.dse.space import memory_cost, operator_cost
from tests.dse.problems import example

N = 240


@pom.kernel
def symmetric(x: pom.f32[N + 2], y: pom.f32[N + 2]):
    for i in pom.loop("i", 1, N + 1):
        y[i] = 0.3 * x[i - 1] + 0.4 * x[i] + 0.3 * x[i + 1]


@pom.kernel
def diagonal(x: pom.f32[50, 50], y: pom.f32[50, 50]):
    for i in pom.loop("i", 1, 49):
        for j in pom.loop("j", 1, 49):
            y[i, j] = (x[i - 1, j - 1] + x[i, j]) * (x[i, j] + x[i + 1, j + 1])


@pom.kernel
def crossed(x: pom.f32[50, 50], y: pom.f32[50, 50]):
    """No step leads from the first sum to the second."""
    for i in pom.loop("i", 1, 49):
        for j in pom.loop("j", 1, 49):
            y[i, j] = (x[i - 1, j] + x[i, j]) * (x[i, j - 1] + x[i, j])


@pom.kernel
def strided(x: pom.f32[2 * N + 2], y: pom.f32[N]):
    for i in pom.loop("i", 0, N):
        y[i] = 0.3 * x[2 * i] + 0.3 * x[2 * i + 1]


def problem_of(kernel: object) -> Problem:
    graph = kernel.graph  # type: ignore[attr-defined]
    return replace(example("polybench/gemm"), kernel=graph)


@pytest.mark.parametrize(
    ("kernel", "operators"),
    [
        (symmetric, ["fadd", "fadd", "fmul", "fmul"]),
        (diagonal, ["fadd", "fmul"]),
        (crossed, ["fadd", "fadd", "fmul"]),
        # half a step more is no iteration, which is not looked at: fewer operations are no fault
        (strided, ["fadd", "fmul"]),
    ],
)
def test_work(kernel: object, operators: list[str]) -> None:
    (nest,) = Evaluator(problem_of(kernel)).structure("written").nests
    loops = tuple(loop.name for loop in nest.band)
    assert nest.work == tuple(Operation(name, loops) for name in operators)


def test_no_design_beats_its_bound() -> None:
    """An iteration a cycle needs fewer DSP blocks than the lanes would for themselves."""
    evaluator = Evaluator(problem_of(symmetric))
    structure = evaluator.structure("written")
    (nest,) = structure.nests
    costs = {w.operator: operator_cost(evaluator.library, w.operator, "") for w in nest.work}
    for lanes in (8, 16, 24):
        plan = Plan("written", (NestPlan(nest.handle, ("i",), (lanes,)),))
        plan = with_partitions(structure.program, structure.nests, plan)
        answer = evaluator.evaluate(plan, nest.handle)
        blocks = answer.resources.dsp
        assert blocks < lanes * (3 * costs["fmul"].dsp + 2 * costs["fadd"].dsp)
        budget = Budget(blocks, 10**6)
        memory = memory_cost(evaluator.library)
        found = candidates(structure.program, nest, ("i",), costs, budget, 64, float(N), memory)
        row = found.factors[:, 0].tolist().index(lanes)
        assert found.bound[row] <= answer.latency_cycles
