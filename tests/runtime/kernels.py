"""Level-1 kernels written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node, Scalar
from pom.ir.ops import result_type
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType, f32

var, const = Affine.var, Affine.const


def loop(name: str, low: Affine | int, high: Affine | int, *body: Node, step: int = 1) -> For:
    """``for name in [low, high)``."""
    bounds = [e if isinstance(e, Affine) else const(e) for e in (low, high)]
    return For(name, name, (bounds[0],), (bounds[1],), body, step)


def apply(op: str, *operands: Expr) -> Apply:
    return Apply(op, operands, result_type(op, [o.type for o in operands]))


def cast(value: Expr, type: ScalarType) -> Expr:
    return value if value.type == type else Apply("cast", (value,), type)


def load(array: str, type: ScalarType, *subscripts: Affine | Expr) -> Load:
    return Load(Access(array, subscripts), type)


def array(name: str, type: ScalarType, *shape: int) -> Array:
    return Array(name, ArrayType(type, shape))


def gemm(size: int, type: ScalarType = f32) -> Kernel:
    """``C += alpha * A * B``."""
    i, j, k = var("i"), var("j"), var("k")
    product = apply(
        "mul",
        cast(apply("mul", Argument("alpha", type), load("A", type, i, k)), type),
        load("B", type, k, j),
    )
    total = apply("add", load("C", type, i, j), cast(product, type))
    mac = Assign("mac", Access("C", (i, j)), cast(total, type))
    arrays = tuple(array(n, type, size, size) for n in "ABC")
    nest = loop("i", 0, size, loop("j", 0, size, loop("k", 0, size, mac)))
    return Kernel("gemm", (Scalar("alpha", type), *arrays), (), (nest,))


def trisolv(size: int) -> Kernel:
    """Forward substitution: a triangular nest with three statements and a division."""
    i, j = var("i"), var("j")
    x_i = load("x", f32, i)
    start = Assign("start", Access("x", (i,)), load("b", f32, i))
    product = apply("mul", load("L", f32, i, j), load("x", f32, j))
    update = Assign("update", Access("x", (i,)), apply("sub", x_i, product))
    divide = Assign("divide", Access("x", (i,)), apply("div", x_i, load("L", f32, i, i)))
    nest = loop("i", 0, size, start, loop("j", 0, i, update), divide)
    params = (array("L", f32, size, size), array("b", f32, size), array("x", f32, size))
    return Kernel("trisolv", params, (), (nest,))


def gather(size: int, extent: int) -> Kernel:
    """``y[i] = v[col[i]]``."""
    index = IntType(32)
    i = var("i")
    value = load("v", f32, load("col", index, i))
    params = (array("col", index, size), array("v", f32, extent), array("y", f32, size))
    body = loop("i", 0, size, Assign("take", Access("y", (i,)), value))
    return Kernel("gather", params, (), (body,))


def _nonzero(value: Expr) -> Expr:
    type = value.type
    zero, one = Const(0, type), Const(2 ** -getattr(type, "fraction_bits", 0), type)
    return cast(apply("select", apply("eq", value, zero), one, value), type)


def every_operation(
    name: str, size: int, cases: Sequence[tuple[str, tuple[ScalarType, ...], ScalarType]]
) -> Kernel:
    """One statement ``y<n>[i] = op(x<type>[i], …)`` for each case."""
    i = var("i")
    inputs: dict[tuple[ScalarType, int], Array] = {}
    outputs: list[Array] = []
    statements: list[Node] = []
    for number, (op, types, result) in enumerate(cases):
        operands: list[Expr] = []
        for position, type in enumerate(types):
            key = (type, position)
            if key not in inputs:
                inputs[key] = array(f"x{len(inputs)}", type, size)
            operands.append(load(inputs[key].name, type, i))
        if op in ("div", "mod") and not isinstance(types[1], FloatType):
            operands[1] = _nonzero(operands[1])
        outputs.append(array(f"y{number}", result, size))
        value = Apply(op, tuple(operands), result)
        statements.append(Assign(f"s{number}", Access(f"y{number}", (i,)), value))
    nest = loop("i", 0, size, *statements)
    return Kernel(name, (*inputs.values(), *outputs), (), (nest,))


__all__ = [
    "BoolType", "FixedType", "apply", "array", "cast", "const", "every_operation", "gather",
    "gemm", "load", "loop", "trisolv", "var",
]  # fmt: skip
