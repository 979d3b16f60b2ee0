"""Structural variants: which there are, and that their designs are right and faster."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pom
from pom.dse.evaluation import Evaluator
from pom.dse.outward import sequential_work
from pom.dse.plan import NestPlan, Plan
from pom.dse.private_arrays import private_arrays
from pom.dse.problem import Problem
from pom.dse.realise import wanted_banks, with_partitions
from pom.dse.space import capped_plans, heaviest_shapes, problem_variants
from pom.dse.structures import find_structures, make_structure
from pom.dse.united import united
from pom.errors import PomError
from pom.passes.poly_after import After
from pom.passes.poly_coalesce import Coalesce
from pom.passes.poly_expand import Expand
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_unite import Unite
from tests.dse.problems import example
from tests.dse.test_realise import assert_computes, check

LENGTH = 404


@pom.kernel
def dot(x: pom.f32[LENGTH], y: pom.f32[LENGTH], out: pom.f32[1]):
    out[0] = 0.0
    for k in pom.loop("k", 0, LENGTH):
        out[0] += x[k] * y[k]


@pom.kernel
def integer_dot(x: pom.int16[LENGTH], y: pom.int16[LENGTH], out: pom.int32[1]):
    out[0] = 0
    for k in pom.loop("k", 0, LENGTH):
        out[0] += x[k] * y[k]


def problem_of(kernel: object, fast_math: bool = False) -> Problem:
    graph = kernel.graph  # type: ignore[attr-defined]
    return replace(example("polybench/gemm"), kernel=graph, fast_math=fast_math)


def plan_of(evaluator: Evaluator, name: str, lanes: int = 1) -> Plan:
    """Every nest with so many lanes along its innermost loop."""
    structure = evaluator.structure(name)
    nests = tuple(
        NestPlan(
            nest.handle,
            nest.orders[0],
            (*(1 for _ in nest.band[1:]), min(lanes, nest.loop(nest.orders[0][-1]).extent)),
        )
        for nest in structure.nests
    )
    return with_partitions(structure.program, structure.nests, Plan(name, nests))


def names(problem: Problem) -> list[str]:
    return [s.name for s in find_structures(Evaluator(problem).program, problem.fast_math)]


def test_a_scalar_sum_is_interleaved_where_it_may_be_reassociated() -> None:
    assert "interleaved" not in names(problem_of(dot))
    assert "interleaved" in names(problem_of(dot, fast_math=True))
    assert "interleaved" in names(problem_of(integer_dot))


def test_a_sum_with_a_parallel_loop_is_not_interleaved() -> None:
    problem = replace(example("polybench/gemm"), fast_math=True)
    assert "interleaved" not in names(problem)
    with pytest.raises(PomError, match="POM-X131"):
        make_structure("interleaved", Evaluator(problem).program, fast_math=True)


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_interleaved_sums_start_every_cycle_and_are_right(lanes: int) -> None:
    problem = problem_of(dot, fast_math=True)
    evaluator = Evaluator(problem)
    chained = evaluator.evaluate(plan_of(evaluator, "dependence-aware"))
    interleaved = plan_of(evaluator, "interleaved", lanes)
    answer = evaluator.evaluate(interleaved)
    assert not answer.is_refused
    assert chained.latency_cycles > 3 * LENGTH
    assert answer.latency_cycles < (1.5 if lanes == 1 else 0.75) * LENGTH
    assert_computes(problem, evaluator.realised(interleaved))


def test_interleaved_integers_are_exact() -> None:
    assert len(check(problem_of(integer_dot), 8)) >= 6


def test_a_stencil_in_place_becomes_wavefronts() -> None:
    problem = example("pom/seidel")
    evaluator = Evaluator(problem)
    written = evaluator.evaluate(plan_of(evaluator, "written"))
    wavefronts = plan_of(evaluator, "dependence-aware", lanes=4)
    answer = evaluator.evaluate(wavefronts)
    assert answer.latency_cycles < written.latency_cycles / 4
    assert_computes(problem, evaluator.realised(wavefronts))


FACTORISATIONS = ("lu", "cholesky", "trisolv")


@pytest.mark.parametrize("name", FACTORISATIONS)
def test_factorisations_update_what_remains_side_by_side(name: str) -> None:
    """After the outermost loop carries all, the update of the remaining matrix is free."""
    problem = example(f"polybench/{name}", "small")
    evaluator = Evaluator(problem)
    written = evaluator.evaluate(plan_of(evaluator, "written"))
    right_looking = plan_of(evaluator, "distributed-anew", lanes=8)
    answer = evaluator.evaluate(right_looking)
    assert not answer.is_refused
    assert answer.latency_cycles < written.latency_cycles / 8
    small = example(f"polybench/{name}")
    evaluator = Evaluator(small)
    plan = plan_of(evaluator, "distributed-anew", lanes=3)
    assert_computes(small, evaluator.realised(plan))


def test_what_all_lanes_read_is_read_once() -> None:
    """Behind its guard every lane would read the pivot's column at a port of its own."""
    evaluator = Evaluator(example("polybench/lu", "small"))
    plan = plan_of(evaluator, "distributed-anew", lanes=16)
    program = evaluator.realised(plan)
    update = program.statement("S0").body
    scalars = [a for a in update.reads if not a.subscripts]  # type: ignore[union-attr]
    assert len(scalars) == 1
    assert evaluator.evaluate(plan, "S0").resources.dsp >= 16 * 5


