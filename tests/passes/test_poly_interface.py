from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_interface import Interface
from pom.passes.poly_partition import PartitionArray
from tests.passes.nests import access, assign, gemm, i, j, kernel, load, loop


def whole_copy() -> PolyProgram:
    body = assign("S", access("A", i, j), load("B", i, j))
    return graph_to_poly(kernel(loop("i", 0, 8, loop("j", 0, 8, body)), extent=8))


def test_directive() -> None:
    new = Interface("A", "m_axi", ("offset=slave", "bundle=gmem0", "depth=64")).run(gemm())
    d = new.directives_of("A")
    assert d.interface == "m_axi"
    assert d.interface_options == (("bundle", "gmem0"), ("depth", "64"), ("offset", "slave"))


@pytest.mark.parametrize(
    ("array", "mode", "options"),
    [
        ("A", "pcie", ()),
        ("A", "m_axi", ("colour=red",)),
        ("A", "m_axi", ("bundle",)),
        ("A", "m_axi", ("bundle=a b",)),
        ("A", "ap_memory", ("bundle=a",)),
    ],
)
def test_wrong_arguments(array: str, mode: str, options: tuple[str, ...]) -> None:
    with pytest.raises(PomError, match="POM-S027"):
        Interface(array, mode, options).run(gemm())


def test_local_arrays_have_no_port() -> None:
    body = assign("S", access("x", i), load("y", i))
    program = graph_to_poly(kernel(loop("i", 0, 8, body), locals=("x",)))
    with pytest.raises(PomError, match="POM-S027"):
        Interface("x", "m_axi").run(program)


def test_partitioned_arrays_are_not_on_a_bus() -> None:
    with pytest.raises(PomError, match="POM-S026"):
        Interface("C", "m_axi").run(PartitionArray("C", 1, "cyclic", 2).run(gemm()))


def test_streams_in_order_of_addresses() -> None:
    program = whole_copy()
    for array in ("A", "B"):
        for mode in ("axis", "ap_fifo"):
            new = Interface(array, mode).run(program)
            assert new.directives_of(array).interface == mode
    swapped = Interchange("S", "i", "j").run(program)
    with pytest.raises(PomError, match=r"POM-S028(?s:.*)in order of their addresses"):
        Interface("A", "axis").run(swapped)


def test_what_is_no_stream() -> None:
    with pytest.raises(PomError, match="both read and written"):
        Interface("C", "axis").run(gemm())
    with pytest.raises(PomError, match="read more than once"):
        Interface("A", "axis").run(gemm(64))
    with pytest.raises(PomError, match="not used"):
        Interface("y", "axis").run(gemm())
    part = assign("S", access("x", i), load("y", i))
    with pytest.raises(PomError, match="not every element"):
        Interface("x", "axis").run(graph_to_poly(kernel(loop("i", 0, 8, part))))


def test_the_value_of_an_option_is_at_fault() -> None:
    with pytest.raises(PomError, match=r"POM-S027.*value of bundle.*'g m'"):
        Interface("A", "m_axi", ("bundle=g m",)).run(gemm())
