"""Swap two loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_reorder import reorder
from pom.passes.schedule_tree import describe, require_loop


@dataclass(frozen=True)
class Interchange(PolyPass):
    """Two loops of one statement change places; loops between them stay.

    ::

        for i:                          for j:
            for j:             →            for i:
                S(i, j)                         S(i, j)

    Imperfect nests are treated as `poly-reorder` does.

    Parameters
    ----------
    statement : str
    first, second : str
        Loops around `statement`, in any order.
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-interchange"
    summary: ClassVar[str] = "swap two loops around a statement"
    statement: str
    first: str
    second: str
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        for loop in (self.first, self.second):
            require_loop(program, self.statement, loop)
        if self.first == self.second:
            raise PomError(
                "POM-S007",
                f"cannot interchange {self.first!r} with itself",
                hint="name two different loops",
            )
        names = [n.name for n in program.loops(self.statement)]
        outer, inner = sorted((self.first, self.second), key=names.index)
        what = describe("interchange", self.statement, self.first, self.second)
        return reorder(program, self.statement, (inner, outer), what, self.fast_math)
