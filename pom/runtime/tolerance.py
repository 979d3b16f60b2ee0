"""How far apart two orders of the same floating-point sums and products can be.

Every value is a sum of products of inputs, so with ``u`` the unit roundoff, ``d`` the number of
roundings on the longest way from an input to the value, and ``M`` the same sum with every term
replaced by its magnitude,

    |computed - exact| <= gamma_d * M,    gamma_d = d u / (1 - d u)

whatever the association (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Two
orders differ by at most twice that, and by the underflows. `M` and `d` are found by running the
kernel itself on magnitudes and on depths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pom.errors import InternalError
from pom.ir.convert import MANTISSA_BITS, MAX_EXPONENT
from pom.ir.expr import Apply, Argument, Const, Expr, Index, Load, rebuild, walk
from pom.ir.graph import Array, Assign, For, Kernel, Node, Scalar, When
from pom.ir.types import ArrayType, FloatType, IntType, ScalarType, f64
from pom.runtime.arrays import AnyArray, container
from pom.runtime.reference import run

_SIGNED_SUMS = frozenset({"add", "sub"})
_SAME_MAGNITUDE = frozenset({"neg", "abs"})
_DEPTH = IntType(64)

Execute = Callable[[Kernel, Mapping[str, Any]], dict[str, AnyArray]]


def _statements(nodes: tuple[Node, ...], change: Any) -> tuple[Node, ...]:
    result: list[Node] = []
    for node in nodes:
        match node:
            case For() | When():
                result.append(replace(node, body=_statements(node.body, change)))
            case Assign():
                result.append(change(node))
    return tuple(result)


def _retyped(kernel: Kernel, type: ScalarType, change: Any) -> Kernel:
    """`kernel` with every float array and scalar of `type` and its values changed."""

    def array(a: Array) -> Array:
        if not isinstance(a.type.element, FloatType):
            return a
        return replace(a, type=ArrayType(type, a.type.shape))

    params: list[Scalar | Array] = []
    for p in kernel.params:
        if isinstance(p, Array):
            params.append(array(p))
        else:
            params.append(replace(p, type=type) if isinstance(p.type, FloatType) else p)

    def assign(node: Assign) -> Assign:
        target = kernel.arrays[node.target.array].type.element
        if not isinstance(target, FloatType):
            return node
        return replace(node, value=rebuild(node.value, change))

    return replace(
        kernel,
        params=tuple(params),
        locals=tuple(array(a) for a in kernel.locals),
        body=_statements(kernel.body, assign),
    )


def _is_float(expr: Expr) -> bool:
    return isinstance(expr.type, FloatType)


def _magnitude(expr: Expr) -> Expr:
    """A node of the kernel on magnitudes; its operands are already changed."""
    if not _is_float(expr):
        return expr
    match expr:
        case Const():
            return replace(expr, value=abs(float(expr.value)), type=f64)
        case Load() | Argument() | Index():
            return replace(expr, type=f64)
        case Apply(op=op) if op in _SIGNED_SUMS:
            return replace(expr, op="add", type=f64)
        case Apply(op="mul"):
            return replace(expr, type=f64)
        case Apply(op="min" | "max"):
            return replace(expr, op="max", type=f64)
        case Apply(op=op) if op in _SAME_MAGNITUDE:
            return expr.operands[0]
        case Apply(op="cast") if _is_float(expr.operands[0]):
            return expr.operands[0]
        case Apply(op="cast"):
            return Apply("abs", (replace(expr, type=f64),), f64)
    raise InternalError(f"{expr} has no magnitude")


def _deeper(operands: tuple[Expr, ...]) -> Expr:
    deepest = operands[0]
    for operand in operands[1:]:
        deepest = Apply("max", (deepest, operand), _DEPTH)
    return Apply("add", (deepest, Const(1, IntType(2))), IntType(65))


def _depth(expr: Expr) -> Expr:
    """A node of the kernel on numbers of roundings; its operands are already changed."""
    if not isinstance(expr.type, FloatType):
        return expr
    match expr:
        case Const():
            return Const(0, _DEPTH)
        case Load() | Argument() | Index():
            return replace(expr, type=_DEPTH)
        case Apply(op="cast") if not isinstance(expr.operands[0].type, IntType):
            return _deeper((Const(0, _DEPTH),))
        case Apply(op="cast"):
            return _deeper(expr.operands)
        case Apply(op=op) if op in _SAME_MAGNITUDE:
            return expr.operands[0]
        case Apply():
            return _deeper(expr.operands)
    raise InternalError(f"{expr} has no depth")


def has_error_bound(kernel: Kernel) -> bool:
    """Whether `error_bound` knows one: every float is a sum of products, or an extremum of them."""
    allowed = {*_SIGNED_SUMS, *_SAME_MAGNITUDE, "mul", "min", "max", "cast"}
    for statement, _ in kernel.statements():
        if not isinstance(statement, Assign):
            return False
        for expr in walk(statement.value):
            is_branch = isinstance(expr, Apply) and any(_is_float(o) for o in expr.operands)
            if is_branch and (expr.op not in allowed or not _is_float(expr)):  # type: ignore[union-attr]
                return False
    return True


def error_bound(
    kernel: Kernel, arguments: Mapping[str, Any], execute: Execute = run
) -> dict[str, AnyArray] | None:
    """The greatest difference between two orders of evaluation, for every element of every output.

    Parameters
    ----------
    kernel : Kernel
    arguments : mapping
        As for `pom.runtime.reference.run`.
    execute : callable
        Runs a kernel on arguments, in program order.

    Returns
    -------
    dict of ndarray of float64, or None
        Not finite where the values are not. None for a kernel that divides, calls functions, or
        decides something by a float: there is no bound then.
    """
    floats = {p.name: (p.type.element if isinstance(p, Array) else p.type) for p in kernel.params}
    floats = {n: t for n, t in floats.items() if isinstance(t, FloatType)}
    if not has_error_bound(kernel):
        return None
    on_magnitudes = _retyped(kernel, f64, _magnitude)
    on_depths = _retyped(kernel, _DEPTH, _depth)
    magnitudes: dict[str, Any] = dict(arguments)
    depths: dict[str, Any] = dict(arguments)
    for name in floats:
        if name in arguments:
            value = arguments[name]
            if isinstance(value, np.ndarray):
                magnitudes[name] = np.abs(value.astype(np.float64))
                depths[name] = np.zeros(value.shape, container(_DEPTH))
            else:
                magnitudes[name], depths[name] = abs(float(value)), 0
    bound = execute(on_magnitudes, magnitudes)
    depth = execute(on_depths, depths)
    types = [t for t in floats.values() if isinstance(t, FloatType)]
    narrowest = min([*(t.width for t in types), *_local_widths(kernel)])
    unit = 2.0 ** -MANTISSA_BITS[narrowest]
    tiny = 2.0 ** (2 - MAX_EXPONENT[narrowest])
    result = {}
    for name, magnitude in bound.items():
        if name not in floats:
            continue
        steps = depth[name].astype(np.float64) * unit
        with np.errstate(all="ignore"):
            gamma = np.where(steps < 1, steps / (1 - steps), np.inf)
            result[name] = 2 * (gamma * magnitude + depth[name] * tiny * (1 + magnitude))
    return result


def heuristic_bound(kernel: Kernel, expected: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Half the digits of each array's largest finite value: no bound, but far above rounding."""
    result = {}
    for name, array in expected.items():
        element = kernel.arrays[name].type.element
        if isinstance(element, FloatType):
            finite = np.abs(array[np.isfinite(array)].astype(np.float64))
            share = 2.0 ** -(MANTISSA_BITS[element.width] // 2)
            result[name] = np.full(array.shape, share * finite.max(initial=0.0))
            result[name][~np.isfinite(array)] = np.inf
    return result


def _local_widths(kernel: Kernel) -> list[int]:
    return [a.type.element.width for a in kernel.locals if isinstance(a.type.element, FloatType)]
