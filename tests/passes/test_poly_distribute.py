from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_distribute import Distribute
from tests.passes.nests import access, assign, gemm, i, imperfect, j, kernel, load, loop, shape


def test_shapes() -> None:
    assert shape(Distribute("mac", "j").run(imperfect())) == "i(j(scale) j(k(mac)))"
    assert shape(Distribute("mac", "i").run(imperfect())) == "i(j(scale)) i(j(k(mac)))"
    assert shape(Distribute("scale", "i").run(imperfect())) == "i(j(scale)) i(j(k(mac)))"


def test_what_stands_around_stays_in_order() -> None:
    body = [assign(name, access(a, i), load("y", i)) for name, a in (("P", "x"), ("Q", "z"))]
    third = assign("R", access("A", i, 0), load("y", i))
    program = graph_to_poly(kernel(loop("i", 0, 8, *body, third)))
    assert shape(Distribute("Q", "i").run(program)) == "i(P) i(Q) i(R)"


def cycle() -> PolyProgram:
    """P(i, j) needs Q(i - 1): the loop i cannot be distributed, j can."""
    first = assign("P", access("A", i, j), load("x", i))
    second = assign("Q", access("B", i, j), load("A", i, j))
    third = assign("R", access("x", i + 1), load("B", i, 0))
    nest = loop("i", 0, 8, loop("j", 0, 8, first, second), third)
    return graph_to_poly(kernel(nest))


def test_the_hint_works() -> None:
    program = cycle()
    with pytest.raises(PomError, match="POM-S001") as caught:
        Distribute("P", "i").run(program)
    assert caught.value.hint == "distribute('j') is legal"
    assert shape(Distribute("P", "j").run(program)) == "i(j(P) j(Q) R)"


def test_nothing_to_distribute() -> None:
    with pytest.raises(PomError, match="POM-S009"):
        Distribute("mac", "i").run(gemm())
