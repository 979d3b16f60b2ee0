"""Shift a statement along a loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import Loop, PolyProgram, ScheduleNode
from pom.passes.base import PolyPass
from pom.passes.legality import Remedy, legal
from pom.passes.loop_ranges import require_countable
from pom.passes.schedule_tree import describe, edit_loop, require_loop


@dataclass(frozen=True)
class Shift(PolyPass):
    """One statement runs `amount` iterations of a loop later than the others in it.

    ::

        for i in 0..64:                 for i in 0..65:
            S(i)               →            if i < 64: S(i)
            T(i)                            if i >= 1: T(i - 1)

    Legal where every dependence keeps its order. With one statement in the loop only the numbering
    changes.

    Parameters
    ----------
    statement : str
    loop : str
    amount : int
        May be negative.
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-shift"
    summary: ClassVar[str] = "delay a statement along a loop"
    statement: str
    loop: str
    amount: int
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        require_loop(program, self.statement, self.loop)
        if not isinstance(self.amount, int) or isinstance(self.amount, bool):
            raise PomError(
                "POM-S014",
                f"the amount of a shift must be an integer, not {self.amount!r}",
                hint="a positive amount delays the statement",
            )
        require_countable(program, self.statement, self.loop, self.amount, None, "POM-S014")
        what = describe("shift", self.statement, self.loop, self.amount)
        remedies: list[Remedy] = [
            (
                f"shift({self.loop!r}, {-self.amount}) is legal",
                lambda: shifted(program, self.statement, self.loop, -self.amount),
            )
        ]
        new = shifted(program, self.statement, self.loop, self.amount)
        return legal(program, new, what, self.fast_math, remedies)


def shifted(program: PolyProgram, statement: str, loop: str, amount: int) -> PolyProgram:
    """`program` with the value of `loop` for `statement` increased, legal or not."""

    def change(node: Loop) -> ScheduleNode:
        return replace(
            node, exprs=tuple((s, e + amount if s == statement else e) for s, e in node.exprs)
        )

    return replace(program, schedule=edit_loop(program.schedule, statement, loop, change))
