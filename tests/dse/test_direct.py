"""Nests that are rewritten get the estimate of nests that are lowered."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from math import prod

import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Resources
from pom.dse.realise import with_partitions
from pom.dse.structures import find_structures
from pom.qor_model.latency import estimate_latency
from pom.qor_model.resources import estimate_resources
from tests.dse.problems import EXAMPLES, example

KERNELS = (
    "polybench/gemm", "polybench/atax", "polybench/jacobi_2d", "polybench/doitgen",
    "polybench/correlation", "polybench/deriche", "pom/bicg", "pom/blur", "applications/conv2d",
)  # fmt: skip


SUMS = ("polybench/gemm", "polybench/atax", "polybench/gesummv", "polybench/doitgen")


@pytest.mark.parametrize(
    ("name", "fast_math"), [*((k, False) for k in KERNELS), *((k, True) for k in SUMS)]
)
def test_rewritten_designs_have_the_estimate_of_lowered_ones(name, fast_math):
    evaluator = Evaluator(replace(example(name), fast_math=fast_math))
    rng = random.Random(11)
    compared = 0
    for structure in find_structures(evaluator.program, fast_math):
        for nest in structure.nests:
            order = rng.choice(nest.orders)
            factors = tuple(
                min(rng.choice((1, 1, 2, 3, 5, 64)), nest.loop(loop).extent) for loop in order
            )
            plan = Plan(structure.name, (NestPlan(nest.handle, order, factors),))
            plan = with_partitions(structure.program, structure.nests, plan)
            design = evaluator.rewritten(plan, nest.handle)
            if design is None or plan.nests[0].lanes > 64:
                continue
            compared += 1
            result = estimate_latency(design, evaluator.library)
            report = estimate_resources(design, result, evaluator.library)
            lowered = Evaluator(evaluator.problem)
            lowered.is_direct = False
            answer = lowered.evaluate(plan, nest.handle)
            assert answer.latency_cycles == result.latency_cycles
            assert answer.resources == Resources(**asdict(report.total))
    assert compared


WHOLE = sorted(path.stem for path in (EXAMPLES / "polybench").glob("*.py"))


def _whole_plan(structure, rng):
    """A plan for every nest, with few enough lanes that lowering stays quick."""
    plans = []
    for nest in structure.nests:
        order = rng.choice(nest.orders)
        factors = [min(rng.choice((1, 1, 2, 3, 40)), nest.loop(loop).extent) for loop in order]
        while prod(factors) > 12:
            factors[rng.randrange(len(factors))] = 1
        plans.append(NestPlan(nest.handle, order, tuple(factors), ii=rng.choice((1, 2))))
    implementations = rng.choice(((), (("fadd", "fabric"),)))
    plan = Plan(structure.name, tuple(plans), (), implementations)
    return with_partitions(structure.program, structure.nests, plan)


@pytest.mark.parametrize(
    ("name", "fast_math"), [*((k, False) for k in WHOLE), ("gemm", True), ("atax", True)]
)
def test_whole_designs_that_are_rewritten_have_the_estimate_of_lowered_ones(name, fast_math):
    evaluator = Evaluator(replace(example(f"polybench/{name}"), fast_math=fast_math))
    lowered = Evaluator(evaluator.problem)
    lowered.is_direct = False
    rng = random.Random(name)
    compared = 0
    for structure_name in ("written", "dependence-aware"):
        structure = evaluator.structure(structure_name)
        for _ in range(2):
            plan = _whole_plan(structure, rng)
            if evaluator.rewritten(plan) is None:
                continue
            compared += 1
            assert evaluator.evaluate(plan) == lowered.evaluate(plan)
    assert compared or any(not nest.is_box for nest in structure.nests)


def test_nests_that_overlap_are_lowered():
    evaluator = Evaluator(example("polybench/k2mm"))
    plan = _whole_plan(evaluator.structure("written"), random.Random(1))
    assert evaluator.rewritten(plan) is not None
    assert evaluator.rewritten(replace(plan, dataflow=True)) is None


def test_nests_that_are_no_box_are_lowered():
    evaluator = Evaluator(example("polybench/trmm"))
    structure = evaluator.structure("written")
    nest = next(n for n in structure.nests if not n.is_box)
    plan = Plan("written", (NestPlan(nest.handle, nest.orders[0], (1,) * len(nest.band)),))
    assert evaluator.rewritten(plan, nest.handle) is None
