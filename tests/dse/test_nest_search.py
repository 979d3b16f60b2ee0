"""The two assumptions of the search by classes, on samples; and the table of candidates."""

from __future__ import annotations

import numpy as np
import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.nest_search import FAR, NestCandidates
from pom.dse.plan import Plan
from pom.dse.realise import with_partitions
from pom.dse.space import problem_variants
from tests.dse.problems import example


def table_of(name, size="small"):
    problem = example(name, size)
    evaluator = Evaluator(problem)
    variant = next(v for v in problem_variants(problem, evaluator) if not v.implementations)
    nest, lists = max(variant.candidates, key=lambda c: float(c[1][0].bound[0]))
    table = NestCandidates(nest, lists, problem.limits)

    def evaluated(row):
        structure = variant.structure
        plan = Plan(structure.name, (table.plan(row),))
        return evaluator.evaluate(
            with_partitions(structure.program, structure.nests, plan), nest.handle
        )

    return table, evaluated


@pytest.mark.parametrize("name", ["polybench/gemm", "polybench/jacobi_2d", "polybench/heat_3d"])
def test_more_lanes_along_a_parallel_loop_behave_as_assumed(name):
    table, evaluated = table_of(name)
    nest = table.nest
    source, last = 0, len(table.lists[0].order) - 1
    factors = table.lists[source].factors[table.position]
    alone = (factors[:, :last] == 1).all(axis=1) & (table.source == source)
    extent = nest.loop(table.lists[source].order[last]).extent
    divides = (extent % factors[:, last] == 0) & (factors[:, last] > 1)
    members = np.flatnonzero(alone & divides & (table.lanes <= 40))
    members = members[np.argsort(table.lanes[members])]
    chosen = [members[0], members[len(members) // 2], members[-1]]
    answers = [evaluated(int(m)) for m in chosen]
    per_iteration = [
        a.latency_cycles / float(table.iterations[m]) for a, m in zip(answers, chosen, strict=True)
    ]
    assert per_iteration[-1] >= per_iteration[0] * 0.99
    lanes = [float(table.lanes[m]) for m in chosen]
    logic = [a.resources.lut - float(table.lut[m]) for a, m in zip(answers, chosen, strict=True)]
    if lanes[-1] > lanes[0]:
        slope = (logic[-1] - logic[0]) / (lanes[-1] - lanes[0])
        predicted = logic[0] + slope * (lanes[1] - lanes[0])
        whole = answers[1].resources.lut
        assert abs(predicted - logic[1]) <= max(3 * FAR * whole, 400)


def test_first_is_the_lowest_floor():
    table, _ = table_of("polybench/gemm", "mini")
    row = table.first()
    assert table.floor[row] == table.floor.min()
    table.is_open[:] = False
    assert table.first() is None


def test_floors_rise_and_large_ones_are_excluded():
    table, evaluated = table_of("polybench/gemm")
    row = table.sample(table.first())
    before, is_open = table.floor.copy(), int(table.is_open.sum())
    table.learn(row, evaluated(row))
    assert (table.floor >= before).all()
    assert table.is_known(row)
    assert int(table.is_open.sum()) < is_open
