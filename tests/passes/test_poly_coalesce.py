"""coalesce: a local array's values live where they are stored in the end."""

from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.types import f32, f64
from pom.passes.poly_coalesce import Coalesce
from pom.passes.poly_skew import Skew
from pom.schedule import schedule
from tests.passes.data_primitives import (
    Access,
    Assign,
    apply,
    array,
    assert_same,
    i,
    j,
    k,
    load,
    loop,
    program,
    shapes,
)
from tests.passes.nests import shape


def factorisation(n: int = 9) -> Kernel:
    """``w = A[i,j]; w -= A[i,k]*A[k,j]; A[i,j] = w / A[j,j]`` below the diagonal."""
    first = Assign("first", Access("w", ()), load("A", f32, i, j))
    product = apply("mul", load("A", f32, i, k), load("A", f32, k, j))
    update = Assign("update", Access("w", ()), apply("sub", load("w", f32), product))
    scaled = apply("div", load("w", f32), load("A", f32, j, j))
    last = Assign("last", Access("A", (i, j)), scaled)
    nest = loop("i", 0, n, loop("j", 0, i, first, loop("k", 0, j, update), last))
    return Kernel("factorisation", (array("A", f32, n, n),), (array("w", f32),), (nest,))


def sums() -> Kernel:
    first = Assign("first", Access("t", ()), load("x", f32, i))
    add = Assign("add", Access("t", ()), apply("add", load("t", f32), load("y", f32, j)))
    last = Assign("last", Access("y", (i,)), load("t", f32))
    arrays = (array("x", f32, 9), array("y", f32, 9))
    nest = loop("i", 0, 9, first, loop("j", 0, i, add), last)
    return Kernel("sums", arrays, (array("t", f32),), (nest,))


def test_the_accumulator_becomes_the_element() -> None:
    kernel = factorisation()
    new = Coalesce("last", "w").run(program(kernel))
    assert shapes(new) == {}
    assert shape(new) == "i(j(k(update) last))"
    assert_same(kernel, new)


def test_a_copy_to_the_element_itself_is_left_out() -> None:
    kernel = sums()
    new = Coalesce("last", "t").run(program(kernel))
    assert shape(new) == "i(first j(add))"
    assert_same(kernel, new)


def test_an_element_that_is_used_in_between_is_refused() -> None:
    first = Assign("first", Access("t", ()), load("x", f32, i))
    add = Assign("add", Access("t", ()), apply("add", load("t", f32), load("y", f32, i)))
    last = Assign("last", Access("y", (i,)), load("t", f32))
    arrays = (array("x", f32, 9), array("y", f32, 9))
    kernel = Kernel("k", arrays, (array("t", f32),), (loop("i", 0, 9, first, add, last),))
    with pytest.raises(PomError, match="POM-P062"):
        Coalesce("last", "t").run(program(kernel))


def test_what_stores_no_value_elsewhere_is_refused() -> None:
    for statement, local in (("update", "w"), ("first", "w"), ("last", "A")):
        with pytest.raises(PomError, match="POM-P078"):
            Coalesce(statement, local).run(program(factorisation()))


def test_other_types_and_lonely_users_are_refused() -> None:
    wide = Assign("wide", Access("z", (i,)), apply("add", load("t", f32), load("x", f32, i)))
    first = Assign("first", Access("t", ()), load("x", f32, i))
    arrays = (array("x", f32, 9), array("z", f64, 9))
    kernel = Kernel("k", arrays, (array("t", f32),), (loop("i", 0, 9, first, wide),))
    with pytest.raises(PomError, match="POM-P078"):
        Coalesce("wide", "t").run(program(kernel))
    alone = Kernel("k", arrays[:1], (array("t", f32),), (
        loop("i", 0, 9, first),
        loop("j", 0, 9, Assign("last", Access("x", (j,)), load("t", f32))),
    ))  # fmt: skip
    with pytest.raises(PomError, match="POM-P078"):
        Coalesce("last", "t").run(program(alone))


def test_a_place_that_cannot_be_named_is_refused() -> None:
    skewed = Skew("last", "i", "j", 1).run(program(factorisation()))
    with pytest.raises(PomError, match="POM-P079"):
        Coalesce("last", "w").run(skewed)


def test_nothing_but_a_copy_is_refused() -> None:
    first = Assign("first", Access("t", ()), load("x", f32, i))
    last = Assign("last", Access("x", (i,)), load("t", f32))
    kernel = Kernel("k", (array("x", f32, 9),), (array("t", f32),), (loop("i", 0, 9, first, last),))
    with pytest.raises(PomError, match="POM-P079"):
        Coalesce("last", "t").run(program(kernel))


def test_arguments_keep_their_directions() -> None:
    first = Assign("first", Access("t", ()), load("x", f32, i))
    last = Assign("last", Access("x", (i,)), load("t", f32))
    other = Assign("other", Access("z", (i,)), load("z", f32, i))
    arrays = (array("x", f32, 9), array("z", f32, 9))
    nest = loop("i", 0, 9, first, last, other)
    kernel = Kernel("k", arrays, (array("t", f32),), (nest,))
    with pytest.raises(PomError, match="POM-P079"):
        Coalesce("last", "t").run(program(kernel))


def test_it_can_be_written_in_a_schedule() -> None:
    s = schedule(factorisation())
    s["last"].coalesce("w")
    assert 's["last"].coalesce("w")' in s.as_python()
    assert s.is_exact
