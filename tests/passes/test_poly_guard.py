from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_guard import Guard
from pom.passes.poly_pipeline import Pipeline
from tests.passes.nests import parts, triangle


def test_part() -> None:
    new = Guard("S", "j").run(triangle())
    assert parts(new, "S") == ["all", "guard"]
    assert Guard("S", "j", False).run(new) == triangle()


def test_what_needs_the_guard_keeps_it() -> None:
    pipelined = Pipeline("S", "i").run(Guard("S", "j").run(triangle()))
    with pytest.raises(PomError, match="POM-S010"):
        Guard("S", "j", False).run(pipelined)


def test_unknown_loop() -> None:
    with pytest.raises(PomError, match="POM-S003"):
        Guard("S", "k").run(triangle())
