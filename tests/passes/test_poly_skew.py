from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.dependences import dependences
from pom.passes.poly_skew import Skew
from tests.passes.nests import imperfect, seidel, values


def test_values() -> None:
    assert values(Skew("S", "t", "i", 2).run(seidel()), "S") == ["t", "i + 2*t"]
    assert values(Skew("S", "t", "i", -1).run(seidel()), "S") == ["t", "i - t"]


def test_distances_become_non_negative() -> None:
    before, after = seidel(), Skew("S", "t", "i", 1).run(seidel())
    assert min(d.distance[1].minimum for d in dependences(before)) == -1
    assert min(d.distance[1].minimum for d in dependences(after)) == 0


def test_every_statement_of_the_inner_loop_is_skewed() -> None:
    new = Skew("mac", "i", "j", 1).run(imperfect())
    assert values(new, "scale") == ["i", "i + j"]
    assert values(new, "mac") == ["i", "i + j", "k"]


@pytest.mark.parametrize(
    ("outer", "inner", "factor"), [("i", "t", 1), ("t", "t", 1), ("t", "i", 0), ("t", "i", 0.5)]
)
def test_refusal(outer: str, inner: str, factor: int) -> None:
    with pytest.raises(PomError, match="POM-S008"):
        Skew("S", outer, inner, factor).run(seidel())


def test_unknown_loop() -> None:
    with pytest.raises(PomError, match="POM-S003"):
        Skew("S", "t", "z").run(seidel())


@pytest.mark.parametrize("factor", [2**31, 2**70])
def test_counters_of_32_bits(factor: int) -> None:
    with pytest.raises(PomError, match=r"POM-S008.*32-bit"):
        Skew("S", "t", "i", factor).run(seidel())
