"""Nests that are rewritten get the estimate of nests that are lowered."""

from __future__ import annotations

import random
from dataclasses import asdict, replace

import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Resources
from pom.dse.realise import with_partitions
from pom.dse.structures import find_structures
from pom.qor_model.latency import estimate_latency
from pom.qor_model.resources import estimate_resources
from tests.dse.problems import example

KERNELS = (
    "polybench/gemm", "polybench/atax", "polybench/jacobi_2d", "polybench/doitgen",
    "polybench/correlation", "polybench/deriche", "pom/bicg", "pom/blur",
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


def test_nests_that_are_no_box_are_lowered():
    evaluator = Evaluator(example("polybench/trmm"))
    structure = evaluator.structure("written")
    nest = next(n for n in structure.nests if not n.is_box)
    plan = Plan("written", (NestPlan(nest.handle, nest.orders[0], (1,) * len(nest.band)),))
    assert evaluator.rewritten(plan, nest.handle) is None
