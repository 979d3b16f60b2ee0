from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.expr import Apply
from pom.ir.types import f32
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_reorder import Reorder, reordered
from pom.passes.poly_skew import Skew
from tests.passes.nests import (
    access,
    add,
    assign,
    gemm,
    i,
    imperfect,
    j,
    kernel,
    load,
    loop,
    seidel,
    shape,
    triangle,
    values,
)


def test_shape() -> None:
    new = Reorder("mac", ("k", "i", "j")).run(gemm())
    assert shape(new) == "i(j(scale)) k(i(j(mac)))"
    assert values(new, "mac") == ["k", "i", "j"]


def test_loops_that_are_not_named_stay() -> None:
    assert shape(Reorder("mac", ("k", "i")).run(gemm())) == "i(j(scale)) k(j(i(mac)))"


def test_the_present_order_changes_nothing() -> None:
    program = imperfect()
    assert Reorder("mac", ("i", "k")).run(program) == program


def test_imperfect_nests_are_distributed() -> None:
    assert shape(Reorder("mac", ("k", "i", "j")).run(imperfect())) == "i(j(scale)) k(i(j(mac)))"


def test_only_loops_that_move_need_a_perfect_nest() -> None:
    # S and T depend on each other along i, so that i cannot be distributed
    first = assign("S", access("x", i), load("A", i - 1, 0))
    update = add(load("A", i, j), load("x", i))
    second = assign("T", access("A", i, j), update)
    nest = loop("i", 1, 8, first, loop("j", 0, 8, loop("k", 0, 8, second)))
    new = Reorder("T", ("i", "k", "j")).run(graph_to_poly(kernel(nest)))
    assert shape(new) == "i(S k(j(T)))"


def test_neither_distribution_nor_sinking() -> None:
    # T(i) needs S(i, 7) and gives to S(i + 1, ·)
    first = assign("S", access("A", i, j), add(load("A", i - 1, j), load("x", i)))
    second = assign("T", access("x", i + 1), load("A", i, 7))
    program = graph_to_poly(kernel(loop("i", 1, 8, loop("j", 0, 8, first), second)))
    with pytest.raises(PomError, match="POM-S001"):
        Reorder("S", ("j", "i")).run(program)
    # without the value that goes back, both ways are open and the simpler one is taken
    first = assign("S", access("A", i, j), load("A", i - 1, j))
    program = graph_to_poly(kernel(loop("i", 1, 8, loop("j", 0, 8, first), second)))
    assert shape(Reorder("S", ("j", "i")).run(program)) == "j(i(S)) i(T)"


def test_sunk_statements_run_in_the_first_or_last_iteration() -> None:
    # R(i + 1) needs S(i, 2), so that R cannot have a nest of its own before that of S
    before = assign("R", access("x", i), load("A", i - 1, 2))
    inner = assign("S", access("A", i, j), load("x", i))
    after = assign("T", access("y", i), load("A", i, 5))
    nest = loop("i", 1, 8, before, loop("j", 2, 6, inner), after)
    new = Reorder("S", ("j", "i")).run(graph_to_poly(kernel(nest)))
    assert shape(new) == "j(i(R S T))"
    assert values(new, "R") == ["2", "i"]
    assert values(new, "S") == ["j", "i"]
    assert values(new, "T") == ["5", "i"]


def test_sunk_statements_may_run_where_the_inner_loop_ends() -> None:
    """Every element waits for the one before it, and updates those behind it."""
    update = assign("T", access("x", i), add(load("x", i), load("x", j)))
    finish = assign("S", access("x", i), Apply("mul", (load("x", i), load("y", i)), f32))
    nest = loop("i", 1, 8, loop("j", 0, i, update), finish)
    new = Reorder("T", ("j", "i")).run(graph_to_poly(kernel(nest)))
    assert shape(new) == "j(i(T S))"
    assert values(new, "S") == ["i - 1", "i"]
    assert values(new, "T") == ["j", "i"]


def test_triangles() -> None:
    assert values(Reorder("S", ("j", "i")).run(triangle()), "S") == ["j", "i"]


def test_the_hint_works() -> None:
    program = seidel()
    with pytest.raises(PomError, match="POM-S001") as caught:
        Reorder("S", ("i", "t")).run(program)
    assert caught.value.hint == "skew 'i' by 't' first: skew('t', 'i', 1)"
    skewed = Skew("S", "t", "i", 1).run(program)
    assert shape(Reorder("S", ("i", "t")).run(skewed)) == "i(t(S))"


def test_another_order_as_hint() -> None:
    # distance (1, -1, *) on i, j: the order k, i, j is legal, j before i is not
    body = assign("S", access("A", i, j), load("A", i - 1, j + 1))
    nest = loop("i", 1, 8, loop("j", 0, 8, loop("k", 0, 1, body)))
    program = graph_to_poly(kernel(nest))
    with pytest.raises(PomError, match="POM-S001") as caught:
        Reorder("S", ("j", "i", "k")).run(program)
    assert caught.value.hint is not None
    assert "skew" in caught.value.hint


@pytest.mark.parametrize("order", [("i",), ("i", "i"), ()])
def test_wrong_arguments(order: tuple[str, ...]) -> None:
    with pytest.raises(PomError, match="POM-S007"):
        Reorder("mac", order).run(gemm())


def test_unknown_loop() -> None:
    with pytest.raises(PomError, match="POM-S003"):
        Reorder("mac", ("i", "z")).run(gemm())


def test_sinking_keeps_loop_names_apart() -> None:
    # S cannot be distributed from T, and moves into the first iteration of T's `j`
    first = loop("j", 0, 8, assign("S", access("x", i), load("A", i - 1, j)))
    second = loop("j", 0, 8, assign("T", access("A", i, j), load("x", i)))
    program = graph_to_poly(kernel(loop("i", 1, 8, first, second)))
    candidates = reordered(program, "T", ("j", "i"))
    assert [shape(c) for c in candidates][-1] == "j(i(j_2(S) T))"
    for candidate in candidates:
        for statement in ("S", "T"):
            names = [n.name for n in candidate.loops(statement)]
            assert len(names) == len(set(names))
