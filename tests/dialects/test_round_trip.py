"""Text of levels 1 and 2 is parsed back to the same values, locations included."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from mlir.ir import Module

from pom.dialects import graph, poly
from pom.dialects.context import process_context
from pom.ir.affine import Affine, Constraint
from pom.ir.directives import (
    ArrayDirectives,
    FunctionDirectives,
    LoopDirectives,
    OpBinding,
    Partition,
)
from pom.ir.expr import Access, Apply, Const, Load
from pom.ir.graph import Array, Assign, Call, For, Kernel, Scalar, When
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, sequence
from pom.ir.types import ArrayType, f32, f64
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.verify_poly import verify_instances
from tests.strategies import kernels


def reparsed(module: Module) -> Module:
    text = module.operation.get_asm(enable_debug_info=True)
    return Module.parse(text, process_context())


@settings(max_examples=60, deadline=None)
@given(kernels())
def test_graph_text_is_read_back(kernel: Kernel) -> None:
    module = graph.to_mlir(kernel, process_context())
    found = graph.from_mlir(reparsed(module))
    # repr, since NaN literals are not equal to themselves and locations do not take part in ==.
    assert repr(found) == repr(kernel)
    assert str(graph.to_mlir(found, process_context())) == str(module)


@settings(max_examples=30, deadline=None)
@given(kernels())
def test_poly_text_is_read_back(kernel: Kernel) -> None:
    program = graph_to_poly(kernel)
    verify_instances(program)
    found = poly.from_mlir(reparsed(poly.to_mlir(program, process_context())))
    assert repr(found) == repr(program)


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        math.nan,
        math.inf,
        -math.inf,
        -0.0,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
    ],
)
def test_float_literals_are_exact(value: float) -> None:
    kernel = Kernel(
        "k",
        (Array("A", ArrayType(f64, ())),),
        (),
        (Assign("S", Access("A", ()), Const(value, f64)),),
    )
    found = graph.from_mlir(reparsed(graph.to_mlir(kernel)))
    statement = found.body[0]
    assert isinstance(statement, Assign)
    literal = statement.value
    assert isinstance(literal, Const)
    assert repr(literal.value) == repr(value)


def test_shared_parts_are_written_once() -> None:
    shared = Load(Access("A", ()), f64)
    value = shared
    for _ in range(12):
        value = Apply("add", (value, value), f64)
    kernel = Kernel(
        "k", (Array("A", ArrayType(f64, ())),), (), (Assign("S", Access("A", ()), value),)
    )
    module = graph.to_mlir(kernel)
    assert str(module).count("graph.add") == 12
    assert graph.from_mlir(reparsed(module)) == kernel


def test_everything_of_level_1() -> None:
    inner = Kernel(
        "inner",
        (Scalar("s", f32), Array("X", ArrayType(f32, (4,)))),
        (Array("t", ArrayType(f32, (2, 2))),),
        (Assign("S", Access("X", (Affine.const(0),)), Const(1.0, f32)),),
    )
    i = Affine.var("i")
    body = (
        For(
            "outer",
            "i",
            (Affine.const(0), Affine.const(-3)),
            (Affine.const(9), i // 2 * 0 + 7),
            (
                When(
                    (Constraint(i - 2), Constraint(i % 3 - 1, True)),
                    (Call("call", "inner", (Const(0.5, f32), "Y")),),
                ),
            ),
            2,
        ),
    )
    kernel = Kernel("k", (Array("Y", ArrayType(f32, (4,))),), (), body, (inner,))
    assert graph.from_mlir(reparsed(graph.to_mlir(kernel))) == kernel


def test_everything_of_level_2() -> None:
    array = Array("A", ArrayType(f32, (8, 8)))
    access = Access("A", (Affine.var("i"), Affine.var("j")))

    def statement(name: str) -> PolyStatement:
        body = Assign(name, access, Load(access, f32))
        domain = f"{{ {name}[i, j] : 0 <= i <= 7 and 0 <= j <= 7 }}"
        return PolyStatement(name, ("i", "j"), domain, body)

    def nest(name: str) -> Loop:
        inner = Loop(f"j_{name}", ((name, Affine.var("j")),), Leaf(name), part="separate")
        directives = LoopDirectives(3, False, 0, True, ("A",), True)
        return Loop(f"i_{name}", ((name, Affine.var("i") // 2),), inner, directives)

    program = PolyProgram(
        "k",
        (array,),
        (),
        (statement("S"), statement("T")),
        sequence((nest("S"), nest("T"))),
        (
            (
                "A",
                ArrayDirectives(
                    (Partition(1, "cyclic", 2), Partition(2, "complete")),
                    (),
                    "ram_t2p",
                    "bram",
                    2,
                    "m_axi",
                    (("bundle", "gmem"), ("offset", "slave")),
                    4,
                ),
            ),
        ),
        (OpBinding("S", "fadd", "fabric", 4), OpBinding("T", "fadd", "fulldsp")),
        FunctionDirectives(True, False),
    )
    assert poly.from_mlir(reparsed(poly.to_mlir(program))) == program
