from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.ir.directives import OpBinding
from pom.ir.expr import Apply
from pom.ir.types import IntType
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_bind_op import BindOp, operators_of
from tests.passes.nests import access, assign, gemm, i, kernel, load, loop


def test_directive() -> None:
    new = BindOp("mac", "fmul", "maxdsp").run(gemm())
    new = BindOp("mac", "fadd", "fabric", 4).run(new)
    assert new.bindings == (
        OpBinding("mac", "fadd", "fabric", 4),
        OpBinding("mac", "fmul", "maxdsp"),
    )
    assert BindOp("mac", "fadd", "fulldsp").run(new).bindings[0].impl == "fulldsp"


def test_names_of_operators() -> None:
    assert operators_of(gemm(), "mac") == {"fadd", "fmul"}
    element = IntType(16)
    product = Apply("mul", (load("x", i, element=element), load("y", i, element=element)), element)
    program = graph_to_poly(
        kernel(loop("i", 0, 8, assign("S", access("z", i), product)), element=element)
    )
    assert operators_of(program, "S") == {"mul"}


@pytest.mark.parametrize(
    ("op", "impl", "latency"),
    [("fdiv", "fabric", 0), ("fadd", "maxdsp", 0), ("fadd", "fabric", -1)],
)
def test_refusal(op: str, impl: str, latency: int) -> None:
    with pytest.raises(PomError, match="POM-S030"):
        BindOp("mac", op, impl, latency).run(gemm())


def test_a_copy_has_nothing_to_bind() -> None:
    program = graph_to_poly(kernel(loop("i", 0, 8, assign("S", access("z", i), load("x", i)))))
    with pytest.raises(PomError, match="no operation that can be bound"):
        BindOp("S", "fadd", "fabric").run(program)
