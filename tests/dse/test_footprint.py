"""Accesses per iteration are never overestimated."""

from __future__ import annotations

import pytest

from pom.dse.evaluation import Evaluator
from pom.dse.footprint import Demand, Footprint
from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import with_partitions
from pom.dse.space import problem_variants
from pom.qor_model.latency import estimate_latency
from pom.qor_model.resources import ResourceModel
from pom.qor_model.resources_constants import LUT_TERMS, load_constants
from tests.dse.problems import example


def footprint_of(name, structure, handle):
    evaluator = Evaluator(example(name))
    found = evaluator.structure(structure)
    nest = next(n for n in found.nests if n.handle == handle)
    return Footprint(found.program, nest)


def test_lanes_of_a_stencil_share_elements():
    footprint = footprint_of("polybench/jacobi_2d", "written", "S0")
    # two rows of three lanes: 6 elements, 2 above, … of A once each, and 6 of B
    demand = footprint.demand(NestPlan("S0", ("i", "j"), (2, 3)))
    assert demand.accesses == (6 + 2 * 3 + 2 * 2) + 6
    # one row: every bank has the element above, below and its own, through two ports
    assert footprint.demand(NestPlan("S0", ("i", "j"), (1, 4))).interval == 2


def test_a_copy_of_a_row_loads_it_and_stores_it():
    """The copied row is `A[A_0, A_1]` where A_0 is the loop around: no loop runs over it."""
    footprint = footprint_of("polybench/lu", "distributed-anew", "A_in2_copy")
    assert footprint.demand(NestPlan("A_in2_copy", ("A_1",), (6,))) == Demand(1, 12)
    column = footprint_of("polybench/lu", "distributed-anew", "A_in3_copy")
    assert column.demand(NestPlan("A_in3_copy", ("A_0",), (6,))).accesses == 12


def test_lanes_behind_guards_store_for_themselves():
    """Each of three steps of a sum is behind a guard of its own; what lanes only read, they share."""
    footprint = footprint_of("polybench/trmm", "copied", "S0")
    assert footprint.demand(NestPlan("S0", ("k", "i", "j"), (3, 1, 4))).interval == 3
    assert footprint.demand(NestPlan("S0", ("k", "i", "j"), (1, 4, 5))).interval == 1
    # blocks that are cut off at the end of the array are not shared: 39 rows, 4 by 4 lanes
    update = footprint_of("polybench/lu", "distributed-anew", "S0")
    assert update.demand(NestPlan("S0", ("i", "j"), (3, 3))).interval == 1
    assert update.demand(NestPlan("S0", ("i", "j"), (4, 4))).interval == 2
    # without guards, too
    box = footprint_of("polybench/gemm", "distributed", "S1")
    assert box.demand(NestPlan("S1", ("k", "i", "j"), (1, 6, 5))).interval == 1


def test_a_bank_that_is_known_at_run_time_only_keeps_all_busy():
    """durbin: y[k - i - 1] of lane i is in any of the banks, since k moves it by one."""
    footprint = footprint_of("polybench/durbin", "written", "S7")
    assert footprint.demand(NestPlan("S7", ("i",), (6,))) == Demand(3, 12, "y")
    # without another block, nothing moves: 7 of 7 taps are one block of 4 and a rest
    taps = footprint_of("pom/gaussian", "dependence-aware", "S3")
    assert taps.demand(NestPlan("S3", ("e", "j", "c", "i"), (4, 1, 1, 3))).interval == 1


def test_an_accumulator_is_loaded_and_stored_once_for_all_lanes_of_the_sum():
    footprint = footprint_of("polybench/gemm", "dependence-aware", "S1")
    demand = footprint.demand(NestPlan("S1", ("k", "i", "j"), (3, 1, 2)))
    # A[i, k] stays the same in j; B has 3 by 2 elements, C has 2, loaded and stored
    assert demand == Demand(1, 3 * 2 + 2 + 2)
    # without a loop that remains, everything is straight-line code
    nest = footprint.nest
    all_lanes = tuple(nest.loop(n).extent for n in ("k", "i", "j"))
    assert footprint.demand(NestPlan("S1", ("k", "i", "j"), all_lanes)) == Demand(1, 0)


@pytest.mark.parametrize("name", ["polybench/gemm", "polybench/heat_3d", "polybench/gemver"])
def test_the_model_has_no_fewer_accesses(name):
    evaluator = Evaluator(example(name))
    constants = load_constants(evaluator.library.tool)
    cost = dict(zip(LUT_TERMS, constants.lut, strict=True))["accesses"]
    compared = 0
    for variant in problem_variants(evaluator.problem, evaluator)[:2]:
        structure = variant.structure
        for nest, lists in variant.candidates:
            footprint = Footprint(structure.program, nest)
            rows = range(0, len(lists[0].bound), 7)
            least = footprint.least_accesses(lists[0].order, lists[0].factors)
            for row in rows:
                factors = tuple(int(f) for f in lists[0].factors[row])
                chosen = NestPlan(nest.handle, lists[0].order, factors)
                demand = footprint.demand(chosen)
                assert least[row] <= demand.accesses
                plan = with_partitions(
                    structure.program, structure.nests, Plan(structure.name, (chosen,))
                )
                design = evaluator.rewritten(plan, nest.handle)
                if design is None or chosen.lanes > 24:
                    continue
                result = estimate_latency(design, evaluator.library)
                report = ResourceModel(evaluator.library).estimate(design, result)
                assert demand.accesses * cost <= dict(report.lut_by_cause)["accesses"] + 1e-6
                compared += 1
    assert compared > 5
