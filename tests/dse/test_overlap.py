"""Nests that overlap: what waits for what, what they cost together, and that they are right."""

from __future__ import annotations

from dataclasses import replace

import pom
from pom.dse.evaluation import Evaluator
from pom.dse.overlap import OverlapGraph, compose, overlap_graph
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Problem, Resources
from pom.dse.realise import with_partitions
from pom.dse.space import problem_variants
from pom.dse.strategies.exact import Exact
from tests.dse.problems import example, searched
from tests.passes.data_primitives import assert_same


@pom.kernel
def two_sums(A: pom.f32[30, 20], x: pom.f32[30], B: pom.f32[28, 22], y: pom.f32[28]):
    """Independent nests with a recurrence each, so that they cannot use many operators."""
    for i in pom.loop("i", 0, 30):
        for j in pom.loop("j", 0, 20):
            x[i] = A[i, j] / (x[i] + 1.0)
    for i in pom.loop("i", 0, 28):
        for j in pom.loop("j", 0, 22):
            y[i] = B[i, j] / (y[i] + 2.0)


@pom.kernel
def chained(A: pom.f32[30], x: pom.f32[30], B: pom.f32[30], y: pom.f32[30], C: pom.f32[30]):
    first = pom.array("first", pom.f32[30])
    second = pom.array("second", pom.f32[30])
    i = pom.var("i", 30)
    pom.compute("one", [i], first[i], A[i] * x[i])
    pom.compute("two", [i], second[i], B[i] * y[i])
    pom.compute("sum", [i], C[i], first[i] + second[i])


def problem_of(kernel: object) -> Problem:
    return replace(example("polybench/gemm"), kernel=kernel.graph)  # type: ignore[attr-defined]


def graph_of(problem: Problem) -> OverlapGraph | None:
    structure = Evaluator(problem).structure("written")
    return overlap_graph(structure.program, structure.nests)


def test_a_consumer_waits_for_its_producers() -> None:
    graph = graph_of(problem_of(chained))
    assert graph == OverlapGraph((("one",), ("two",), ("sum",)), ((), (), (0, 1)))
    assert graph.width == 2


def test_an_argument_of_two_nests_is_no_dataflow_region() -> None:
    assert graph_of(example("polybench/mvt")) is None
    assert graph_of(example("polybench/gemm")) is None


def test_composition_is_the_critical_path_and_the_sum() -> None:
    graph = OverlapGraph((("a",), ("b",), ("c",)), ((), (), (0, 1)))
    each = [Resources(dsp=d, lut=10 * d) for d in (1, 2, 3)]
    assert compose([10, 20, 5], each, graph) == (25, Resources(dsp=6, lut=60))


def test_the_model_agrees_with_the_composition() -> None:
    problem = problem_of(two_sums)
    evaluator = Evaluator(problem)
    structure = evaluator.structure("written")
    nests = tuple(NestPlan(n.handle, n.orders[0], (2, 1)) for n in structure.nests)
    plan = with_partitions(structure.program, structure.nests, Plan("written", nests))
    alone = [evaluator.evaluate(plan, n.handle) for n in structure.nests]
    graph = overlap_graph(structure.program, structure.nests)
    assert graph is not None
    latency, resources = compose(
        [a.latency_cycles for a in alone], [a.resources for a in alone], graph
    )
    whole = evaluator.evaluate(replace(plan, dataflow=True))
    assert abs(whole.latency_cycles - latency) <= 4
    assert whole.resources.dsp == resources.dsp
    assert whole.latency_cycles < 0.6 * evaluator.evaluate(plan).latency_cycles


def test_an_overlapped_design_computes_the_same() -> None:
    problem = problem_of(chained)
    evaluator = Evaluator(problem)
    structure = evaluator.structure("written")
    # 4 does not divide 30: guards keep each nest in one piece
    nests = tuple(NestPlan(n.handle, n.orders[0], (4,)) for n in structure.nests)
    plan = with_partitions(structure.program, structure.nests, Plan("written", nests))
    program = evaluator.realised(replace(plan, dataflow=True))
    assert program.function.dataflow
    assert_same(problem.kernel, program)


def test_the_search_overlaps_what_waits_for_itself() -> None:
    search = searched(problem_of(two_sums), Exact())
    assert search.best is not None
    assert search.best.plan.dataflow
    assert search.lower_bound <= search.best.latency_cycles
    variants = problem_variants(search.problem, search.local)
    assert min(v.bound for v in variants) <= search.best.latency_cycles
