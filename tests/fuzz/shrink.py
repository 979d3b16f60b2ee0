"""Smaller kernels and schedules that fail in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pom.dialects.graph import verify
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Expr, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node, Scalar, When
from pom.passes.base import PolyPass
from tests.strategies import cast

Fails = Callable[[Kernel, tuple[PolyPass, ...]], bool]
MOST_TRIES = 400


def shrink(
    kernel: Kernel, primitives: tuple[PolyPass, ...], fails: Fails
) -> tuple[Kernel, tuple[PolyPass, ...]]:
    """The smallest failing pair that removing one thing after another leads to."""
    tries = 0
    is_smaller = True
    while is_smaller and tries < MOST_TRIES:
        is_smaller = False
        for candidate in _candidates(kernel, primitives):
            tries += 1
            if tries >= MOST_TRIES:
                break
            if _is_valid(candidate[0]) and fails(*candidate):
                kernel, primitives = candidate
                is_smaller = True
                break
    return kernel, primitives


def _is_valid(kernel: Kernel) -> bool:
    try:
        verify(kernel)
    except PomError:
        return False
    return True


def _candidates(
    kernel: Kernel, primitives: tuple[PolyPass, ...]
) -> Iterator[tuple[Kernel, tuple[PolyPass, ...]]]:
    for position in range(len(primitives)):
        yield kernel, primitives[:position] + primitives[position + 1 :]
    for body in _smaller_bodies(kernel.body):
        if body:
            yield _trimmed(replace(kernel, body=body)), primitives


def _trimmed(kernel: Kernel) -> Kernel:
    """Without parameters that nothing uses."""
    text = repr(kernel.body)
    params: list[Scalar | Array] = [p for p in kernel.params if f"'{p.name}'" in text]
    locals_ = tuple(a for a in kernel.locals if f"'{a.name}'" in text)
    return replace(kernel, params=tuple(params), locals=locals_)


def _smaller_bodies(nodes: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    for position, node in enumerate(nodes):
        before, after = nodes[:position], nodes[position + 1 :]
        yield (*before, *after)
        for smaller in _smaller_nodes(node):
            yield (*before, *smaller, *after)


def _smaller_nodes(node: Node) -> Iterator[tuple[Node, ...]]:
    match node:
        case When():
            yield node.body
            for position in range(len(node.constraints)):
                rest = node.constraints[:position] + node.constraints[position + 1 :]
                if rest:
                    yield (replace(node, constraints=rest),)
            for body in _smaller_bodies(node.body):
                if body:
                    yield (replace(node, body=body),)
        case For():
            if node.step != 1:
                yield (replace(node, step=1),)
            for lowers, uppers in _smaller_bounds(node):
                yield (replace(node, lowers=lowers, uppers=uppers),)
            for body in _smaller_bodies(node.body):
                if body:
                    yield (replace(node, body=body),)
        case Assign():
            for value in _smaller_values(node.value):
                yield (replace(node, value=cast(value, node.value.type)),)
            for target in _smaller_accesses(node.target):
                yield (replace(node, target=target),)


def _smaller_bounds(node: For) -> Iterator[tuple[tuple[Affine, ...], tuple[Affine, ...]]]:
    for position in range(len(node.lowers)):
        if len(node.lowers) > 1:
            yield node.lowers[:position] + node.lowers[position + 1 :], node.uppers
    for position in range(len(node.uppers)):
        if len(node.uppers) > 1:
            yield node.lowers, node.uppers[:position] + node.uppers[position + 1 :]
    high = node.uppers[0]
    if high.is_constant and high.constant > 1:
        yield node.lowers, (Affine.const(high.constant - 1), *node.uppers[1:])


def _smaller_values(value: Expr) -> Iterator[Expr]:
    match value:
        case Apply():
            yield from (o for o in value.operands if not _is_condition(o))
            for position, operand in enumerate(value.operands):
                for smaller in _smaller_values(operand):
                    if smaller.type == operand.type:
                        operands = list(value.operands)
                        operands[position] = smaller
                        yield replace(value, operands=tuple(operands))
        case Load():
            for access in _smaller_accesses(value.access):
                yield replace(value, access=access)


def _is_condition(value: Expr) -> bool:
    return isinstance(value, Apply) and value.op in ("lt", "le", "eq")


def _smaller_accesses(access: Access) -> Iterator[Access]:
    for position, subscript in enumerate(access.subscripts):
        if subscript != Affine():
            subscripts = list(access.subscripts)
            subscripts[position] = Affine()
            yield replace(access, subscripts=tuple(subscripts))
