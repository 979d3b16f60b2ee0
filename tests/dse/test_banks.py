"""Banks that lanes want: the bank of a lane's access is the same in every iteration."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan
from pom.dse.realise import wanted_banks
from pom.dse.structures import find_structures
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from tests.dse.problems import example
from tests.fuzz.enumerate import evaluate, points


def moving_banks(program: PolyProgram, nest: Nest, plan: NestPlan) -> set[tuple[str, int]]:
    """Loads of the first statement, and dims, of which a lane reaches several banks."""
    wanted = wanted_banks(program, nest, plan)
    statement = program.statement(nest.handle)
    loops = {loop.name: loop.expr(nest.handle) for loop in program.loops(nest.handle)}
    grid = points(statement)
    lane = np.zeros(len(grid), dtype=np.int64)
    for loop, factor in zip(plan.order, plan.factors, strict=True):
        values = evaluate(loops[loop], statement.iterators, grid) - nest.loop(loop).minimum
        lane = lane * factor + values % factor
    assert isinstance(statement.body, Assign)
    found: set[tuple[str, int]] = set()
    for access in statement.body.reads:
        for dim, subscript in enumerate(access.subscripts):
            banks = wanted.get((access.array, dim), 1)
            reached = evaluate(subscript, statement.iterators, grid) % banks
            if len(np.unique(lane * banks + reached)) > len(np.unique(lane)):
                found.add((f"{access}", dim))
    return found


@pytest.mark.parametrize(
    "name", ["applications/conv2d", "applications/fir", "polybench/seidel_2d", "pom/jacobi_1d"]
)
def test_a_lane_stays_with_its_banks(name):
    problem = replace(example(name), fast_math=True)
    evaluator = Evaluator(problem)
    rng = random.Random(3)
    several = 0
    for structure in find_structures(evaluator.program, problem.fast_math):
        for nest in structure.nests:
            for _ in range(6):
                order = rng.choice(nest.orders)
                extents = [nest.loop(loop).extent for loop in order]
                divisors = [[f for f in range(1, e + 1) if e % f == 0] for e in extents]
                # a rest is peeled off a box only
                factors = tuple(
                    rng.choice(d if nest.is_box else range(1, e + 1))
                    for d, e in zip(divisors, extents, strict=True)
                )
                plan = NestPlan(nest.handle, order, factors)
                banks = wanted_banks(structure.program, nest, plan)
                several += any(number > 1 for number in banks.values())
                assert not moving_banks(structure.program, nest, plan), (plan, banks)
    assert several


def test_a_window_that_is_read_as_a_whole_does_not_count_against_the_stride():
    evaluator = Evaluator(replace(example("applications/conv2d", "medium"), fast_math=True))
    (structure,) = (s for s in find_structures(evaluator.program, True) if s.name == "distributed")
    nest = structure.nests[-1]
    order = nest.orders[0]

    def banks(**lanes: int) -> dict[tuple[str, int], int]:
        plan = NestPlan(nest.handle, order, tuple(lanes.get(loop, 1) for loop in order))
        found = wanted_banks(structure.program, nest, plan)
        return {key: number for key, number in found.items() if key[0] == "image"}

    assert banks(x=2, s=3) == {("image", 2): 4}
    assert banks(x=28, s=3) == {("image", 2): 168}
    assert banks(s=3) == {("image", 2): 2}
    # its place changes with s, whatever the banks
    assert banks(x=2) == {}
    assert banks(c=4, x=2, s=3) == {("image", 0): 4, ("image", 2): 4}
