"""The first or the last iterations of every loop of a program, in the program's own order.

A kernel too large to execute is checked on part of its instances. Restricting the domains and
nothing else keeps the arrays, the statements and the schedule, and it is sound: two instances that
conflict in the part conflict in the whole, so a schedule that is legal for the whole is legal for
the part. Statements of which iterations were peeled off are parts of the kernel's. Local arrays become
arguments, since what fills them may lie outside the part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

import islpy as isl

from pom.ir.affine import Affine, Constraint
from pom.ir.graph import For, Kernel, Node, When
from pom.ir.poly import Loop, PolyProgram
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import accesses, domain, set_text, time_map
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


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which iterations are kept: those of all loops, or of the loops of some variables."""

    side: Side
    size: int
    only: Collection[str] | None = None

    def kernel(self, kernel: Kernel, scheduled: PolyProgram) -> Kernel:
        """The kernel with these iterations, and arguments instead of the local arrays that `scheduled`
        still has: what it has others for is written before it is read."""
        left = {array.name for array in scheduled.locals}
        params = (*kernel.params, *(a for a in kernel.locals if a.name in left))
        replaced = tuple(a for a in kernel.locals if a.name not in left)
        return replace(kernel, params=params, locals=replaced, body=self._body(kernel.body, {}))

    def _body(self, body: tuple[Node, ...], ranges: dict[str, tuple[int, int]]) -> tuple[Node, ...]:
        return tuple(self._node(n, ranges) for n in body)

    def _node(self, node: Node, ranges: dict[str, tuple[int, int]]) -> Node:
        match node:
            case When():
                return replace(node, body=self._body(node.body, ranges))
            case For():
                low = max(interval(b, ranges)[0] for b in node.lowers)
                high = min(interval(b, ranges)[1] for b in node.uppers)
                inner = {**ranges, node.var: (low, max(low, high - 1))}
                body = self._body(node.body, inner)
                span = self.size * node.step
                if self.only is not None and node.var not in self.only:
                    return replace(node, body=body)
                if self.side == "first":
                    bound = Affine.const(low + span)
                    return replace(node, uppers=(*node.uppers, bound), body=body)
                if node.step == 1:
                    start = Affine.const(high - span)
                    return replace(node, lowers=(*node.lowers, start), body=body)
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
        None where nothing is left, or where the scheduled program's statements are not the kernel's
        or parts of them; see `window_of_sums` for those.
    """
    origins = _origins(graph_to_poly(kernel), scheduled)
    if origins is None:
        return None
    part = _Cut(side, size).kernel(kernel, scheduled)
    parts = {s.name: domain(s) for s in graph_to_poly(part).statements}
    kept: dict[str, isl.Set] = {}
    for statement in scheduled.statements:
        allowed = parts[origins[statement.name]].set_tuple_name(statement.name)
        kept[statement.name] = domain(statement).intersect(allowed)
    if all(isl_set.is_empty() for isl_set in parts.values()):
        return None
    return Window(part, _part(kernel, scheduled, kept))


def _part(kernel: Kernel, scheduled: PolyProgram, kept: Mapping[str, isl.Set]) -> PolyProgram:
    """Some instances of a program; the kernel's local arrays become arguments, others stay."""
    own = {array.name for array in kernel.locals}
    return replace(
        scheduled,
        params=(*scheduled.params, *(a for a in scheduled.locals if a.name in own)),
        locals=tuple(a for a in scheduled.locals if a.name not in own),
        statements=tuple(replace(s, domain=set_text(kept[s.name])) for s in scheduled.statements),
    )


