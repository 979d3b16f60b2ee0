from __future__ import annotations

from dataclasses import replace

import pytest

from pom.errors import PomError
from pom.ir.poly import Leaf, Loop, Sequence
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_guard import Guard
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_tile import Tile
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate
from tests.passes.nests import access, assign, i, j, k, kernel, load, loop, parts, triangle


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


def test_a_stride_that_tells_instances_apart_is_kept() -> None:
    """The split of a strided loop by its stride leaves one value of it per block."""
    body = assign("S", access("A", i, j), load("B", i, j))
    program = graph_to_poly(kernel(loop("i", 0, 7, loop("j", 1, i, body), step=3)))
    tiled = Tile("S", ("i", "j"), (1, 2), "guard").run(program)
    validate(program, poly_to_affine(tiled))


def test_iterators_that_no_loop_has_are_kept() -> None:
    """A statement at a single value of `i` in a loop over `k`, fused with another one."""
    first = assign("S", access("x", i), load("y", i))
    second = assign("T", access("z", k), load("y", i))
    program = graph_to_poly(
        kernel(loop("i", 0, 3, first), loop("i", 4, 5, loop("k", 0, 4, second)))
    )
    values = (("S", i), ("T", k))
    fused = replace(program, schedule=Loop("i", values, Sequence((Leaf("S"), Leaf("T")))))
    validate(program, poly_to_affine(Guard("S", "i").run(fused)))
