from __future__ import annotations

from dataclasses import replace

import pytest

from pom.errors import PomError
from pom.ir.graph import Array
from pom.ir.types import ArrayType, f32
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_bind_storage import BindStorage
from tests.passes.nests import access, assign, gemm, kernel, load


def test_directive() -> None:
    d = BindStorage("A", "ram_t2p", "bram", 3).run(gemm()).directives_of("A")
    assert (d.storage_type, d.storage_impl, d.storage_latency) == ("ram_t2p", "bram", 3)
    assert BindStorage("A").run(gemm()).directives_of("A").storage_latency is None
    assert BindStorage("A", "rom_1p").run(gemm()).directives_of("A").storage_type == "rom_1p"


@pytest.mark.parametrize(
    ("array", "type", "impl", "latency"),
    [
        ("A", "ram_4p", "bram", 0),
        ("A", "ram_t2p", "lutram", 0),
        ("A", "ram_2p", "bram", -1),
        ("C", "rom_1p", "auto", 0),
    ],
)
def test_refusal(array: str, type: str, impl: str, latency: int) -> None:
    with pytest.raises(PomError, match="POM-S025"):
        BindStorage(array, type, impl, latency).run(gemm())


def test_scalars_are_no_memories() -> None:
    scalar = Array("t", ArrayType(f32, ()))
    body = assign("S", access("t"), load("x", 0))
    program = graph_to_poly(replace(kernel(body), locals=(scalar,)))
    with pytest.raises(PomError, match=r"POM-S025.*scalar"):
        BindStorage("t").run(program)


def test_fifos_are_streams() -> None:
    with pytest.raises(PomError, match=r"POM-S025.*not a stream"):
        BindStorage("A", "fifo", "srl").run(gemm())
