"""Unroll a loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.loop_directives import check_loop_directives, guarded, with_directives
from pom.passes.loop_ranges import value_range
from pom.passes.schedule_tree import describe, require_loop


@dataclass(frozen=True)
class Unroll(PolyPass):
    """`factor` iterations of a loop are built side by side.

    ::

        for i in 0..64:        →        for i in 0..64:
            S(i)                            #pragma HLS UNROLL factor=4
                                            S(i)

    Never changes what is computed.

    Parameters
    ----------
    statement : str
    loop : str
    factor : int
        From 1 (not unrolled) to the trip count; 0 unrolls completely, which needs a constant trip
        count.
    """

    name: ClassVar[str] = "poly-unroll"
    summary: ClassVar[str] = "unroll a loop"
    statement: str
    loop: str
    factor: int = 0

    def run(self, program: PolyProgram) -> PolyProgram:
        node = require_loop(program, self.statement, self.loop)
        low, high = value_range(program, node)
        largest = max(high - low + 1, 1)
        factor = self.factor
        if not isinstance(factor, int) or isinstance(factor, bool) or not 0 <= factor <= largest:
            raise PomError(
                "POM-S004",
                f"the unroll factor of {self.loop!r} must be an integer from 0 to {largest}, "
                f"not {factor!r}",
                hint="0 unrolls completely",
            )
        new = with_directives(program, self.statement, self.loop, unroll=factor)
        new = guarded(new, require_loop(new, self.statement, self.loop))
        check_loop_directives(new, describe("unroll", self.statement, self.loop, factor))
        return new
