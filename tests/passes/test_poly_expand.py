"""expand: iterations get elements of their own, where no value goes from one to another."""

from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.types import f32
from pom.passes.poly_distribute_all import DistributeAll
from pom.passes.poly_expand import Expand
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_reverse import Reverse
from pom.schedule import schedule
from tests.passes.data_primitives import (
    Access,
    Assign,
    apply,
    array,
    assert_same,
    i,
    j,
    load,
    loop,
    program,
    shapes,
)
from tests.passes.nests import shape


def row_sums(start: int = 0) -> Kernel:
    """``t = x[i]; t += A[i,j]; y[i] = t`` for every row."""
    first = Assign("first", Access("t", ()), load("x", f32, i))
    add = Assign("add", Access("t", ()), apply("add", load("t", f32), load("A", f32, i, j)))
    last = Assign("last", Access("y", (i,)), load("t", f32))
    nest = loop("i", start, 9, first, loop("j", 0, 5, add), last)
    arrays = (array("A", f32, 9, 5), array("x", f32, 9), array("y", f32, 9))
    return Kernel("sums", arrays, (array("t", f32),), (nest,))


def test_every_row_has_its_own_element() -> None:
    kernel = row_sums(start=2)
    new = Expand("add", "t", "i").run(program(kernel))
    assert shapes(new) == {"t_x": (7,)}
    assert str(new.statement("last").body.value.access) == "t_x[i - 2]"  # type: ignore[union-attr]
    assert_same(kernel, new)
    apart = DistributeAll().run(new)
    assert shape(apart) == "i(first) i(j(add)) i(last)"
    assert_same(kernel, apart)


def test_the_loop_may_run_backwards() -> None:
    kernel = row_sums()
    with pytest.raises(PomError, match="POM-S001"):
        Reverse("add", "i").run(program(kernel))
    back = Reverse("add", "i").run(Expand("first", "t", "i", "own").run(program(kernel)))
    assert_same(kernel, back)
    new = Expand("first", "own", "i", "twice").run(back)
    assert shapes(new) == {"twice": (9, 9)}
    assert_same(kernel, new)


def test_statements_outside_keep_the_old_array() -> None:
    kernel = row_sums()
    again = loop("k", 0, 1, Assign("more", Access("t", ()), load("x", f32, i * 0)))
    both = Kernel("two", kernel.params, kernel.locals, (*kernel.body, again))
    new = Expand("add", "t", "i").run(program(both))
    assert shapes(new) == {"t": (), "t_x": (9,)}
    assert_same(both, new)


def test_values_that_cross_iterations_are_refused() -> None:
    with pytest.raises(PomError, match="POM-P062"):
        Expand("add", "t", "j").run(program(row_sums()))
    kernel = row_sums()
    later = Assign("later", Access("y", (i * 0,)), load("t", f32))
    after = Kernel("late", kernel.params, kernel.locals, (*kernel.body, loop("k", 0, 1, later)))
    with pytest.raises(PomError, match="POM-P062"):
        Expand("add", "t", "i").run(program(after))


def test_wrong_arguments_are_refused() -> None:
    before = program(row_sums())
    with pytest.raises(PomError, match="POM-P077"):
        Expand("add", "A", "i").run(before)
    with pytest.raises(PomError, match="POM-P060"):
        Expand("add", "x", "j").run(before)
    with pytest.raises(PomError, match="POM-P064"):
        Expand("add", "t", "i", "A").run(before)
    with pytest.raises(PomError, match=r"POM-P077.*never runs"):
        Expand("add", "t", "i").run(program(row_sums(start=9)))


def test_directives_of_an_array_that_is_gone_go_too() -> None:
    kernel = row_sums()
    wide = Expand("add", "t", "i", "own").run(program(kernel))
    parted = PartitionArray("own", 1, "cyclic", 3).run(wide)
    again = Expand("first", "own", "i", "twice").run(parted)
    assert shapes(again) == {"twice": (9, 9)}
    assert not again.array_directives
    assert_same(kernel, again)


def test_it_can_be_written_in_a_schedule() -> None:
    s = schedule(row_sums())
    s["add"].expand("t", "i")
    assert 's["add"].expand("t", "i")' in s.as_python()
    assert s.is_exact
