from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Apply, Expr
from pom.ir.poly import PolyProgram
from pom.ir.types import f32
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_stream import Stream
from tests.passes.nests import access, assign, i, j, kernel, load, loop


def two_nests(read: Affine, value: Expr | None = None) -> PolyProgram:
    first = assign("P", access("x", i), load("y", i))
    second = assign("Q", access("z", i), value or load("x", read))
    return graph_to_poly(
        kernel(loop("i", 0, 8, first), loop("i", 0, 8, second), locals=("x",), extent=8)
    )


def test_directive() -> None:
    assert Stream("x", 4).run(two_nests(i)).directives_of("x").stream_depth == 4


@pytest.mark.parametrize("depth", [0, True, 1.5])
def test_wrong_depths(depth: int) -> None:
    with pytest.raises(PomError, match="POM-S029"):
        Stream("x", depth).run(two_nests(i))


def test_other_order() -> None:
    with pytest.raises(PomError, match="another order"):
        Stream("x").run(two_nests(7 - i))


def test_elements_that_are_read_twice_or_not_at_all() -> None:
    double = Apply("mul", (load("x", i), load("x", i)), f32)
    with pytest.raises(PomError, match="more than once"):
        Stream("x").run(two_nests(i, double))
    neighbours = Apply("mul", (load("x", i), load("x", i // 2)), f32)
    with pytest.raises(PomError, match="more than once"):
        Stream("x").run(two_nests(i, neighbours))
    first = assign("P", access("x", i), load("y", i))
    second = assign("Q", access("z", i), load("x", i))
    nests = loop("i", 0, 8, first), loop("i", 0, 4, second)
    with pytest.raises(PomError, match="not every element"):
        Stream("x").run(graph_to_poly(kernel(*nests, locals=("x",))))


def test_arguments_and_unread_arrays() -> None:
    with pytest.raises(PomError, match=r"interface\('axis'\)"):
        Stream("y").run(two_nests(i))
    first = assign("P", access("A", i, j), load("B", i, j))
    nest = loop("i", 0, 8, loop("j", 0, 8, first))
    with pytest.raises(PomError, match="not both written and read"):
        Stream("A").run(graph_to_poly(kernel(nest, locals=("A",))))
