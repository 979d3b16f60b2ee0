"""Skew a loop by an outer one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import Loop, PolyProgram, ScheduleNode
from pom.passes.base import PolyPass
from pom.passes.legality import legal
from pom.passes.loop_ranges import require_countable
from pom.passes.schedule_tree import describe, edit_loop, require_loop


@dataclass(frozen=True)
class Skew(PolyPass):
    """The inner loop's value grows by `factor` times the outer one's.

    ::

        for t:                          for t:
            for i in 1..N:     →            for i in t+1..t+N:
                S(t, i)                         S(t, i - t)

    Always legal, since iterations of the inner loop move only against other iterations of the
    outer one. It makes distances along the inner loop non-negative, so that the two loops can be
    interchanged or tiled.

    Parameters
    ----------
    statement : str
    outer, inner : str
        Loops around `statement`, `outer` outside `inner`.
    factor : int
        Not zero; may be negative.
    """

    name: ClassVar[str] = "poly-skew"
    summary: ClassVar[str] = "skew a loop by an outer one"
    statement: str
    outer: str
    inner: str
    factor: int = 1

    def run(self, program: PolyProgram) -> PolyProgram:
        new = skew(program, self.statement, self.outer, self.inner, self.factor)
        what = describe("skew", self.statement, self.outer, self.inner, self.factor)
        return legal(program, new, what)


def skew(program: PolyProgram, statement: str, outer: str, inner: str, factor: int) -> PolyProgram:
    """`program` with `inner` skewed; see `Skew`.

    Raises
    ------
    PomError
        POM-S002, S003, S008 (nesting or factor).
    """
    outer_loop = require_loop(program, statement, outer)
    require_loop(program, statement, inner)
    names = [n.name for n in program.loops(statement)]
    if names.index(outer) >= names.index(inner):
        raise PomError(
            "POM-S008",
            f"cannot skew {inner!r} by {outer!r}: {outer!r} is not outside {inner!r}",
            hint=f"the loops from the outside in: {', '.join(map(repr, names))}",
        )
    if not isinstance(factor, int) or isinstance(factor, bool) or factor == 0:
        raise PomError(
            "POM-S008",
            f"the skewing factor must be a non-zero integer, not {factor!r}",
            hint="use 1, or the distance that must become non-negative",
        )

    for name in require_loop(program, statement, inner).statements:
        require_countable(program, name, inner, factor, outer_loop.expr(name), "POM-S008")

    def change(node: Loop) -> ScheduleNode:
        return replace(
            node, exprs=tuple((s, e + outer_loop.expr(s) * factor) for s, e in node.exprs)
        )

    return replace(program, schedule=edit_loop(program.schedule, statement, inner, change))
