from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_shift import Shift
from tests.passes.nests import access, assign, i, kernel, load, loop, values


def pair() -> PolyProgram:
    first = assign("P", access("x", i), load("y", i))
    second = assign("Q", access("z", i), load("x", i))
    return graph_to_poly(kernel(loop("i", 0, 8, first, second)))


def test_only_the_statement_moves() -> None:
    new = Shift("Q", "i", 2).run(pair())
    assert values(new, "P") == ["i"]
    assert values(new, "Q") == ["i + 2"]


def test_the_hint_works() -> None:
    program = pair()
    with pytest.raises(PomError, match="POM-S001") as caught:
        Shift("Q", "i", -1).run(program)
    assert caught.value.hint == "shift('i', 1) is legal"
    Shift("Q", "i", 1).run(program)


@pytest.mark.parametrize("amount", [1.5, "1", True])
def test_wrong_amounts(amount: int) -> None:
    with pytest.raises(PomError, match="POM-S014"):
        Shift("Q", "i", amount).run(pair())


@pytest.mark.parametrize("amount", [2**31, -(2**31), 2**70])
def test_counters_of_32_bits(amount: int) -> None:
    with pytest.raises(PomError, match=r"POM-S014.*32-bit"):
        Shift("Q", "i", amount).run(pair())