def window_of_sums(kernel: Kernel, scheduled: PolyProgram, size: int) -> Window | None:
    """The first `size` iterations of the loops around everything that a schedule added.

    The partial results of a sum are other statements than the kernel's, but run in the same iterations
    of the loops around the sum. Those are in the window for which a statement of the kernel is, and all
    of a sum is.

    Parameters
    ----------
    kernel : Kernel
    scheduled : PolyProgram
        A schedule of `kernel`.
    size : int
        Iterations of each of these loops.

    Returns
    -------
    Window or None
        None where no loop is around all that is new, loops of one name start at different values, or
        something that the schedule added runs for more than the window, which shows in what it writes.
    """
    iterators = {s.iterators for s in graph_to_poly(kernel).statements}
    sources = [s.name for s in scheduled.statements if s.iterators in iterators]
    added = {
        s.name: _closest(scheduled, s.name, sources)
        for s in scheduled.statements
        if s.iterators not in iterators
    }
    starts: dict[str, set[int | None]] = {}
    _starts(kernel.body, starts)
    free = {name: low for name, (low, *more) in starts.items() if low is not None and not more}
    for name, source in added.items():
        if source is None:
            return None
        around = {loop.name for loop in _shared(scheduled, name, source)}
        moved = {
            variable
            for loop in scheduled.loops(source)
            if loop.name not in around
            for variable in loop.expr(source).variables
        }
        free = {name: low for name, low in free.items() if name not in moved}
    if not free:
        return None
    kept: dict[str, isl.Set] = {}
    for name in sources:
        statement = scheduled.statement(name)
        kept[name] = domain(statement)
        for at, iterator in enumerate(statement.iterators):
            if iterator in free:
                last = free[iterator] + size - 1
                kept[name] = kept[name].upper_bound_val(isl.dim_type.set, at, last)
    whole = {name: kept[name] for name in sources}
    for name, source in added.items():
        if source is not None:
            loops = _shared(scheduled, name, source)
            here = time_map(scheduled.statement(name), tuple(loop.expr(name) for loop in loops))
            run = isl.Set.empty(here.range().get_space())
            # a part of a statement may have no instance where another one has some
            for other in sources:
                if _shared(scheduled, name, other)[: len(loops)] == loops:
                    values = tuple(loop.expr(other) for loop in loops)
                    there = time_map(scheduled.statement(other), values)
                    run = run.union(whole[other].apply(there))
            kept[name] = domain(scheduled.statement(name)).intersect(run.apply(here.reverse()))
    part = _Cut("first", size, free).kernel(kernel, scheduled)
    program = _part(kernel, scheduled, {n: k.coalesce() for n, k in kept.items()})
    expected, found = (_written(p, part) for p in (graph_to_poly(part), program))
    return Window(part, program) if expected.is_equal(found) else None


def _written(program: PolyProgram, kernel: Kernel) -> isl.UnionSet:
    """Elements of the arguments of a kernel that a program may write."""
    arguments = {p.name for p in kernel.params}
    result = isl.UnionSet("{ }")
    for statement in program.statements:
        for access in accesses(program, statement):
            if access.is_write and access.array in arguments:
                result = result.union(isl.UnionSet.from_set(access.relation.range()))
    return result


def _shared(program: PolyProgram, one: str, other: str) -> tuple[Loop, ...]:
    """Loops that are around both statements."""
    pairs = zip(program.loops(one), program.loops(other), strict=False)
    return tuple(a for a, _ in takewhile(lambda pair: pair[0] is pair[1], pairs))


def _closest(program: PolyProgram, name: str, others: list[str]) -> str | None:
    """The statement that shares most loops with another one; None where none shares any."""
    count, found = max(
        ((len(_shared(program, name, other)), other) for other in others), default=(0, "")
    )
    return found if count else None


def _starts(body: tuple[Node, ...], found: dict[str, set[int | None]]) -> None:
    """By variable, where loops start; None for those that are not plain."""
    for node in body:
        if isinstance(node, For):
            constant = node.lowers[0].constant if len(node.lowers) == 1 else None
            plain = node.step == 1 and len(node.lowers) == 1 and node.lowers[0].is_constant
            found.setdefault(node.var, set()).add(constant if plain else None)
        if isinstance(node, For | When):
            _starts(node.body, found)
