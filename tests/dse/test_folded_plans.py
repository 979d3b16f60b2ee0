"""Designs of the search have the same estimate whether their lanes are counted or laid out."""

from __future__ import annotations

import random
from dataclasses import replace
from math import prod

import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import with_partitions
from pom.qor_model import fold
from pom.qor_model.latency import estimate_latency
from pom.qor_model.resources import estimate_resources
from tests.dse.problems import example

KERNELS = ("gemm", "atax", "bicg", "gemver", "doitgen", "k3mm")


@pytest.mark.parametrize("name", KERNELS)
def test_lanes_with_trees_of_sums_are_counted_exactly(name, monkeypatch):
    monkeypatch.setattr(fold, "WORTH", 9.0)
    evaluator = Evaluator(
        replace(example(f"polybench/{name}", "small", device="xcu280"), fast_math=True)
    )
    library = evaluator.library
    rng = random.Random(name)
    folded = 0
    for structure in map(evaluator.structure, ("written", "dependence-aware")):
        for _ in range(4):
            plans = []
            for nest in structure.nests:
                order = rng.choice(nest.orders)
                factors = [min(rng.choice((1, 2, 3, 5, 8)), nest.loop(n).extent) for n in order]
                while prod(factors) > 150:
                    factors[rng.randrange(len(factors))] = 1
                plans.append(NestPlan(nest.handle, order, tuple(factors)))
            plan = Plan(structure.name, tuple(plans))
            plan = with_partitions(structure.program, structure.nests, plan)
            design = evaluator.rewritten(plan)
            if design is None:
                continue
            counted = estimate_latency(design, library, folds=True)
            laid_out = estimate_latency(design, library)
            assert counted.latency_cycles == laid_out.latency_cycles
            assert estimate_resources(design, counted, library) == estimate_resources(
                design, laid_out, library
            )
            folded += any(b.fold for loop in counted.all_loops() for b in loop.schedules)
    assert folded
