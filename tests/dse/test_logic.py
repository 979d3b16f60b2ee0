"""LUT of integer operations in the bounds: never more than the model counts."""

from __future__ import annotations

import random

import pytest

from pom.dse.branch import Branch
from pom.dse.evaluation import own_lut
from pom.dse.executor import SerialExecutor
from pom.dse.logic import Logic
from pom.dse.nest_table import KNOWN
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from tests.dse.problems import example


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("polybench/floyd_warshall", "pivoted"),
        ("polybench/nussinov", "commuted"),
        ("pom/blur", "written"),
        # choices of floats are shared
        ("polybench/correlation", "distributed"),
    ],
)
def test_rows_need_what_their_bounds_say(name: str, structure: str) -> None:
    rng = random.Random(1)
    search = Search(example(name), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    branch = Branch(search, next(v for v in variants if v.structure.name == structure))
    seen = 0
    for n, table in enumerate(branch.tables):
        for row in rng.sample(range(len(table)), min(len(table), 5)):
            table.refine(row)
            bound = float(table.own_lut[row])
            branch.ask([(n, row)])
            if table.state[row] == KNOWN:
                seen += 1
                assert bound <= own_lut(table.answers[row])
    assert seen >= 5


def test_every_lane_has_its_own() -> None:
    search = Search(example("polybench/floyd_warshall"), Store(None), SerialExecutor())
    (variant, *_) = problem_variants(search.problem, search.local)
    program = variant.structure.program
    nest = next(n for n, _ in variant.candidates if n.handle == "S0")
    found = Logic.of(program, nest, search.local.library)
    ((loops, each),) = found.by_loops
    assert loops == ("i", "j")
    # an addition, a comparison and a choice of 32 or 33 bits
    assert 70 < each < 140
