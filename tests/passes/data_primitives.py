"""Shared by the tests of primitives that add local arrays: small kernels, and running them."""

from __future__ import annotations

import random

import numpy as np

from pom.dialects.context import process_context
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Load
from pom.ir.graph import Array, Assign, Kernel
from pom.ir.poly import PolyProgram
from pom.ir.types import ArrayType, ScalarType, f32
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate
from pom.runtime import reference
from pom.runtime.inputs import make
from pom.runtime.jit import JitFunction
from tests.runtime.kernels import apply, array, cast, const, load, loop, var

i, j, k, t = (var(name) for name in "ijkt")


def run_both(
    kernel: Kernel, program: PolyProgram, kind: str = "random", seed: int = 1
) -> tuple[dict, dict]:
    """What the kernel computes by the reference, and what the transformed program does."""
    module = poly_to_affine(program, process_context())
    validate(program, module)
    arguments = make(kernel, kind, np.random.default_rng(seed))
    return reference.run(kernel, arguments), JitFunction(module, kernel.name)(arguments)


def assert_same(kernel: Kernel, program: PolyProgram) -> None:
    """The transformed program computes the same bits."""
    expected, found = run_both(kernel, program)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name], err_msg=name)


def assert_close(kernel: Kernel, program: PolyProgram, rtol: float = 1e-5) -> None:
    """The transformed program computes the same up to rounding."""
    expected, found = run_both(kernel, program)
    for name in expected:
        np.testing.assert_allclose(expected[name], found[name], rtol=rtol, atol=1e-4, err_msg=name)


def gemm(type: ScalarType = f32, shape: tuple[int, int, int] = (9, 10, 11)) -> Kernel:
    """``C = C + A * B`` with a triangular nest that scales C first."""
    n, m, depth = shape
    scale = Assign(
        "scale",
        Access("C", (i, j)),
        cast(apply("add", load("C", type, i, j), load("C", type, i, j)), type),
    )
    product = cast(apply("mul", load("A", type, i, k), load("B", type, k, j)), type)
    mac = Assign(
        "mac", Access("C", (i, j)), cast(apply("add", load("C", type, i, j), product), type)
    )
    nest = loop("i", 0, n, loop("j", 0, m, scale, loop("k", 0, depth, mac)))
    arrays = (array("A", type, n, depth), array("B", type, depth, m), array("C", type, n, m))
    return Kernel("gemm", arrays, (), (nest,))


def triangle_sum(type: ScalarType = f32, op: str = "add", size: int = 12) -> Kernel:
    """``x[i] op= A[i, k]`` for ``k < i``: some sums are empty."""
    value = cast(apply(op, load("x", type, i), load("A", type, i, k)), type)
    body = loop("i", 0, size, loop("k", 0, i, Assign("acc", Access("x", (i,)), value)))
    return Kernel("sums", (array("A", type, size, size), array("x", type, size)), (), (body,))


def blur(rows: int = 9, columns: int = 11) -> Kernel:
    """A 3 x 3 stencil from one array to another."""
    value: Load | Apply = load("X", f32, i - 1, j - 1)
    for a, b in ((0, -1), (1, 0), (-1, 1), (0, 0), (1, 1)):
        value = apply("add", value, load("X", f32, i + a, j + b))
    body = Assign("blur", Access("Y", (i, j)), value)
    nest = loop("i", 1, rows - 1, loop("j", 1, columns - 1, body))
    return Kernel(
        "blur", (array("X", f32, rows, columns), array("Y", f32, rows, columns)), (), (nest,)
    )


def in_place() -> Kernel:
    """A sweep that reads what earlier iterations wrote."""
    value = apply("add", load("X", f32, i - 1), load("X", f32, i + 1))
    return Kernel(
        "sweep",
        (array("X", f32, 20),),
        (),
        (loop("i", 1, 19, Assign("s", Access("X", (i,)), value)),),
    )


def program(kernel: Kernel) -> PolyProgram:
    return graph_to_poly(kernel)


def shapes(program: PolyProgram) -> dict[str, tuple[int, ...]]:
    """The local arrays."""
    return {a.name: a.type.shape for a in program.locals}


__all__ = [
    "Access", "Affine", "Apply", "Array", "ArrayType", "Assign", "Kernel", "Load", "apply", "array", "assert_close",
    "assert_same", "blur", "cast", "const", "gemm", "i", "in_place", "j", "k", "load", "loop", "program", "random",
    "run_both", "shapes", "t", "triangle_sum", "var",
]  # fmt: skip
