from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_after import After
from pom.passes.poly_shift import Shift
from tests.passes.nests import (
    access,
    assign,
    gemm,
    i,
    imperfect,
    j,
    kernel,
    load,
    loop,
    producer_consumer,
    shape,
    values,
)


def test_shapes() -> None:
    assert shape(After("mac", "scale", "i").run(gemm())) == "i(j(scale) j(k(mac)))"
    assert shape(After("mac", "scale", "j").run(gemm())) == "i(j(scale k(mac)))"
    assert After("mac", "scale", "j").run(gemm()) == imperfect()


def test_different_bounds_and_names() -> None:
    first = assign("P", access("x", i), load("y", i))
    second = assign("Q", access("z", j + 1), load("x", j))
    program = graph_to_poly(kernel(loop("i", 0, 8, first), loop("j", 0, 5, second)))
    new = After("Q", "P", "i").run(program)
    assert shape(new) == "i(P Q)"
    assert (values(new, "P"), values(new, "Q")) == (["i"], ["j"])


def test_inner_names_that_clash_are_changed() -> None:
    first = assign("P", access("A", i, j), load("B", i, j))
    second = assign("Q", access("C", i, j), load("B", i, j))
    program = graph_to_poly(
        kernel(loop("i", 0, 8, loop("j", 0, 8, first)), loop("j", 0, 8, loop("i", 0, 8, second)))
    )
    assert shape(After("Q", "P", "i").run(program)) == "i(j(P) i_2(Q))"
    assert shape(After("Q", "P", "j").run(program)) == "i(j(P Q))"


def test_a_nest_may_move_over_another() -> None:
    first = assign("P", access("x", i), load("y", i))
    middle = assign("M", access("A", i, 0), load("B", i, 0))
    last = assign("Q", access("z", i), load("x", i))
    program = graph_to_poly(kernel(*(loop("i", 0, 8, s) for s in (first, middle, last))))
    assert shape(After("Q", "P", "i").run(program)) == "i(P Q) i(M)"


def test_the_fused_nest_stands_where_it_can() -> None:
    first = assign("P", access("x", i), load("y", i))
    middle = assign("M", access("B", i, 0), load("A", i, 0))
    last = assign("Q", access("z", i), load("B", 7 - i, 0))
    program = graph_to_poly(kernel(*(loop("i", 0, 8, s) for s in (first, middle, last))))
    assert shape(After("Q", "P", "i").run(program)) == "i(M) i(P Q)"


def test_without_a_loop_the_nests_follow_each_other() -> None:
    first = assign("P", access("x", i), load("y", i))
    second = assign("Q", access("z", i), load("y", i))
    program = graph_to_poly(kernel(loop("i", 0, 8, first), loop("i", 0, 8, second)))
    assert shape(After("P", "Q").run(program)) == "i(Q) i(P)"


def test_inside_shared_loops() -> None:
    program = After("mac", "scale", "i").run(gemm())
    assert shape(After("mac", "scale", "j").run(program)) == "i(j(scale k(mac)))"


def test_the_hint_works() -> None:
    program = producer_consumer(shift=2)
    with pytest.raises(PomError, match="POM-S001") as caught:
        After("Q", "P", "i").run(program)
    assert caught.value.hint == "shift the statement first: shift('i', 2) of 'Q'"
    new = After("Q", "P", "i").run(Shift("Q", "i", 2).run(program))
    assert shape(new) == "i(P Q)"
    assert values(new, "Q") == ["i + 2"]


def test_sharing_fewer_loops_as_hint() -> None:
    first = assign("P", access("A", i, j), load("B", i, j))
    second = assign("Q", access("C", i, j), load("A", i, 7 - j))
    program = graph_to_poly(
        kernel(loop("i", 0, 8, loop("j", 0, 8, first)), loop("i", 0, 8, loop("j", 0, 8, second)))
    )
    with pytest.raises(PomError, match="down to 'i' only"):
        After("Q", "P", "j").run(program)
    assert shape(After("Q", "P", "i").run(program)) == "i(j(P) j(Q))"


def test_the_hint_shares_what_may_be_shared() -> None:
    first = assign("P", access("A", i, j), load("y", 0))
    free = assign("Q", access("x", i), load("B", i, 0))
    late = assign("Q", access("y", 0), load("B", i, 0))
    deep = loop("i", 0, 8, loop("j", 0, 8, first))
    program = graph_to_poly(kernel(deep, loop("i", 0, 8, free)))
    with pytest.raises(PomError, match=r"POM-S015(?s:.*)share fewer of them: after\('P', 'i'\)"):
        After("Q", "P", "j").run(program)
    After("Q", "P", "i").run(program)
    program = graph_to_poly(kernel(deep, loop("i", 0, 8, late)))
    with pytest.raises(PomError, match=r"POM-S015(?s:.*)run it after the whole nest: after\('P'\)"):
        After("Q", "P", "j").run(program)
    After("Q", "P").run(program)


def test_refusal() -> None:
    with pytest.raises(PomError, match="POM-S015") as caught:
        After("scale", "mac", "k").run(gemm())
    assert caught.value.hint is None  # it must run before the other, whatever they share
    with pytest.raises(PomError, match="POM-S015"):
        After("mac", "mac", "i").run(gemm())
    with pytest.raises(PomError, match="POM-S003"):
        After("mac", "scale", "z").run(gemm())
    with pytest.raises(PomError, match="POM-S002"):
        After("mac", "other", "i").run(gemm())
    with pytest.raises(PomError, match="POM-S001"):
        After("scale", "mac", "j").run(gemm())
