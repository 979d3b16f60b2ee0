from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_dataflow import Dataflow
from pom.passes.poly_inline import Inline
from tests.passes.nests import access, assign, gemm, i, imperfect, j, kernel, load, loop


def chain(*reads: str) -> PolyProgram:
    first = assign("P", access("x", i), load("y", i))
    second = assign("Q", access("z", i), load(reads[0], i))
    return graph_to_poly(
        kernel(loop("i", 0, 8, first), loop("i", 0, 8, second), locals=("x",), extent=8)
    )


def test_of_the_kernel() -> None:
    assert Dataflow().run(chain("x")).function.dataflow


def test_of_a_loop() -> None:
    first = assign("P", access("x", j), load("A", i, j))
    second = assign("Q", access("B", i, j), load("x", j))
    nest = loop("i", 0, 8, loop("j", 0, 8, first), loop("j", 0, 8, second))
    new = Dataflow("P", "i").run(graph_to_poly(kernel(nest, locals=("x",))))
    assert new.loops("P")[0].directives.dataflow


def test_refusal() -> None:
    with pytest.raises(PomError, match=r"POM-S031(?s:.*)argument used by"):
        Dataflow().run(gemm())
    with pytest.raises(PomError, match=r"POM-S031(?s:.*)argument used by"):
        Dataflow().run(chain("y"))
    with pytest.raises(PomError, match=r"POM-S031(?s:.*)single nest"):
        Dataflow().run(imperfect())


def test_local_arrays_need_one_producer_and_one_consumer() -> None:
    first = assign("P", access("x", i), load("y", i))
    reader = [assign(f"R{n}", access("A", n, i), load("x", i)) for n in range(2)]
    nests = [loop("i", 0, 8, s) for s in (first, reader[0])]
    late = loop("i", 0, 8, assign("U", access("B", 0, i), load("x", i)))
    with pytest.raises(PomError, match="one consumer"):
        Dataflow().run(graph_to_poly(kernel(*nests, late, locals=("x",))))
    again = loop("i", 0, 8, assign("W", access("x", i), load("z", i)))
    with pytest.raises(PomError, match="one producer"):
        Dataflow().run(graph_to_poly(kernel(nests[0], again, locals=("x",))))
    with pytest.raises(PomError, match="before"):
        Dataflow().run(graph_to_poly(kernel(nests[1], nests[0], locals=("x",))))


def test_inline() -> None:
    assert Inline().run(gemm()).function.inline is True
    assert Inline(False).run(gemm()).function.inline is False
