"""Tiles in triangles: they compute the same, and no design with them is faster than its bound."""

from __future__ import annotations

import numpy as np
import pytest

from pom.dse.branch import Branch
from pom.dse.evaluation import Evaluator
from pom.dse.executor import SerialExecutor
from pom.dse.plan import NestPlan, Plan, parse_plan
from pom.dse.realise import _is_within, block_end, block_limit, with_partitions
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from pom.dse.strategies.candidates import DesignSpace
from pom.dse.tiles import may_be_tiled
from tests.dse.problems import example
from tests.dse.test_realise import assert_computes

KERNELS = ("polybench/syrk", "polybench/syr2k", "polybench/covariance")


def tiled_rows(name, size="mini"):
    """A search, and branch, nest and rows with tiles of the first variant that has some."""
    search = Search(example(name, size), Store(None), SerialExecutor())
    for variant in problem_variants(search.problem, search.local):
        branch = Branch(search, variant)
        for n, table in enumerate(branch.tables):
            rows = [r for r in range(len(table)) if table.plan(r).tile]
            if rows:
                return search, branch, n, rows
    pytest.fail(f"{name} has no tiles")


@pytest.mark.parametrize("name", KERNELS)
def test_a_design_with_tiles_computes_what_the_kernel_computes(name):
    search, branch, n, rows = tiled_rows(name)
    structure, local = branch.variant.structure, search.local
    for row in rows[:: max(1, len(rows) // 4)]:
        nests = (branch.tables[n].plan(row),)
        plan = with_partitions(structure.program, structure.nests, Plan(structure.name, nests))
        assert_computes(search.problem, local.realised(plan))


@pytest.mark.parametrize(("name", "size"), [(k, "mini") for k in KERNELS] + [(KERNELS[0], "small")])
def test_no_design_with_tiles_is_faster_than_its_bound(name, size):
    _, branch, n, rows = tiled_rows(name, size)
    table = branch.tables[n]
    chosen = rows[:: max(1, len(rows) // 12)]
    for row in chosen:
        table.refine(row)
    bounds = table.least_cycles()
    branch.ask([(n, row) for row in chosen], is_helped=False)
    answers = {row: table.answers[row] for row in chosen}
    assert not all(answer.is_refused for answer in answers.values())
    for row, answer in answers.items():
        assert bounds[row] <= answer.latency_cycles + 1e-6, table.plan(row)


def test_a_tile_fills_the_pipeline_less_often():
    _, branch, n, rows = tiled_rows("polybench/syrk", "small")
    table = branch.tables[n]
    branch.ask([(n, row) for row in rows[:8]], is_helped=False)
    found = {row: a for row in rows[:8] if not (a := table.answers[row]).is_refused}
    best = min(found, key=lambda row: found[row].latency_cycles)
    plan = table.plan(best)
    alike = [r for r in range(len(table)) if table.lanes[r] == plan.lanes and r not in rows]
    alike = sorted(alike, key=lambda row: table.least_cycles()[row])[:8]
    branch.ask([(n, row) for row in alike], is_helped=False)
    others = [table.answers[row].latency_cycles for row in alike]
    assert found[best].latency_cycles < 0.9 * min(others)


def test_a_row_is_found_by_its_plan_and_a_plan_by_its_text():
    _, branch, n, rows = tiled_rows("polybench/syrk")
    table = branch.tables[n]
    for row in (rows[0], rows[-1], 0):
        plan = table.plan(row)
        assert table.row_of(plan) == row
        assert parse_plan(Plan("written", (plan,)).text).nests == (plan,)
    assert str(NestPlan("S", ("j", "i"), (2, 3), tile=4)) == "S[j*2 i*3 tiles of 4]"


def test_only_sums_into_triangles_get_tiles():
    for name, expected in (("polybench/gemm", False), ("polybench/syrk", True)):
        evaluator = Evaluator(example(name))
        (variant, *_) = problem_variants(evaluator.problem, evaluator)
        program = variant.structure.program
        found = [
            may_be_tiled(program, nest, o) for nest, _ in variant.candidates for o in nest.orders
        ]
        assert any(found) == expected


def test_other_strategies_have_tiles_too():
    problem = example("polybench/syrk")
    space = DesignSpace(problem_variants(problem, Evaluator(problem)))
    variant = space.variants[0]
    shape = space.shape(variant)
    last = space.plan(variant, tuple(count - 1 for count in shape))
    assert any(nest.tile for nest in last.nests)
    assert np.prod(shape) > 0


@pytest.mark.parametrize("name", [*KERNELS, "polybench/correlation", "polybench/trmm"])
def test_blocks_end_within_the_arrays_where_lanes_share_what_they_read(name):
    evaluator = Evaluator(example(name))
    (variant, *_) = problem_variants(evaluator.problem, evaluator)
    program, some = variant.structure.program, 0
    for nest, _ in variant.candidates:
        bodies = {s: program.statement(s).body for s in nest.statements}
        written = {body.target.array for body in bodies.values()}
        reads = [(s, a) for s, b in bodies.items() for a in b.reads if a.array not in written]
        for loop in nest.band:
            limit = block_limit(program, nest, loop.name)
            for size in range(2, loop.extent):
                expected = all(_is_within(program, nest, s, a, {loop.name: size}) for s, a in reads)
                assert (limit is not None and block_end(loop, size) <= limit) == expected
                some += expected
    assert some
