"""From the tree of loops to domains and a schedule tree."""

from __future__ import annotations

import random

import islpy as isl
import pytest

from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.graph import Assign, Call, For, Kernel, When
from pom.ir.poly import Leaf, Loop, Sequence
from pom.ir.types import f32
from pom.passes.graph_to_poly import graph_to_poly
from tests.passes.brute_force import instances, random_kernel, time_of
from tests.passes.data_primitives import Access, array, const, i, j, load, loop


def store(name: str, *subscripts: Affine) -> Assign:
    return Assign(name, Access("A", subscripts), load("A", f32, *subscripts))


def kernel(*body: object, rank: int = 2) -> Kernel:
    return Kernel("k", (array("A", f32, *[99] * rank),), (), body)  # type: ignore[arg-type]


def test_loops_guards_and_steps_become_domains() -> None:
    guarded = When((Constraint(j - 3), Constraint(i - 4, True)), (store("S", i, j),))
    program = graph_to_poly(kernel(loop("i", 0, 8, loop("j", i + 1, 9, guarded, step=2), step=2)))
    expected = isl.Set("{ S[i, j] : i = 4 and 3 <= j < 9 and exists e : j = 5 + 2e and j >= 5 }")
    assert isl.Set(program.statement("S").domain).is_equal(expected)


def test_several_bounds_are_a_maximum_and_a_minimum() -> None:
    both = For("j", "j", (const(2), i), (const(9), i + 4), (store("S", i, j),))
    program = graph_to_poly(kernel(loop("i", 0, 8, both)))
    expected = isl.Set("{ S[i, j] : 0 <= i < 8 and j >= 2 and j >= i and j < 9 and j < i + 4 }")
    assert isl.Set(program.statement("S").domain).is_equal(expected)


def test_the_tree_is_in_normal_form_and_names_loops() -> None:
    nest = loop(
        "i", 0, 4, store("P", i, i), When((Constraint(i),), (store("Q", i, i), store("R", i, i)))
    )
    tree = graph_to_poly(kernel(nest, loop("q", 0, 0), store("last", const(0), const(0)))).schedule
    assert isinstance(tree, Sequence)
    first, last = tree.children
    assert isinstance(first, Loop)
    assert (first.name, first.statements) == ("i", ("P", "Q", "R"))
    assert first.exprs == tuple((s, i) for s in "PQR")
    assert isinstance(first.child, Sequence)
    assert last == Leaf("last")


def test_domains_that_guards_empty_stay() -> None:
    program = graph_to_poly(
        kernel(loop("i", 0, 4, When((Constraint(i - 9),), (store("S", i, i),))))
    )
    assert isl.Set(program.statement("S").domain).is_empty()


def test_names_become_unique_on_a_path_only() -> None:
    inner = For("i", "i", (i,), (const(9),), (store("S", i, i),))
    program = graph_to_poly(kernel(loop("i", 0, 4, inner), loop("i", 0, 2, store("T", i, i))))
    assert program.statement("S").iterators == ("i", "i_1")
    assert [n.name for n in program.loops("S")] == ["i", "i_1"]
    assert [n.name for n in program.loops("T")] == ["i"]
    assert isl.Set(program.statement("S").domain).is_equal(
        isl.Set("{ S[i, k] : 0 <= i < 4 and i <= k < 9 }")
    )
    renamed = Affine.var("i_1")
    assert program.statement("S").body.target.subscripts == (renamed, renamed)  # type: ignore[union-attr]


def test_iterators_may_be_words_of_isl() -> None:
    mod = Affine.var("mod")
    program = graph_to_poly(kernel(loop("mod", 0, 4, store("floor", mod, mod))))
    assert program.statement("floor").iterators == ("mod",)


def test_callees_are_lowered_too() -> None:
    inner = Kernel("f", (array("A", f32, 9),), (), (loop("i", 0, 9, store("S", i)),))
    outer = Kernel("k", (array("A", f32, 9),), (), (Call("c", "f", ("A",)),), (inner,))
    program = graph_to_poly(outer)
    assert program.schedule == Leaf("c")
    assert program.callees == (graph_to_poly(inner),)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ((), "POM-P050"),
        ((loop("i", 0, 4),), "POM-P050"),
        ((loop("i", 0, 4, store("S", i, i), step=-1),), "POM-P051"),
        ((For("i", "i", (const(0), const(1)), (const(4),), (store("S", i, i),), 2),), "POM-P052"),
        ((store("S", const(0), const(0)), store("S", const(1), const(1))), "POM-P053"),
    ],
)
def test_what_has_no_schedule_is_refused(body: tuple[object, ...], code: str) -> None:
    with pytest.raises(PomError, match=code):
        graph_to_poly(kernel(*body))


@pytest.mark.parametrize("seed", range(15))
def test_instances_and_their_order_are_those_of_the_loops(seed: int) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    expected = instances(source)
    listed = []
    for statement in program.statements:
        domain = isl.Set(statement.domain)
        points: list[isl.Point] = []
        domain.foreach_point(points.append)
        for point in points:
            values = tuple(
                point.get_coordinate_val(isl.dim_type.set, k).to_python()
                for k in range(len(statement.iterators))
            )
            time = time_of(
                program.schedule,
                statement.name,
                dict(zip(statement.iterators, values, strict=True)),
            )
            listed.append((time, (statement.name, values)))
    assert [instance for _, instance in sorted(listed)] == expected
