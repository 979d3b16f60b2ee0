"""Reverse a loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.ir.poly import Loop, PolyProgram, ScheduleNode
from pom.passes.base import PolyPass
from pom.passes.legality import legal
from pom.passes.loop_ranges import value_range
from pom.passes.schedule_tree import describe, edit_loop, require_loop


@dataclass(frozen=True)
class Reverse(PolyPass):
    """A loop runs backwards.

    ::

        for i in 0..64:        →        for i in 0..64:
            S(i)                            S(63 - i)

    Legal where the loop carries no dependence.

    Parameters
    ----------
    statement : str
        Any statement inside the loop; all of them run backwards.
    loop : str
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-reverse"
    summary: ClassVar[str] = "run a loop backwards"
    statement: str
    loop: str
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        new = reversed_loop(program, self.statement, self.loop)
        what = describe("reverse", self.statement, self.loop)
        return legal(program, new, what, self.fast_math)


def reversed_loop(program: PolyProgram, statement: str, loop: str) -> PolyProgram:
    """`program` with `loop` running backwards, legal or not."""
    low, high = value_range(program, require_loop(program, statement, loop))

    def change(node: Loop) -> ScheduleNode:
        return replace(node, exprs=tuple((s, (low + high) - e) for s, e in node.exprs))

    return replace(program, schedule=edit_loop(program.schedule, statement, loop, change))
