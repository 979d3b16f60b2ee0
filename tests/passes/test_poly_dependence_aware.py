from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.ir.poly import PolyProgram
from pom.passes.carried import (
    carried_dependences,
    carried_distances,
    carried_loops,
    legal_permutations,
    parallel_loops,
)
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_dependence_aware import DependenceAware
from pom.passes.poly_skew import Skew
from tests.passes.brute_force import Enumerated, random_kernel
from tests.passes.nests import (
    access,
    add,
    assign,
    copy,
    gemm,
    i,
    imperfect,
    j,
    kernel,
    load,
    loop,
    seidel,
    shape,
    t,
    triangle,
)


def bicg() -> PolyProgram:
    first = assign("S", access("x", j), add(load("x", j), load("A", i, j)))
    second = assign("Q", access("y", i), add(load("y", i), load("A", i, j)))
    return graph_to_poly(kernel(loop("i", 0, 8, loop("j", 0, 8, first, second))))


def test_carried_loops_go_outward() -> None:
    assert shape(DependenceAware().run(gemm())) == "i(j(scale)) k(i(j(mac)))"
    assert shape(DependenceAware().run(imperfect())) == "i(j(scale)) k(i(j(mac)))"


def test_statements_that_want_different_orders_are_split() -> None:
    new = DependenceAware(fuse=False).run(bicg())
    assert shape(new) == "i(j(S)) j(i(Q))"
    assert parallel_loops(new) == {"S": ("j",), "Q": ("i",)}


def test_wavefronts() -> None:
    body = assign("S", access("A", i, j), add(load("A", i - 1, j), load("A", i, j - 1)))
    program = graph_to_poly(kernel(loop("i", 1, 8, loop("j", 1, 8, body))))
    assert parallel_loops(program)["S"] == ()
    new = DependenceAware().run(program)
    assert parallel_loops(new)["S"] == ("i",)
    assert DependenceAware(skew=False).run(program) == program
    names = [p.name for p in DependenceAware().primitives(program)]
    assert names == ["poly-skew", "poly-reorder"]
    assert isinstance(DependenceAware().primitives(program)[0], Skew)


def test_independent_neighbours_are_fused() -> None:
    first = assign("S", access("x", i), load("y", i))
    second = assign("Q", access("z", i), load("y", i))
    program = graph_to_poly(kernel(loop("i", 0, 8, first), loop("i", 0, 8, second)))
    assert shape(DependenceAware().run(program)) == "i(S Q)"
    assert DependenceAware(fuse=False).run(program) == program
    third = graph_to_poly(kernel(loop("i", 0, 8, first), loop("i", 0, 7, second)))
    assert DependenceAware().run(third) == third
    dependent = assign("Q", access("z", i), load("x", i))
    linked = graph_to_poly(kernel(loop("i", 0, 8, first), loop("i", 0, 8, dependent)))
    assert DependenceAware().run(linked) == linked


def test_what_is_carried() -> None:
    assert carried_loops(gemm()) == {"scale": (), "mac": ("k",)}
    assert carried_loops(gemm(), relax_reductions=True) == {"scale": (), "mac": ()}
    assert parallel_loops(gemm()) == {"scale": ("i", "j"), "mac": ("i", "j")}
    assert carried_loops(seidel()) == {"S": ("t", "i")}
    assert {d.kind for d in carried_dependences(gemm())["mac", "k"]} == {"flow", "anti", "output"}
    assert carried_distances(gemm())["mac", "k"] == 1
    assert carried_distances(gemm())["mac", "i"] is None


def test_a_shared_loop_is_carried_for_all_its_statements() -> None:
    first = assign("S", access("x", i), load("y", i - 1))
    second = assign("Q", access("y", i), load("x", i))
    third = assign("R", access("z", i), load("A", i, 0))
    program = graph_to_poly(kernel(loop("i", 1, 8, first, second, third)))
    assert carried_loops(program) == {"S": ("i",), "Q": ("i",), "R": ("i",)}


def test_shortest_distance() -> None:
    body = assign("S", access("x", t), add(load("x", t - 3), load("x", t - 5)))
    program = graph_to_poly(kernel(loop("t", 5, 20, body)))
    assert carried_distances(program)["S", "t"] == 3


@pytest.mark.parametrize("make", [copy, triangle])
def test_all_orders_of_independent_iterations(make: type) -> None:
    assert legal_permutations(make(), "S") == (("i", "j"), ("j", "i"))


def test_legal_permutations() -> None:
    assert legal_permutations(seidel(), "S") == (("t", "i"),)
    found = legal_permutations(gemm(), "mac")
    assert found[0] == ("i", "j", "k")
    assert len(found) == 6
    assert legal_permutations(gemm(), "mac", limit=2) == found[:2]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9))
def test_order_is_kept(seed: int) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    transformation = DependenceAware()
    new = transformation.run(program)
    assert not Enumerated(source, program).reversed_pairs(new)
    before = {s: len(f) for s, f in parallel_loops(program).items()}
    assert set(parallel_loops(new)) == set(before)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9))
def test_parallel_loops_by_enumeration(seed: int) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    enumerated = Enumerated(source, program)
    carried: set[tuple[str, str]] = set()
    for a, b in enumerated.conflicting_pairs():
        for mine, other in zip(program.path(a[0]), program.path(b[0]), strict=False):
            if isinstance(mine, int) or isinstance(other, int):
                if mine != other:
                    break
                continue
            if mine.expr(a[0]).evaluate(enumerated.point(a)) != other.expr(b[0]).evaluate(
                enumerated.point(b)
            ):
                carried |= {(s, mine.name) for s in mine.statements}
                break
    free = parallel_loops(program)
    for statement in program.statements:
        for node in program.loops(statement.name):
            assert (node.name in free[statement.name]) == (
                (statement.name, node.name) not in carried
            )