def test_structures_that_leave_far_more_in_sequence_are_left_out() -> None:
    problem = example("polybench/lu")
    evaluator = Evaluator(problem)
    found = {s.name: sequential_work(s.program) for s in find_structures(evaluator.program)}
    assert found["written"] > 10 * found["distributed-anew"]
    kept = {v.structure.name for v in problem_variants(problem, evaluator)}
    assert kept == {"distributed-anew"}


def test_scalars_inside_a_nest_can_be_estimated_with_lanes() -> None:
    """symm accumulates in a scalar of its own beside an update with lanes."""
    evaluator = Evaluator(example("polybench/symm"))
    assert not evaluator.evaluate(plan_of(evaluator, "distributed", lanes=4)).is_refused


@pytest.mark.parametrize(
    ("name", "structure"),
    [("deriche", "distributed"), ("symm", "distributed"), ("ludcmp", "distributed-anew")],
)
def test_storage_that_iterations_share_does_not_keep_them_in_sequence(
    name: str, structure: str
) -> None:
    problem = example(f"polybench/{name}")
    evaluator = Evaluator(problem)
    found = evaluator.structure(structure)
    assert any(isinstance(p, Coalesce | Expand) for p in found.primitives)
    assert sequential_work(found.program) < sequential_work(evaluator.program) / 10
    assert_computes(problem, evaluator.realised(plan_of(evaluator, structure, lanes=3)))


def test_nests_that_compute_the_same_become_one() -> None:
    """lu updates what is left and right of the diagonal in two places."""
    structure = Evaluator(example("polybench/lu")).structure("distributed-anew")
    assert Unite("S0", "S2") in structure.primitives
    (update,) = [n for n in structure.nests if len(n.band) == 2]
    assert update.statements == ("S0",)
    assert [n.handle for n in structure.nests if "copy" in n.handle] == ["A_in2_copy", "A_in3_copy"]


@pom.kernel
def two_triangles(A: pom.f32[8, 8], x: pom.f32[8]):
    for i in pom.loop("i", 0, 8):
        for j in pom.loop("j", 0, i):
            A[i, j] = A[i, j] - x[j]
    for i in pom.loop("i", 0, 8):
        for j in pom.loop("j", i + 2, 8):
            A[i, j] = A[i, j] - x[j]


def test_nests_that_leave_a_gap_stay_apart() -> None:
    assert united(Evaluator(problem_of(two_triangles)).program, False) == ()


def test_an_accumulator_stays_apart_from_what_its_sum_reads() -> None:
    """ludcmp's back substitution: each x[i] is a sum of other elements of x, one after the other."""
    problem = example("polybench/ludcmp")
    evaluator = Evaluator(problem)
    structure = evaluator.structure("distributed-anew")
    homes = [p.statement for p in structure.primitives if isinstance(p, Coalesce)]
    assert "S8" in homes
    assert "S11" not in homes
    answer = evaluator.evaluate(plan_of(evaluator, "distributed-anew"), "S10")
    additions = sum(range(40))
    assert 5 * additions < answer.latency_cycles < 9 * additions


