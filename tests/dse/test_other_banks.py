"""What banks of other nests do for a nest: that bounds know of it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

import pom
from pom import devices
from pom.dse.branch import Branch
from pom.dse.evaluation import Evaluation
from pom.dse.executor import SerialExecutor
from pom.dse.known_rows import Room
from pom.dse.other_banks import joint_banks, other_banks, relief
from pom.dse.problem import limits_of
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from pom.exploration.run import make_problem
from pom.passes.graph_to_poly import graph_to_poly
from tests.dse.problems import branches, example
from tests.fuzz.trial import kernel_of

NO_LIMIT = 1 << 40


def test_a_dim_gets_the_least_common_multiple_or_is_split_completely() -> None:
    assert joint_banks(np.array([1, 2, 3, 7]), 4, 20).tolist() == [4, 4, 12, 20]
    assert joint_banks(7, 1009, 100_000) == 1024


@pom.kernel
def scaled_copies(A: pom.f32[24], B: pom.f32[24], C: pom.f32[24, 24]):
    for i in pom.loop("i", 0, 24):
        A[i] = 2.0 * B[i]
    for j in pom.loop("j", 0, 24):
        for k in pom.loop("k", 0, 24):
            C[j, k] += A[k]


def test_banks_of_two_nests_may_be_more_than_each_wants() -> None:
    program = graph_to_poly(scaled_copies.graph)
    wants = [{("A", 0): np.array([1, 4])}, {("A", 0): np.array([1, 6]), ("C", 1): np.array([1, 6])}]
    first, second = other_banks(program, [("S0",), ("S1",)], wants)
    assert {key: banks.tolist() for key, banks in first.items()} == {("A", 0): [1, 6]}
    assert {key: banks.tolist() for key, banks in second.items()} == {("A", 0): [1, 4]}


def test_banks_that_a_lane_chooses_among_at_run_time_help_no_port() -> None:
    program = graph_to_poly(scaled_copies.graph)
    wants, others = {("A", 0): np.array([1, 4])}, {("A", 0): np.array([1, 8])}
    # one bank, and four, with an access that moves on by as many; and one that does not move
    moving = relief(program, 2, wants, others, [("A", [np.array([1, 4])])])
    assert moving.is_less_busy["A"].tolist() == [False, False]
    still = relief(program, 2, wants, others, [("A", [np.array([0, 0])])])
    assert still.is_less_busy["A"].tolist() == [True, True]
    assert still.banks["A"][0].tolist() == [8, 8]
    assert not still.is_register


def test_arrays_become_registers_where_every_dim_is_split_completely() -> None:
    program = graph_to_poly(scaled_copies.graph)
    wants, others = {("A", 0): np.array([1, 5, 24])}, {("A", 0): np.array([1, 7])}
    found = relief(program, 3, wants, others, [("A", [np.array([1, 5, 0])])])
    # seven are too few, 35 are more than there are elements, and 24 are registers anyway
    assert found.is_register["A"].tolist() == [False, True, False]
    assert found.helps(1, ())
    assert not found.helps(0, ("A",))


def whole(branch: Branch, rows: tuple[int, ...]) -> Evaluation:
    (answer,) = branch.search.evaluate([(branch.plan(rows), "")])
    return answer


@pytest.mark.parametrize("number", [29, 34, 35, 40, 43, 52, 67, 75])
def test_bounds_of_nests_are_below_designs_of_random_kernels(number: int) -> None:
    """Of tiny arrays, which become registers as soon as nests want different banks."""
    rng = random.Random(number)
    compared = 0
    problem = make_problem(kernel_of(7, number), "xc7z020", fast_math=bool(number % 2))
    _, found = branches(problem)
    for branch in found:
        room = Room(NO_LIMIT, NO_LIMIT, NO_LIMIT)
        if not branch.tables or not all(len(table) for table in branch.tables):
            continue
        for _ in range(12):
            rows = tuple(rng.randrange(len(table)) for table in branch.tables)
            answer = whole(branch, rows)
            branch.ask([(n, r) for n, r in enumerate(rows) if not branch.tables[n].state[r]])
            bounds = [
                float(branch._beside_others(table, table.bounds(room)[0])[row])
                for table, row in zip(branch.tables, rows, strict=True)
            ]
            if not answer.is_refused and max(bounds) < float("inf"):
                assert sum(bounds) <= answer.latency_cycles
                compared += 1
    assert compared


def test_registers_that_two_nests_make_together_are_in_the_space_and_above_the_bound() -> None:
    """31 lanes and more of them want over 400 banks of 400 elements: the second nest reads registers."""
    problem = example("polybench/trisolv", "medium")
    limits = replace(limits_of(devices.load("xc7z020"), ()), lut=NO_LIMIT, ff=NO_LIMIT)
    search = Search(replace(problem, limits=limits), Store(None), SerialExecutor())
    variants = problem_variants(search.problem, search.local)
    branch = next(
        Branch(search, v)
        for v in variants
        if v.structure.name == "distributed-anew" and not v.implementations
    )
    first, second = branch.tables
    by_lanes = [{t.plan(r).factors: r for r in range(len(t))} for t in (first, second)]
    lanes = next(f for f in sorted(by_lanes[0].keys() & by_lanes[1].keys()) if f[0] > 31)
    other, row = by_lanes[0][31,], by_lanes[1][lanes]
    assert whole(branch, (other, row)).latency_cycles < (
        whole(branch, (by_lanes[0][lanes], row)).latency_cycles
    )
    branch.ask([(0, other), (1, row)])
    assert branch.lower_bound(float("inf")).cycles <= whole(branch, (other, row)).latency_cycles
    assert second.is_relieved[row]
    assert second.relieved.loops[row] < second.known.loops[row]


def test_a_design_of_three_nests_with_registers_is_above_the_bounds_of_its_rows() -> None:
    """Durbin: 4, 6 and 37 lanes want 444 banks of 400 elements, whose ports bound nothing then."""
    problem = example("polybench/durbin", "medium")
    search = Search(problem, Store(None), SerialExecutor())
    branch = next(
        Branch(search, v)
        for v in problem_variants(problem, search.local)
        if v.structure.name == "written" and v.implementations == (("fadd", "fabric"),)
    )
    lanes = (4, 6, 37)
    rows = []
    for table, factor in zip(branch.tables, lanes, strict=True):
        by_lanes = {table.plan(r).factors: r for r in range(len(table))}
        rows.append(by_lanes[factor,])
    answer = whole(branch, tuple(rows)).latency_cycles
    room = Room(NO_LIMIT, NO_LIMIT, NO_LIMIT)
    for is_helped in (False, True):
        branch.ask(list(enumerate(rows)), is_helped=is_helped)
        bounds = [
            float(branch._beside_others(table, table.bounds(room)[0])[row])
            for table, row in zip(branch.tables, rows, strict=True)
        ]
        assert sum(bounds) <= answer
        assert branch.lower_bound(float("inf")).cycles <= answer
