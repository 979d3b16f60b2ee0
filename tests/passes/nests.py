"""Small programs that the tests of primitives share, and their loop structure as text."""

from __future__ import annotations

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Expr, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence
from pom.ir.types import ArrayType, ScalarType, f32
from pom.passes.graph_to_poly import graph_to_poly

i, j, k, t = map(Affine.var, "ijkt")


def loop(var: str, low: Affine | int, high: Affine | int, *body: Node, step: int = 1) -> For:
    def affine(value: Affine | int) -> Affine:
        return value if isinstance(value, Affine) else Affine.const(value)

    return For(var, var, (affine(low),), (affine(high),), body, step)


def kernel(
    *body: Node, element: ScalarType = f32, extent: int = 64, locals: tuple[str, ...] = ()
) -> Kernel:
    """A kernel with square matrices A, B, C and vectors x, y, z."""
    arrays = [
        Array(name, ArrayType(element, (extent,) * rank))
        for name, rank in (("A", 2), ("B", 2), ("C", 2), ("x", 1), ("y", 1), ("z", 1))
    ]
    return Kernel(
        "k",
        tuple(a for a in arrays if a.name not in locals),
        tuple(a for a in arrays if a.name in locals),
        body,
    )


def access(array: str, *subscripts: Affine | int) -> Access:
    return Access(array, tuple(s if isinstance(s, Affine) else Affine.const(s) for s in subscripts))


def load(array: str, *subscripts: Affine | int, element: ScalarType = f32) -> Load:
    return Load(access(array, *subscripts), element)


def add(*operands: Expr, element: ScalarType = f32) -> Apply:
    return Apply("add", operands, element)


def assign(name: str, target: Access, value: Expr) -> Assign:
    return Assign(name, target, value)


def gemm(n: int = 8) -> PolyProgram:
    """Two nests: scale over i, j and mac over i, j, k."""
    target = access("C", i, j)
    scale = assign("scale", target, Apply("mul", (load("x", 0), Load(target, f32)), f32))
    product = Apply("mul", (load("A", i, k), load("B", k, j)), f32)
    mac = assign("mac", target, add(Load(target, f32), product))
    return graph_to_poly(
        kernel(
            loop("i", 0, n, loop("j", 0, n, scale)),
            loop("i", 0, n, loop("j", 0, n, loop("k", 0, n, mac))),
        )
    )


def imperfect(n: int = 8) -> PolyProgram:
    """gemm with scale and mac sharing i and j."""
    target = access("C", i, j)
    scale = assign("scale", target, Apply("mul", (load("x", 0), Load(target, f32)), f32))
    product = Apply("mul", (load("A", i, k), load("B", k, j)), f32)
    mac = assign("mac", target, add(Load(target, f32), product))
    return graph_to_poly(kernel(loop("i", 0, n, loop("j", 0, n, scale, loop("k", 0, n, mac)))))


def copy(n: int = 8) -> PolyProgram:
    """One statement without dependences, over i and j."""
    body = assign("S", access("A", i, j), load("B", i, j))
    return graph_to_poly(kernel(loop("i", 0, n, loop("j", 0, n, body))))


def triangle(n: int = 8) -> PolyProgram:
    """One statement over 0 <= j <= i."""
    body = assign("S", access("A", i, j), load("B", i, j))
    return graph_to_poly(kernel(loop("i", 0, n, loop("j", 0, i + 1, body))))


def seidel(n: int = 8) -> PolyProgram:
    """An in-place stencil: x[i] from its neighbours, over t and i."""
    body = assign("S", access("x", i), add(load("x", i - 1), load("x", i + 1)))
    return graph_to_poly(kernel(loop("t", 0, 4, loop("i", 1, n, body))))


def producer_consumer(shift: int = 0, n: int = 8) -> PolyProgram:
    """x written over i in one nest, x[i + shift] read in the next."""
    first = assign("P", access("x", i + 4), load("y", i))
    second = assign("Q", access("z", i), load("x", i + 4 + shift))
    return graph_to_poly(kernel(loop("i", 0, n, first), loop("i", 0, n, second)))


def shape(node: ScheduleNode | PolyProgram) -> str:
    """Loops and statements: ``i(j(scale) k(mac))``."""
    match node:
        case PolyProgram():
            return shape(node.schedule)
        case Leaf():
            return node.statement
        case Sequence():
            return " ".join(map(shape, node.children))
        case Loop():
            return f"{node.name}({shape(node.child)})"


def values(program: PolyProgram, statement: str) -> list[str]:
    """What the loops around a statement run over."""
    return [str(n.expr(statement)) for n in program.loops(statement)]


def parts(program: PolyProgram, statement: str) -> list[str]:
    """How partial ranges of the loops around a statement are generated."""
    return [n.part for n in program.loops(statement)]
