from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.directives import LoopDirectives
from pom.ir.poly import PolyProgram
from pom.passes.ast_build import AstFor, build_ast
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.loop_directives import with_directives
from pom.passes.poly_guard import Guard
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_split import Split
from pom.passes.poly_tile import Tile
from tests.passes.nests import (
    access,
    assign,
    copy,
    gemm,
    i,
    imperfect,
    j,
    k,
    kernel,
    load,
    loop,
    parts,
    triangle,
)


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


def pipelined(program: PolyProgram) -> list[tuple[str, int | None]]:
    """The outermost loops of the code and their intervals."""
    return [
        (node.loop.name, node.loop.directives.pipeline_ii)
        for node in build_ast(program)
        if isinstance(node, AstFor)
    ]


def test_the_loops_in_a_block_that_remains_alone_are_pipelined() -> None:
    """The loop over blocks runs once for the last one: no loop is left to hold its pipeline."""
    blocks = Pipeline("S", "i0", 2).run(Split("S", "i", 4).run(nest(11)))
    assert pipelined(blocks) == [("i0", 2), ("i1", 2)]
    rows = Pipeline("S", "i1").run(Split("S", "i", 5).run(nest(11)))
    assert pipelined(rows) == [("i0", None), ("j", 1)]
    none = Split("S", "i", 4).run(nest(11))
    assert pipelined(none) == [("i0", None), ("i1", None)]


def test_varying_loops_are_not_pipelined_in_place_of_one_around() -> None:
    rest = nest(1, i + 4)
    assert pipelined(with_directives(rest, "S", "i", pipeline_ii=1)) == [("j", 1)]
    deeper = nest(1, Affine.const(6), j + 1)
    assert pipelined(with_directives(deeper, "S", "i", pipeline_ii=1)) == [("j", None)]


def nest(rows: int, columns: Affine | int = 16, depth: Affine | int = 3) -> PolyProgram:
    body = assign("S", access("A", i, j), load("B", i, k))
    inner = loop("j", 0, columns, loop("k", 0, depth, body))
    return graph_to_poly(kernel(loop("i", 0, rows, inner)))
