"""Flatten a perfect nest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.loop_directives import check_loop_directives, with_directives
from pom.passes.schedule_tree import describe, require_loop


@dataclass(frozen=True)
class Flatten(PolyPass):
    """A loop and the loop directly around it become one in hardware, which saves entering it.

    ::

        for i:                          for i:
            for j:             →            for j:
                S(i, j)                         #pragma HLS LOOP_FLATTEN
                                                S(i, j)

    Never changes what is computed. Refused where anything else stands between the two loops, or
    where the number of iterations of the inner one varies: the tool would not do it.

    Parameters
    ----------
    statement : str
    loop : str
        The inner loop.
    enabled : bool
        False keeps the tool from flattening (LOOP_FLATTEN off).
    """

    name: ClassVar[str] = "poly-flatten"
    summary: ClassVar[str] = "flatten a loop into the loop around it"
    statement: str
    loop: str
    enabled: bool = True

    def run(self, program: PolyProgram) -> PolyProgram:
        require_loop(program, self.statement, self.loop)
        new = with_directives(program, self.statement, self.loop, flatten=self.enabled)
        check_loop_directives(new, describe("flatten", self.statement, self.loop))
        return new
