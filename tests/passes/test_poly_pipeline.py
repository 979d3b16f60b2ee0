from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.directives import LoopDirectives
from pom.ir.poly import PolyProgram
from pom.passes.poly_guard import Guard
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_split import Split
from pom.passes.poly_tile import Tile
from tests.passes.nests import copy, gemm, imperfect, parts, triangle


def directives(program: PolyProgram, statement: str, loop: str) -> LoopDirectives:
    return next(n.directives for n in program.loops(statement) if n.name == loop)


def test_directive() -> None:
    new = Pipeline("mac", "k", 2).run(gemm())
    assert directives(new, "mac", "k").pipeline_ii == 2
    off = Pipeline("mac", "k", 0).run(new)
    assert directives(off, "mac", "k").pipeline_ii is None
    assert directives(off, "mac", "k").pipeline_off


@pytest.mark.parametrize("ii", [-1, 1.0, True, 1 << 20])
def test_wrong_intervals(ii: int) -> None:
    with pytest.raises(PomError, match="POM-S013"):
        Pipeline("mac", "k", ii).run(gemm())


def test_nested_pipelines() -> None:
    inner = Pipeline("mac", "k").run(imperfect())
    with pytest.raises(PomError, match="POM-S011"):
        Pipeline("mac", "i").run(inner)
    outer = Pipeline("mac", "i").run(imperfect())
    with pytest.raises(PomError, match=r"POM-S011(?s:.*)pipeline\('i', ii=0\)"):
        Pipeline("mac", "k").run(outer)
    Pipeline("mac", "k").run(Pipeline("mac", "i", 0).run(outer))


def test_loops_that_cannot_be_unrolled() -> None:
    with pytest.raises(PomError, match="POM-S010") as caught:
        Pipeline("S", "i").run(triangle())
    assert "varies from 1 to 8" in caught.value.summary
    assert caught.value.hint is not None
    assert "guard('j')" in caught.value.hint
    Pipeline("S", "i").run(Guard("S", "j").run(triangle()))
    Pipeline("S", "j").run(triangle())


def test_a_single_partial_block_is_a_nest_of_its_own() -> None:
    new = Pipeline("S", "i0").run(Split("S", "i", 3).run(copy()))
    assert parts(new, "S") == ["isolate", "all", "all"]


def test_partial_blocks_in_two_dims_are_guarded() -> None:
    new = Pipeline("S", "j0").run(Tile("S", ("i", "j"), (3, 5)).run(copy()))
    assert parts(new, "S") == ["isolate", "isolate", "guard", "guard"]


def test_full_blocks_need_no_guards() -> None:
    new = Pipeline("S", "j0").run(Tile("S", ("i", "j"), (4, 2)).run(copy()))
    assert parts(new, "S") == ["all", "all", "all", "all"]


def test_a_pipeline_must_fit_after_later_primitives_too() -> None:
    pipelined = Pipeline("S", "j").run(triangle())
    with pytest.raises(PomError, match="POM-S010: interchange"):
        Interchange("S", "i", "j").run(pipelined)
