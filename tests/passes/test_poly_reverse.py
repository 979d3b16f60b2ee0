from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_reverse import Reverse
from tests.passes.nests import copy, gemm, imperfect, seidel, values


def test_the_range_stays_the_same() -> None:
    assert values(Reverse("S", "j").run(copy()), "S") == ["i", "-j + 7"]


def test_every_statement_is_reversed() -> None:
    new = Reverse("scale", "i").run(imperfect())
    assert values(new, "mac")[0] == values(new, "scale")[0] == "-i + 7"


def test_twice_is_nothing() -> None:
    assert Reverse("S", "i").run(Reverse("S", "i").run(copy())) == copy()


def test_refusal() -> None:
    for loop in ("t", "i"):
        with pytest.raises(PomError, match="POM-S001"):
            Reverse("S", loop).run(seidel())
    with pytest.raises(PomError, match="fast_math"):
        Reverse("mac", "k").run(gemm())
    assert values(Reverse("mac", "k", fast_math=True).run(gemm()), "mac") == ["i", "j", "-k + 7"]
