"""peel at the value of another loop."""

from __future__ import annotations

import islpy as isl
import pytest

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.types import f32
from pom.passes.isl_build import domain
from pom.passes.poly_distribute_all import DistributeAll
from pom.passes.poly_peel import Peel
from tests.passes.data_primitives import (
    Access,
    Assign,
    apply,
    array,
    assert_same,
    gemm,
    i,
    j,
    k,
    load,
    loop,
    program,
)


def test_the_place_may_be_the_value_of_another_loop() -> None:
    """What is read of row k is cut where the loops meet; nothing moves."""
    value = apply("add", load("A", f32, i, j), load("A", f32, k, j))
    body = Assign("s", Access("A", (i, j)), value)
    nest = loop("k", 0, 6, loop("i", 0, 6, loop("j", 0, 5, body)))
    kernel = Kernel("rows", (array("A", f32, 6, 5),), (), (nest,))
    at = Peel("s", "i", 0, "at", of="k").run(program(kernel))
    new = Peel("at", "i", 1, "after", of="k").run(at)
    expected = (
        "{ s[k, i, j] : k <= 5 and 0 <= i < k and 0 <= j <= 4 }",
        "{ at[k, i = k, j] : 0 <= k <= 5 and 0 <= j <= 4 }",
        "{ after[k, i, j] : k >= 0 and k < i <= 5 and 0 <= j <= 4 }",
    )
    for statement, text in zip(new.statements, expected, strict=True):
        assert domain(statement).is_equal(isl.Set(text))
    assert_same(kernel, new)
    assert_same(kernel, DistributeAll().run(new))


def test_places_that_loops_do_not_reach_are_refused() -> None:
    before = program(gemm())
    with pytest.raises(PomError, match="POM-S151"):
        Peel("mac", "j", 20, of="i").run(before)
    with pytest.raises(PomError, match="POM-S151"):
        Peel("mac", "i", 0, of="j").run(before)
    with pytest.raises(PomError, match="POM-S003"):
        Peel("mac", "j", 0, of="q").run(before)
