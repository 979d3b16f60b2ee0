from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.loop_ranges import trip_count
from pom.passes.poly_split import Split
from tests.passes.nests import (
    access,
    assign,
    copy,
    gemm,
    i,
    imperfect,
    kernel,
    load,
    loop,
    parts,
    shape,
    triangle,
    values,
)


def trips(program: PolyProgram, statement: str) -> list[tuple[int, int]]:
    found = [trip_count(program, statement, n) for n in program.loops(statement)]
    return [(f.minimum, f.maximum) for f in found]


def test_shape_and_values() -> None:
    new = Split("mac", "j", 4).run(gemm())
    assert shape(new) == "i(j(scale)) i(j0(j1(k(mac))))"
    assert values(new, "mac") == ["i", "floor((j)/4)", "j - 4*floor((j)/4)", "k"]
    assert parts(new, "mac") == ["all"] * 4


def test_all_statements_of_the_loop_are_split() -> None:
    new = Split("mac", "j", 4).run(imperfect())
    assert shape(new) == "i(j0(j1(scale k(mac))))"
    assert values(new, "scale") == values(new, "mac")[:3]


def test_blocks_start_at_the_first_value() -> None:
    body = assign("S", access("x", i), load("y", i))
    new = Split("S", "i", 4).run(graph_to_poly(kernel(loop("i", 3, 11, body))))
    assert values(new, "S") == ["floor((i - 3)/4)", "i - 4*floor((i - 3)/4) - 3"]
    assert trips(new, "S") == [(2, 2), (4, 4)]
    assert parts(new, "S") == ["all", "all"]


def test_blocks_of_a_loop_with_a_step_count_iterations() -> None:
    body = assign("S", access("x", i), load("y", i))
    new = Split("S", "i", 4).run(graph_to_poly(kernel(loop("i", 1, 25, body, step=3))))
    assert trips(new, "S") == [(2, 2), (4, 4)]
    assert parts(new, "S") == ["all", "all"]


@pytest.mark.parametrize(
    ("remainder", "expected"),
    [
        ("isolate", ["isolate", "all"]),
        ("separate", ["separate", "all"]),
        ("guard", ["all", "guard"]),
    ],
)
def test_partial_blocks(remainder: str, expected: list[str]) -> None:
    new = Split("S", "i", 3, remainder=remainder).run(copy())
    assert parts(new, "S") == [*expected, "all"]
    assert trips(new, "S")[:2] == [(3, 3), (2, 3)]


def test_partial_blocks_of_a_triangle() -> None:
    new = Split("S", "j", 2).run(triangle())
    assert parts(new, "S") == ["all", "isolate", "all"]
    assert parts(Split("S", "i", 2).run(triangle()), "S") == ["all", "all", "all"]


def test_names() -> None:
    new = Split("S", "i", 4, ("block", "point")).run(copy())
    assert shape(new) == "block(point(j(S)))"


@pytest.mark.parametrize("names", [("j", "x"), ("x", "x"), ("a b", "c"), ("a",)])
def test_names_must_be_free(names: tuple[str, ...]) -> None:
    with pytest.raises(PomError, match="POM-S005"):
        Split("S", "i", 4, names).run(copy())


@pytest.mark.parametrize("factor", [0, -1, 9, 2.0, True])
def test_factor_out_of_range(factor: int) -> None:
    with pytest.raises(PomError, match="POM-S004"):
        Split("S", "i", factor).run(copy())


@pytest.mark.parametrize("factor", [1, 8])
def test_extreme_factors(factor: int) -> None:
    assert shape(Split("S", "i", factor).run(copy())) == "i0(i1(j(S)))"


def test_unknown_names() -> None:
    with pytest.raises(PomError, match=r"POM-S003(?s:.*)did you mean 'j'"):
        Split("S", "jj", 2).run(copy())
    with pytest.raises(PomError, match=r"POM-S002(?s:.*)its statements are 'S'"):
        Split("T", "i", 2).run(copy())
    with pytest.raises(PomError, match="POM-S006"):
        Split("S", "i", 3, remainder="drop").run(copy())


def test_directives_stay_with_the_outer_loop() -> None:
    from pom.passes.poly_unroll import Unroll

    new = Split("S", "j", 4).run(Unroll("S", "j", 2).run(copy()))
    assert [n.directives.unroll for n in new.loops("S")] == [1, 2, 1]
