from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_guard import Guard
from pom.passes.poly_split import Split
from pom.passes.poly_unroll import Unroll
from tests.passes.nests import copy, gemm, parts, triangle


def test_directive() -> None:
    new = Unroll("mac", "j", 4).run(gemm())
    assert [n.directives.unroll for n in new.loops("mac")] == [1, 4, 1]
    assert [n.directives.unroll for n in Unroll("mac", "j").run(new).loops("mac")] == [1, 0, 1]
    assert [n.directives.unroll for n in new.loops("scale")] == [1, 1]


@pytest.mark.parametrize("factor", [-1, 9, 2.0, False])
def test_wrong_factors(factor: int) -> None:
    with pytest.raises(PomError, match="POM-S004"):
        Unroll("mac", "j", factor).run(gemm())


def test_varying_trip_counts() -> None:
    with pytest.raises(PomError, match="POM-S010") as caught:
        Unroll("S", "j", 0).run(triangle())
    assert caught.value.hint is not None
    assert "guard('j')" in caught.value.hint
    Unroll("S", "j", 0).run(Guard("S", "j").run(triangle()))
    Unroll("S", "j", 3).run(triangle())


def test_blocks_of_a_triangle_are_guarded() -> None:
    new = Unroll("S", "j1").run(Split("S", "j", 2).run(triangle()))
    assert parts(new, "S") == ["all", "isolate", "guard"]


def test_one_partial_block() -> None:
    new = Unroll("S", "i1").run(Split("S", "i", 3).run(copy()))
    assert parts(new, "S") == ["isolate", "all", "all"]


def test_separate_leaves_the_partial_block_in_the_nest() -> None:
    # so that the inner loop is guarded, or else the tool could not unroll it
    program = Split("S", "i", 3, (), "separate").run(copy(8))
    assert parts(Unroll("S", "i1").run(program), "S") == ["separate", "guard", "all"]
