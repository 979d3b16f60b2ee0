"""Designs whose nests make registers of an array together."""

from __future__ import annotations

from pom.dse.branch import Branch
from pom.dse.executor import SerialExecutor
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from pom.ir.directives import Partition
from tests.dse.problems import example


def branch_of(name: str, size: str) -> tuple[Search, Branch]:
    search = Search(example(name, size), Store(None), SerialExecutor())
    return search, Branch(search, problem_variants(search.problem, search.local)[0])


def test_lanes_of_several_nests_make_registers_of_an_array():
    """durbin: y is read backwards from a place that varies, so that lanes wait for ports of all banks."""
    search, branch = branch_of("polybench/durbin", "small")
    assert "y" in branch.registers
    rows = tuple(int((table.lanes == 1).argmax()) for table in branch.tables)
    (plain,) = search.evaluate([(branch.plan(rows), "")])
    found = branch.with_registers("y", rows, 20_000.0, plain.latency_cycles)
    assert found is not None
    design, expected = found
    assert expected <= 20_000
    plan = branch.plan(design)
    assert dict(plan.partitions)["y"] == (Partition(1, "complete", 0),)
    (answer,) = search.evaluate([(plan, "")])
    assert answer.latency_cycles < plain.latency_cycles
    # the lanes of the nest that waits are as fast as without any limit by ports
    bounds = [float(t.least_cycles()[r]) for t, r in zip(branch.tables, design, strict=True)]
    assert sum(bounds) <= answer.latency_cycles <= 1.3 * sum(bounds)


def test_a_design_is_offered_once_and_none_that_is_too_slow_or_too_large():
    _, branch = branch_of("polybench/durbin", "small")
    rows = tuple(int((table.lanes == 1).argmax()) for table in branch.tables)
    first = branch.with_registers("y", rows, 20_000.0, float("inf"))
    assert first is not None
    assert branch.with_registers("y", rows, 20_000.0, float("inf")) is None
    assert branch.with_registers("y", rows, 100.0, float("inf")) is None
    assert branch.with_registers("y", rows, 20_000.0, 10.0) is None


def test_a_matrix_of_which_registers_do_not_fit_stays_a_memory():
    search, branch = branch_of("polybench/gemm", "medium")
    rows = tuple(int((table.lanes == 1).argmax()) for table in branch.tables)
    limit = float(search.problem.limits.lut)
    for array in branch.registers:
        assert branch.with_registers(array, rows, limit, float("inf")) is None
