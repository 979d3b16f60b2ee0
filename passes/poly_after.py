"""Fuse nests: share loops between two statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import Loop, PolyProgram, ScheduleNode, Sequence, sequence
from pom.passes.base import PolyPass
from pom.passes.legality import Remedy, is_legal, legal
from pom.passes.poly_shift import shifted
from pom.passes.schedule_tree import (
    describe,
    rename_clashes,
    require_loop,
    require_statement,
)

_LONGEST_SHIFT = 4


@dataclass(frozen=True)
class After(PolyPass):
    """The nest of a statement shares the loops of another one, down to a loop, and follows it there.

    ::

        for i:                          for i:
            S(i)                            S(i)
        for i:                 →            T(i)
            T(i)

    with ``T after S at i`` (also called fusing). The nests may have different bounds and different
    loop names; the shared loops keep the names of `other`. Legal where every dependence keeps its
    order; a `shift` of the later statement often makes it so.

    Parameters
    ----------
    statement : str
        In the nest that moves.
    other : str
        In the nest that it moves into.
    loop : str, optional
        The innermost loop of `other` to share; empty for none: the nest then runs after the nest of
        `other`, inside the loops that they share already.
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-after"
    summary: ClassVar[str] = "fuse two nests down to a loop"
    statement: str
    other: str
    loop: str = ""
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("after", self.statement, self.other, *([self.loop] if self.loop else []))
        candidates = fused(program, self.statement, self.other, self.loop)
        for candidate in candidates:
            if is_legal(program, candidate, self.fast_math):
                return legal(program, candidate, what, self.fast_math)
        return legal(program, candidates[0], what, self.fast_math, self._remedies(program))

    def _remedies(self, program: PolyProgram) -> Iterable[Remedy]:
        if not self.loop:
            return
        position = [n.name for n in program.loops(self.other)].index(self.loop)
        own = program.loops(self.statement)[position].name
        for amount in range(1, _LONGEST_SHIFT + 1):
            text = f"shift the statement first: shift({own!r}, {amount}) of {self.statement!r}"

            def make(amount: int = amount) -> PolyProgram:
                late = shifted(program, self.statement, own, amount)
                found = fused(late, self.statement, self.other, self.loop)
                return next((c for c in found if is_legal(program, c, self.fast_math)), found[0])

            yield text, make
        for outer in [n.name for n in program.loops(self.other)][:position][::-1]:
            yield (
                f"share the loops down to {outer!r} only",
                lambda outer=outer: fused(program, self.statement, self.other, outer)[0],  # type: ignore[misc]
            )


def fused(program: PolyProgram, statement: str, other: str, loop: str) -> tuple[PolyProgram, ...]:
    """The programs that `After` may mean, legal or not.

    The merged nest may stand where `other` was or where `statement` was.

    Raises
    ------
    PomError
        POM-S002, S003, S015 where the nests cannot share the loop.
    """
    require_statement(program, statement)
    require_statement(program, other)
    if statement == other:
        raise PomError(
            "POM-S015",
            f"{statement!r} cannot run after itself",
            hint="name another statement",
        )
    depth = 0
    if loop:
        require_loop(program, other, loop)
        depth = [n.name for n in program.loops(other)].index(loop) + 1
    own_depth = len(program.loops(statement))
    if depth > own_depth:
        raise PomError(
            "POM-S015",
            f"{statement!r} has {own_depth} loops and cannot share {depth} loops of {other!r}",
            hint=_sharing_fewer(program, statement, other, own_depth),
        )
    trees = [
        _fuse_in(program.schedule, statement, other, depth, at_other) for at_other in (True, False)
    ]
    return tuple(replace(program, schedule=t) for t in dict.fromkeys(trees))


def _fuse_in(
    node: ScheduleNode, statement: str, other: str, depth: int, at_other: bool
) -> ScheduleNode:
    """Descend to the sequence that separates the two statements, and merge its two children."""
    match node:
        case Loop():
            child = _fuse_in(node.child, statement, other, depth - 1, at_other)
            return _with_child(node, child)
        case Sequence(children=children):
            mover = next(c for c in children if statement in c.statements)
            host = next(c for c in children if other in c.statements)
            if mover is host:
                return sequence(
                    tuple(
                        _fuse_in(c, statement, other, depth, at_other) if c is host else c
                        for c in children
                    )
                )
            merged = _merge(host, mover, statement, other, depth, ())
            kept, gone = (host, mover) if at_other else (mover, host)
            return sequence(tuple(merged if c is kept else c for c in children if c is not gone))
    raise KeyError(statement)


def _with_child(loop: Loop, child: ScheduleNode) -> Loop:
    values = dict(loop.exprs)
    return replace(loop, child=child, exprs=tuple((s, values[s]) for s in child.statements))


def _sharing_fewer(program: PolyProgram, statement: str, other: str, most: int) -> str | None:
    """The legal call that shares most loops, at most `most`."""
    names = [n.name for n in program.loops(other)][:most]
    for loop in (*reversed(names), ""):
        try:
            found = fused(program, statement, other, loop)
        except PomError:
            continue
        if any(is_legal(program, candidate) for candidate in found):
            if loop:
                return f"share fewer of them: after({other!r}, {loop!r})"
            return f"run it after the whole nest: after({other!r})"
    return None


def _merge(
    host: ScheduleNode,
    mover: ScheduleNode,
    statement: str,
    other: str,
    depth: int,
    names: tuple[str, ...],
) -> ScheduleNode:
    """`mover` put into `host`, `depth` loops deep, and after it there."""
    if depth <= 0:
        return sequence((host, rename_clashes(mover, names)))
    host_parts, host_place = _parts(host, other)
    mover_parts, mover_place = _parts(mover, statement)
    a, b = host_parts[host_place], mover_parts[mover_place]
    if not isinstance(a, Loop) or not isinstance(b, Loop):
        raise PomError(
            "POM-S015",
            f"{statement!r} and {other!r} cannot share {depth} more loops",
            hint="share fewer loops",
        )
    child = _merge(a.child, b.child, statement, other, depth - 1, (*names, a.name))
    values = dict((*a.exprs, *b.exprs))
    shared = replace(a, child=child, exprs=tuple((s, values[s]) for s in child.statements))
    rest = [rename_clashes(part, names) for k, part in enumerate(mover_parts) if k != mover_place]
    return sequence(
        (
            *host_parts[:host_place],
            *rest[:mover_place],
            shared,
            *host_parts[host_place + 1 :],
            *rest[mover_place:],
        )
    )


def _parts(node: ScheduleNode, statement: str) -> tuple[tuple[ScheduleNode, ...], int]:
    children = node.children if isinstance(node, Sequence) else (node,)
    return children, next(k for k, c in enumerate(children) if statement in c.statements)
