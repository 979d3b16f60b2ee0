from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_skew import Skew
from pom.passes.poly_tile import Tile
from tests.passes.nests import copy, gemm, imperfect, parts, seidel, shape, values


def test_shape_and_values() -> None:
    new = Tile("mac", ("i", "j"), (4, 2)).run(gemm())
    assert shape(new) == "i(j(scale)) i0(j0(i1(j1(k(mac)))))"
    assert values(new, "mac") == [
        "floor((i)/4)",
        "floor((j)/2)",
        "i - 4*floor((i)/4)",
        "j - 2*floor((j)/2)",
        "k",
    ]


def test_loops_apart_and_in_another_order() -> None:
    new = Tile("mac", ("k", "i"), (2, 4)).run(gemm())
    assert shape(new) == "i(j(scale)) k0(i0(j(k1(i1(mac)))))"


def test_imperfect_nests() -> None:
    assert shape(Tile("mac", ("i", "k"), (4, 4)).run(imperfect())) == (
        "i0(i1(j(scale)) k0(j(i1(k1(mac)))))"
    )


def test_one_loop_is_a_split() -> None:
    assert shape(Tile("S", ("i",), (4,)).run(copy())) == "i0(i1(j(S)))"


def test_partial_tiles() -> None:
    new = Tile("S", ("i", "j"), (3, 5)).run(copy())
    assert parts(new, "S") == ["isolate", "isolate", "all", "all"]
    new = Tile("S", ("i", "j"), (3, 5), "guard").run(copy())
    assert parts(new, "S") == ["all", "all", "guard", "guard"]


def test_the_hint_works() -> None:
    program = seidel()
    with pytest.raises(PomError, match="POM-S001") as caught:
        Tile("S", ("t", "i"), (2, 2)).run(program)
    assert caught.value.hint == "skew first: skew('t', 'i', 1)"
    skewed = Skew("S", "t", "i", 1).run(program)
    assert shape(Tile("S", ("t", "i"), (2, 2)).run(skewed)) == "t0(i0(t1(i1(S))))"


@pytest.mark.parametrize(
    ("loops", "sizes"),
    [((), ()), (("i",), ()), (("i", "i"), (2, 2)), (("i", "j"), (2,))],
)
def test_wrong_arguments(loops: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    with pytest.raises(PomError, match="POM-S007"):
        Tile("S", loops, sizes).run(copy())


def test_wrong_sizes_and_names() -> None:
    with pytest.raises(PomError, match="POM-S004"):
        Tile("S", ("i", "j"), (4, 9)).run(copy())
    with pytest.raises(PomError, match="POM-S003"):
        Tile("S", ("i", "z"), (4, 4)).run(copy())