def test_lanes_on_a_diagonal_need_banks_in_one_dim() -> None:
    problem = example("polybench/cholesky", "small")
    evaluator = Evaluator(problem)
    structure = evaluator.structure("distributed-anew")
    (diagonal,) = [n for n in structure.nests if n.handle == "S2"]
    plan = NestPlan("S2", diagonal.orders[0], (8,))
    assert wanted_banks(structure.program, diagonal, plan)["A", 0] == 8
    assert ("A", 1) not in wanted_banks(structure.program, diagonal, plan)
    whole = with_partitions(structure.program, structure.nests, Plan("distributed-anew", (plan,)))
    lanes = evaluator.evaluate(whole, "S2")
    single = replace(whole, nests=(NestPlan("S2", diagonal.orders[0], (1,)),), partitions=())
    assert lanes.latency_cycles < 0.4 * evaluator.evaluate(single, "S2").latency_cycles


def test_two_lanes_of_a_copy_share_a_bank() -> None:
    """The pivot's row is in one bank of a matrix that is split by rows, which has two ports."""
    evaluator = Evaluator(example("polybench/lu", "small"))
    structure = evaluator.structure("distributed-anew")
    (row,) = [n for n in structure.nests if n.handle == "A_in2_copy"]
    plans = [NestPlan(row.handle, row.orders[0], (lanes,)) for lanes in (1, 2, 3)]
    banks = [wanted_banks(structure.program, row, plan) for plan in plans]
    assert banks == [{}, {}, {("A", 1): 3, ("A_in2", 0): 3}]
    one, two = (
        evaluator.evaluate(Plan("distributed-anew", (plan,)), row.handle).latency_cycles
        for plan in plans[:2]
    )
    assert two < 0.6 * one


def test_large_local_arrays_are_not_expanded() -> None:
    """doitgen's sums get a dim of 60, not one of 50 more."""
    program = Evaluator(example("polybench/doitgen", "medium")).program
    steps = private_arrays(program)
    assert [s.loop for s in steps if isinstance(s, Expand)] == ["q"]


def test_pivots_are_cut_out() -> None:
    """Shortest paths: row and column k change in the iteration in which all others read them."""
    problem = example("polybench/floyd_warshall")
    evaluator = Evaluator(problem)
    pivoted = evaluator.structure("pivoted")
    assert len([s for s in pivoted.program.statements if s.name.startswith("S0")]) == 9
    assert sequential_work(pivoted.program) < sequential_work(evaluator.program) / 20
    assert_computes(problem, evaluator.realised(plan_of(evaluator, "pivoted", lanes=3)))
    with pytest.raises(PomError, match="POM-X132"):
        make_structure("pivoted", Evaluator(example("polybench/gemm")).program)


def test_what_a_kernel_was_given_is_read_from_a_copy() -> None:
    """trmm reads rows below, which it changes later: with a copy, every order is legal."""
    problem = example("polybench/trmm")
    evaluator = Evaluator(problem)
    copied = evaluator.structure("copied")
    update = next(n for n in copied.nests if n.handle == "S0")
    assert len(update.orders) == 6
    assert_computes(problem, evaluator.realised(plan_of(evaluator, "copied", lanes=3)))
    with pytest.raises(PomError, match="POM-X133"):
        make_structure("copied", Evaluator(example("polybench/gemm")).program)


def test_updates_that_wait_come_last() -> None:
    """nussinov: a score waits for its neighbour, and is the best of many others, too."""
    problem = example("polybench/nussinov")
    evaluator = Evaluator(problem)
    made = evaluator.structure("commuted")
    assert made.primitives[:2] == (After("S0", "S4", "j"), Reorder("S4", ("up", "k", "j")))
    update = next(n for n in made.nests if n.handle == "S4")
    assert [loop.name for loop in update.prefix] == ["up", "k"]
    assert sequential_work(made.program) < 0.6 * sequential_work(evaluator.program)
    for lanes in (1, 7):
        assert_computes(problem, evaluator.realised(plan_of(evaluator, "commuted", lanes)))
    with pytest.raises(PomError, match="POM-X134"):
        make_structure("commuted", Evaluator(example("polybench/gemm")).program)


