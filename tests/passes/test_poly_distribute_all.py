"""distribute_all: what stays together, what is cut, and that nothing changes."""

from __future__ import annotations

import random

import islpy as isl
import networkx
import pytest

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.carried import carried_loops
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_distribute_all import DistributeAll, carrying_loops, cycles
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reorder import Reorder
from pom.schedule import schedule
from tests.passes.brute_force import random_kernel
from tests.passes.data_primitives import assert_same, program
from tests.passes.nests import access, assign, gemm, i, imperfect, j, k, kernel, load, loop, shape


def factorisation(n: int = 8) -> PolyProgram:
    """``x[i,k]`` scales a row below ``k``, then updates the rest."""
    scaled = assign("scale", access("A", i, k), load("A", k, k))
    update = assign("update", access("A", i, j), load("A", i, k))
    below = loop("i", k + 1, n, scaled, loop("j", k + 1, n, update))
    return graph_to_poly(kernel(loop("k", 0, n, below)))


def test_shapes() -> None:
    assert shape(DistributeAll().run(imperfect())) == "i(j(scale)) i(j(k(mac)))"
    assert shape(DistributeAll().run(gemm())) == "i(j(scale)) i(j(k(mac)))"
    assert shape(DistributeAll().run(factorisation())) == "k(i(scale) i(j(update)))"


def test_a_cycle_keeps_the_loop_that_carries_it() -> None:
    """R(i) is needed by P(i + 1): the loop i stays, and its body is cut."""
    first = assign("P", access("A", i, j), load("x", i))
    second = assign("Q", access("B", i, j), load("A", i, j))
    third = assign("R", access("x", i + 1), load("B", i, 0))
    cycle = graph_to_poly(kernel(loop("i", 0, 8, loop("j", 0, 8, first, second), third)))
    assert shape(DistributeAll().run(cycle)) == "i(j(P) j(Q) R)"


def test_independent_parts_keep_the_order_of_the_text() -> None:
    body = [assign(name, access(a, i), load("y", i)) for name, a in (("Q", "x"), ("P", "z"))]
    assert shape(DistributeAll().run(graph_to_poly(kernel(loop("i", 0, 8, *body))))) == "i(Q) i(P)"


def test_a_loop_that_runs_once_is_left_out() -> None:
    first = assign("P", access("A", i, j), load("A", i, i))
    once = graph_to_poly(kernel(loop("i", 0, 8, loop("j", i, i + 1, first))))
    assert shape(DistributeAll().run(once)) == "i(P)"
    kept = Pipeline("P", "j", 1).run(once)
    assert DistributeAll().run(kept) == kept


def test_it_can_be_written_in_a_schedule() -> None:
    s = schedule(random_kernel(random.Random(3)))
    s.distribute_all()
    assert "s.distribute_all()" in s.as_python()
    assert s.primitives == (DistributeAll(),)


def test_what_is_apart_stays_as_it_is() -> None:
    apart = Reorder("mac", ("k", "i", "j")).run(gemm())
    assert DistributeAll().run(apart) == apart


@pytest.mark.parametrize("seed", range(20))
def test_random_kernels_keep_their_results(seed: int) -> None:
    rng = random.Random(seed)
    kernel = random_kernel(rng)
    before = program(kernel)
    for statement in before.statements:
        names = [n.name for n in before.loops(statement.name)]
        if len(names) < 2:
            continue
        try:
            before = Reorder(statement.name, tuple(rng.sample(names, len(names)))).run(before)
        except PomError:
            continue
    after = DistributeAll().run(before)
    assert {s.name for s in after.statements} == {s.name for s in before.statements}
    assert_same(kernel, after)


@pytest.mark.parametrize("seed", range(20))
def test_carrying_loops_are_those_with_carried_dependences(seed: int) -> None:
    before = program(random_kernel(random.Random(100 + seed)))
    expected = {(s, loop) for s, loops in carried_loops(before).items() for loop in loops}
    assert carrying_loops(before) == expected


def test_groups_are_cycles_in_the_order_nearest_to_the_text() -> None:
    rng = random.Random(7)
    for _ in range(200):
        count = rng.randint(1, 8)
        statements = tuple(f"s{n}" for n in range(count))
        # some conflicts are with statements that are elsewhere
        names = [
            (f"s{rng.randint(0, count)}", f"s{rng.randint(0, count)}") for _ in range(2 * count)
        ]
        graph = networkx.DiGraph(names)
        graph.add_nodes_from(statements)
        condensed = networkx.condensation(graph.subgraph(statements))
        first = {n: min(members) for n, members in condensed.nodes(data="members")}
        order = networkx.lexicographical_topological_sort(condensed, key=first.__getitem__)
        expected = [tuple(sorted(condensed.nodes[n]["members"])) for n in order]
        empty = isl.Set("{ [] }")
        assert cycles(statements, tuple((a, b, empty) for a, b in names)) == expected
