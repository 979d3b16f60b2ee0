"""Give a loop constant bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.ir.poly import Loop, PolyProgram, ScheduleNode
from pom.passes.base import PolyPass
from pom.passes.loop_directives import check_loop_directives
from pom.passes.schedule_tree import describe, edit_loop, require_loop


@dataclass(frozen=True)
class Guard(PolyPass):
    """A loop with varying bounds runs over its whole range, with its body guarded.

    ::

        for i in 0..64:                 for i in 0..64:
            for j in 0..i:     →            for j in 0..63:
                S(i, j)                         if j < i: S(i, j)

    Never changes what is computed. A loop with constant bounds can be unrolled completely, also by
    a pipeline around it; the iterations that do nothing cost their time.

    Parameters
    ----------
    statement : str
    loop : str
    enabled : bool
        False gives the loop its exact bounds again.
    """

    name: ClassVar[str] = "poly-guard"
    summary: ClassVar[str] = "give a loop constant bounds and guard its body"
    statement: str
    loop: str
    enabled: bool = True

    def run(self, program: PolyProgram) -> PolyProgram:
        require_loop(program, self.statement, self.loop)

        def change(node: Loop) -> ScheduleNode:
            return replace(node, part="guard" if self.enabled else "all")

        tree = edit_loop(program.schedule, self.statement, self.loop, change)
        new = replace(program, schedule=tree)
        check_loop_directives(new, describe("guard", self.statement, self.loop))
        return new