def test_loops_end_to_end_are_no_structure() -> None:
    """isl makes one loop over ``297 t + i`` of two."""
    with pytest.raises(PomError, match="POM-X135"):
        make_structure("distributed-anew", Evaluator(example("polybench/adi", "medium")).program)


@pom.kernel
def one_triangle(x: pom.int32[LENGTH, LENGTH], out: pom.int32[1]):
    for i in pom.loop("i", 0, LENGTH):
        for k in pom.loop("k", 0, i):
            out[0] += x[i, k]


@pom.kernel
def one_square(x: pom.int32[LENGTH, LENGTH], out: pom.int32[1]):
    for i in pom.loop("i", 0, LENGTH):
        for k in pom.loop("k", 0, LENGTH):
            out[0] += x[i, k]


def test_sums_have_lanes_in_boxes_only() -> None:
    """Lanes of a sum are combined by trees, which a triangle has none of."""
    triangle, square = (
        sequential_work(Evaluator(problem_of(k)).program) for k in (one_triangle, one_square)
    )
    assert triangle > 4 * square


@pytest.mark.parametrize("factors", [(2, 1, 3), (3, 1, 4), (2, 2, 2), (1, 3, 2)])
def test_lanes_with_guards_read_what_they_share_once(factors: tuple[int, ...]) -> None:
    """Lanes in a block that is cut off diagonally, some of which read the same elements."""
    problem = example("polybench/trmm")
    evaluator = Evaluator(problem)
    structure = evaluator.structure("copied")
    nests = tuple(
        NestPlan(n.handle, ("i", "k", "j"), factors)
        if n.handle == "S0"
        else NestPlan(n.handle, n.orders[0], (1,) * len(n.band))
        for n in structure.nests
    )
    plan = with_partitions(structure.program, structure.nests, Plan("copied", nests))
    assert_computes(problem, evaluator.realised(plan))


def test_lanes_with_guards_start_every_cycle() -> None:
    problem = example("polybench/trmm")
    evaluator = Evaluator(problem)
    structure = evaluator.structure("copied")

    def cycles(*factors: int) -> float:
        plan = Plan("copied", (NestPlan("S0", ("i", "k", "j"), factors),))
        answer = evaluator.evaluate(with_partitions(structure.program, structure.nests, plan), "S0")
        return answer.latency_cycles

    assert cycles(4, 1, 6) < 0.2 * cycles(1, 1, 1)


@pytest.mark.parametrize("name", ["lu", "floyd_warshall", "correlation"])
def test_first_designs_split_every_array_in_one_dim(name: str) -> None:
    problem = example(f"polybench/{name}")
    evaluator = Evaluator(problem)
    variant = problem_variants(problem, evaluator)[0]
    plans = capped_plans(variant, 4)
    structure = variant.structure
    assert [p.statement for p in plans] == [n.handle for n in structure.nests]
    assert {p.lanes for p in plans} == {1, 4}
    plan = with_partitions(structure.program, structure.nests, Plan(structure.name, plans, (), ()))
    assert all(len(partitions) == 1 for _, partitions in plan.partitions)
    assert_computes(problem, evaluator.realised(plan))


def test_first_designs_have_every_order_and_loop_of_the_heaviest_nest() -> None:
    problem = example("polybench/trmm")
    variant = problem_variants(problem, Evaluator(problem))[0]
    shapes = heaviest_shapes(variant, 4)
    assert len({loop for _, loop in shapes}) > 1
    assert len(set(shapes)) == len(shapes)
    for order, loop in shapes:
        update = next(p for p in capped_plans(variant, 4, (order, loop)) if p.statement == "S0")
        assert (update.order, update.lanes, update.factor(loop)) == (order, 4, 4)


def test_what_moves_with_lanes_in_skewed_loops_is_not_read_once() -> None:
    """A wavefront's lanes have different iterators, though one of the loops stays."""
    problem = example("polybench/nussinov")
    evaluator = Evaluator(problem)
    plan = plan_of(evaluator, "dependence-aware", lanes=4)
    assert not evaluator.evaluate(plan).is_refused
    assert_computes(problem, evaluator.realised(plan))
