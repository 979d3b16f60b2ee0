"""The nests of a program: bands, prefixes, legal orders, work and recurrences."""

from __future__ import annotations

from dataclasses import replace

import pom
from pom.dse.evaluation import Evaluator
from pom.dse.nests import Nest, Operation, find_nests
from pom.passes.graph_to_poly import graph_to_poly
from tests.dse.problems import example


def nests_of(name: str, structure: str = "written") -> tuple[Nest, ...]:
    return Evaluator(example(name)).structure(structure).nests


def test_an_imperfect_nest_is_a_prefix_with_bands() -> None:
    scale, mac = nests_of("polybench/gemm")
    assert [loop.name for loop in scale.prefix] == [loop.name for loop in mac.prefix] == ["i"]
    assert [loop.name for loop in scale.band] == ["j"]
    assert [(loop.name, loop.extent) for loop in mac.band] == [("k", 30), ("j", 25)]
    assert (scale.handle, mac.handle) == ("S0", "S1")


def test_every_order_of_a_matrix_product_is_legal_and_the_written_one_is_first() -> None:
    _, mac = nests_of("polybench/gemm", "dependence-aware")
    assert mac.orders[0] == tuple(loop.name for loop in mac.band)
    assert len(set(mac.orders)) == 6
    assert mac.box == 20 * 25 * 30


def test_work_depends_on_the_loops_of_its_operands() -> None:
    _, mac = nests_of("polybench/gemm", "dependence-aware")
    assert Operation("fmul", ("i", "k")) in mac.work  # alpha * A[i, k] serves every j
    assert Operation("fmul", ("i", "j", "k")) in mac.work
    assert Operation("fmul", ("i", "k")).copies({"i": 2, "j": 5, "k": 3}) == 6


def test_a_reduction_is_a_recurrence_of_distance_one() -> None:
    _, mac = nests_of("polybench/gemm", "dependence-aware")
    (recurrence,) = mac.recurrences
    assert recurrence.operators == ("fadd",)
    assert {d for d in recurrence.distance if d[1:] != (0, 0)} == {("k", 1, 1)}


def test_a_triangle_is_no_box() -> None:
    assert all(nest.is_box for nest in nests_of("polybench/gemm"))
    assert not all(nest.is_box for nest in nests_of("polybench/trmm"))


def test_a_carried_order_stays() -> None:
    @pom.kernel
    def sweep(A: pom.f32[20, 20]):
        for i in pom.loop("i", 1, 19):
            for j in pom.loop("j", 1, 19):
                A[i, j] = A[i - 1, j + 1] + 1.0

    (nest,) = find_nests(graph_to_poly(sweep.graph))
    assert nest.orders == (("i", "j"),)


def test_neighbours_of_a_long_band_move_together() -> None:
    def orders(*, fast_math: bool) -> tuple[Nest, set[tuple[str, ...]]]:
        problem = replace(example("applications/conv2d"), fast_math=fast_math)
        nest = Evaluator(problem).structure("distributed").nests[-1]
        return nest, {*nest.orders}

    nest, found = orders(fast_math=False)
    assert nest.orders[0] == ("f", "y", "x", "c", "r", "s")
    # a sum keeps its order
    assert all([n for n in order if n in "crs"] == ["c", "r", "s"] for order in found)
    assert ("c", "r", "f", "y", "x", "s") in found
    assert not nest.is_permutable
    assert [loop.name for loop in nest.band if nest.may_have_lanes(nest.orders[0], loop.name)] == [
        "f", "y", "x", "s",
    ]  # fmt: skip
    nest, found = orders(fast_math=True)
    assert {("s", "f", "y", "x", "c", "r"), ("f", "y", "c", "r", "s", "x")} <= found
    assert nest.is_permutable


def test_statements_outside_of_all_loops_are_in_no_nest() -> None:
    @pom.kernel
    def one(A: pom.f32[8]):
        A[0] = 1.0
        for i in pom.loop("i", 1, 8):
            A[i] = A[0]

    (nest,) = find_nests(graph_to_poly(one.graph))
    assert nest.statements == ("S1",)


def test_lanes_along_a_loop_that_has_to_stay_outside_are_left_out() -> None:
    """Time steps of a stencil in place cannot run inside of the sweep."""
    (sweep,) = nests_of("polybench/seidel_2d", "dependence-aware")
    assert all(not sweep.may_have_lanes(order, "t") for order in sweep.orders)
    assert any(sweep.may_have_lanes(order, "i") for order in sweep.orders)
    _, mac = nests_of("polybench/gemm", "dependence-aware")
    assert all(mac.may_have_lanes(order, loop) for order in mac.orders for loop in order)


def test_free_loops_carry_nothing_where_they_are_innermost() -> None:
    (sweep,) = nests_of("polybench/seidel_2d", "dependence-aware")
    assert sweep.free_loops == ("i",)
    assert nests_of("polybench/seidel_2d")[0].free_loops == ()
    _, mac = nests_of("polybench/gemm", "dependence-aware")
    assert set(mac.free_loops) == {"i", "j"}


def test_values_that_iterations_hand_each_other_differ() -> None:
    """A recursive filter: of its inputs, the one before is in a variable."""

    @pom.kernel
    def handed(x: pom.f32[40], y: pom.f32[40]):
        before = pom.array("before", pom.f32)
        before[()] = 0
        for j in pom.loop("j", 0, 40):
            y[j] = 0.3 * x[j] + 0.4 * before
            before[()] = x[j]

    (nest,) = find_nests(graph_to_poly(handed.graph))
    assert nest.work == (
        Operation("fadd", ("j",)),
        Operation("fmul", ("j",)),
        Operation("fmul", ("j",)),
    )


def test_a_product_that_the_next_iteration_may_have_counts_once() -> None:
    """The last input of one lane is the one before of the next."""

    @pom.kernel
    def alike(x: pom.f32[40], y: pom.f32[40]):
        before = pom.array("before", pom.f32)
        before[()] = 0
        for j in pom.loop("j", 0, 40):
            y[j] = 0.3 * x[j] + 0.3 * before
            before[()] = x[j]

    (nest,) = find_nests(graph_to_poly(alike.graph))
    assert nest.work == (Operation("fadd", ("j",)), Operation("fmul", ("j",)))


def test_sums_of_two_arrays_do_not_share_products() -> None:
    (sums,) = (n for n in nests_of("polybench/gesummv") if len(n.statements) > 1)
    assert [w.operator for w in sums.work] == ["fadd", "fadd", "fmul", "fmul"]
