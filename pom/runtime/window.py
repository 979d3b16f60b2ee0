"""The first or the last iterations of every loop of a program, in the program's own order.

A kernel too large to execute is checked on part of its instances. Restricting the domains and
nothing else keeps the arrays, the statements and the schedule, and it is sound: two instances that
conflict in the part conflict in the whole, so a schedule that is legal for the whole is legal for
the part. Statements of which iterations were peeled off are parts of the kernel's. Local arrays become arguments, since what fills them may lie outside the part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import islpy as isl

from pom.ir.affine import Affine, Constraint
from pom.ir.graph import For, Kernel, Node, When
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import domain, set_text
from pom.runtime.work import interval

Side = Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a kernel.

    Attributes
    ----------
    kernel : Kernel
        Level 1, with fewer iterations.
    program : PolyProgram
        The scheduled program on the same instances.
    """

    kernel: Kernel
    program: PolyProgram


def _restrict(
    body: tuple[Node, ...], side: Side, size: int, ranges: dict[str, tuple[int, int]]
) -> tuple[Node, ...]:
    return tuple(_restrict_node(n, side, size, ranges) for n in body)


def _restrict_node(node: Node, side: Side, size: int, ranges: dict[str, tuple[int, int]]) -> Node:
    match node:
        case When():
            return replace(node, body=_restrict(node.body, side, size, ranges))
        case For():
            low = max(interval(b, ranges)[0] for b in node.lowers)
            high = min(interval(b, ranges)[1] for b in node.uppers)
            inner = {**ranges, node.var: (low, max(low, high - 1))}
            body = _restrict(node.body, side, size, inner)
            span = size * node.step
            if side == "first":
                bound = Affine.const(low + span)
                return replace(node, uppers=(*node.uppers, bound), body=body)
            if node.step == 1:
                return replace(node, lowers=(*node.lowers, Affine.const(high - span)), body=body)
            # A later start would leave the loop's grid, so a guard does it.
            guard = _at_least(node.var, high - span)
            return replace(node, body=(When((guard,), body),))
    return node


def _at_least(variable: str, value: int) -> Constraint:
    return Constraint(Affine.var(variable) - value)


def _origins(whole: PolyProgram, scheduled: PolyProgram) -> dict[str, str] | None:
    """Which of the kernel's statements each scheduled one is, or is a peeled part of.

    None unless the parts of every statement compute what it computes and are disjoint, with its
    domain as their union.
    """
    origins: dict[str, str] = {}
    for statement in whole.statements:
        rest: isl.Set = domain(statement)
        for part in scheduled.statements:
            computed = replace(part.body, name=statement.name)
            if (part.iterators, computed) != (statement.iterators, statement.body):
                continue
            instances = domain(part).set_tuple_name(statement.name)
            if instances.is_subset(rest):
                origins[part.name] = statement.name
                rest = rest.subtract(instances)
        if not rest.is_empty():
            return None
    return origins if len(origins) == len(scheduled.statements) else None


def window(kernel: Kernel, scheduled: PolyProgram, side: Side, size: int) -> Window | None:
    """The first or last `size` iterations of every loop.

    Parameters
    ----------
    kernel : Kernel
    scheduled : PolyProgram
        A schedule of `kernel`.
    side : {"first", "last"}
    size : int
        Iterations of each loop.

    Returns
    -------
    Window or None
        None where the scheduled program's statements are not the kernel's or parts of them, or
        where nothing is left.
    """
    origins = _origins(graph_to_poly(kernel), scheduled)
    if origins is None:
        return None
    ranges: dict[str, tuple[int, int]] = {}
    part = replace(
        kernel,
        params=(*kernel.params, *kernel.locals),
        locals=(),
        body=_restrict(kernel.body, side, size, ranges),
    )
    parts = {s.name: domain(s) for s in graph_to_poly(part).statements}
    statements = []
    for statement in scheduled.statements:
        allowed = parts[origins[statement.name]].set_tuple_name(statement.name)
        kept: isl.Set = domain(statement).intersect(allowed)
        statements.append(replace(statement, domain=set_text(kept)))
    if all(isl_set.is_empty() for isl_set in parts.values()):
        return None
    program = replace(
        scheduled,
        params=(*scheduled.params, *scheduled.locals),
        locals=(),
        statements=tuple(statements),
    )
    return Window(part, program)
