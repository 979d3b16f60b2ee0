from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_interchange import Interchange
from tests.passes.nests import gemm, seidel, shape


def test_shape() -> None:
    assert shape(Interchange("mac", "i", "k").run(gemm())) == "i(j(scale)) k(j(i(mac)))"


def test_the_order_of_the_arguments_does_not_matter() -> None:
    assert Interchange("mac", "i", "k").run(gemm()) == Interchange("mac", "k", "i").run(gemm())


def test_twice_is_nothing() -> None:
    once = Interchange("mac", "i", "j").run(gemm())
    assert Interchange("mac", "i", "j").run(once) == gemm()


def test_refusal() -> None:
    with pytest.raises(PomError, match=r"POM-S001: interchange\('t', 'i'\) of 'S' reverses"):
        Interchange("S", "t", "i").run(seidel())
    with pytest.raises(PomError, match="POM-S007"):
        Interchange("S", "t", "t").run(seidel())
    with pytest.raises(PomError, match="POM-S003"):
        Interchange("S", "t", "z").run(seidel())
