from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_flatten import Flatten
from pom.passes.poly_guard import Guard
from tests.passes.nests import gemm, imperfect, triangle


def test_directive() -> None:
    new = Flatten("mac", "k").run(gemm())
    assert [n.directives.flatten for n in new.loops("mac")] == [None, None, True]
    off = Flatten("mac", "k", False).run(new)
    assert [n.directives.flatten for n in off.loops("mac")] == [None, None, False]


def test_refusal() -> None:
    with pytest.raises(PomError, match="POM-S012"):
        Flatten("mac", "i").run(gemm())
    with pytest.raises(PomError, match="POM-S012"):
        Flatten("mac", "k").run(imperfect())
    Flatten("mac", "k", False).run(imperfect())


def test_varying_trip_counts_cannot_be_flattened() -> None:
    with pytest.raises(PomError, match=r"POM-S010.*flatten.*\n.*s\['S'\]\.guard\('j'\)"):
        Flatten("S", "j").run(triangle())
    Flatten("S", "j").run(Guard("S", "j").run(triangle()))
