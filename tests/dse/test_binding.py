"""What a bound rests on is named: resource, loop, array or entries of a pipeline."""

from __future__ import annotations

import pytest

from pom.dse.binding import Binding, BindingKind, binding_text
from pom.dse.branch import Branch
from pom.dse.executor import SerialExecutor
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from tests.dse.problems import example, searched


def bindings_of(problem):
    search = searched(problem, "exact")
    assert search.bindings
    assert sum(b.cycles for b in search.bindings) <= 1.01 * search.best.latency_cycles
    return {b.nest: b for b in search.bindings}


def test_a_product_is_bound_by_the_scarce_resource():
    search = searched(example("polybench/gemm", "mini", "lut=15000"), "exact")
    heaviest = max(search.bindings, key=lambda b: b.cycles)
    assert (heaviest.kind, heaviest.subject) == (BindingKind.COMPUTE, "LUT")


def test_a_sum_that_may_not_be_reassociated_is_bound_by_its_recurrence():
    found = bindings_of(example("polybench/durbin", "mini"))["S5"]
    assert (found.kind, found.subject) == (BindingKind.RECURRENCE, "i")
    assert found.detail == "fadd along i, 5 cycles a step"


def test_short_loops_beside_each_other_are_bound_by_how_often_they_are_entered():
    problem = example("polybench/jacobi_1d")
    search = Search(problem, Store(None), SerialExecutor())
    variants = problem_variants(problem, search.local)
    branch = Branch(search, next(v for v in variants if v.structure.name == "written"))
    rows = [int((table.lanes == 14).argmax()) for table in branch.tables]
    found = branch.bindings(rows)
    assert {(b.kind, b.subject) for b in found} == {(BindingKind.ENTRIES, "t")}
    assert found[0].detail.startswith("filled 20 times")


def test_texts_leave_out_what_hardly_counts():
    heavy = Binding("S0", BindingKind.PORTS, "A", "A, 2 cycles", 990.0)
    light = Binding("S1", BindingKind.COMPUTE, "DSP", "8 lanes, DSP for operators", 10.0)
    assert binding_text((light, heavy)) == "memory ports of S0, A, 2 cycles (99%)"
    assert binding_text(()) == ""


@pytest.mark.parametrize("strategy", ["random"])
def test_strategies_without_bounds_of_nests_name_nothing(strategy):
    assert searched(example("polybench/gemm"), strategy).bindings == ()
