"""Pipeline a loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.loop_directives import check_loop_directives, guarded, with_directives
from pom.passes.schedule_tree import describe, require_loop

_LARGEST_II = 1 << 16


@dataclass(frozen=True)
class Pipeline(PolyPass):
    """Iterations of a loop start every `ii` cycles; loops inside it are unrolled completely.

    ::

        for i:                          for i:
            for j:             →            #pragma HLS PIPELINE II=1
                S(i, j)                     for j:
                                                S(i, j)

    Never changes what is computed. Refused where a loop inside has no constant trip count, since
    the tool cannot unroll that, and around or inside another pipelined loop. Loops within blocks of
    a split get constant bounds and guards where that is needed.

    Parameters
    ----------
    statement : str
    loop : str
    ii : int
        The initiation interval asked for; 0 switches pipelining off for this loop (PIPELINE off).
    """

    name: ClassVar[str] = "poly-pipeline"
    summary: ClassVar[str] = "pipeline a loop"
    statement: str
    loop: str
    ii: int = 1

    def run(self, program: PolyProgram) -> PolyProgram:
        require_loop(program, self.statement, self.loop)
        ii = self.ii
        if not isinstance(ii, int) or isinstance(ii, bool) or not 0 <= ii <= _LARGEST_II:
            raise PomError(
                "POM-S013",
                f"the initiation interval must be an integer from 0 to {_LARGEST_II}, not {ii!r}",
                hint="use ii=1 for the highest throughput, ii=0 for PIPELINE off",
            )
        new = with_directives(
            program,
            self.statement,
            self.loop,
            pipeline_ii=ii or None,
            pipeline_off=ii == 0,
        )
        new = guarded(new, require_loop(new, self.statement, self.loop))
        what = describe("pipeline", self.statement, self.loop, ii=ii)
        self._check_outside(new, what)
        check_loop_directives(new, what)
        return new

    def _check_outside(self, program: PolyProgram, what: str) -> None:
        if not self.ii:
            return
        for outer in program.loops(self.statement):
            if outer.name == self.loop:
                return
            if outer.directives.pipeline_ii is not None:
                raise PomError(
                    "POM-S011",
                    f"{what}: loop {outer.name!r} around {self.loop!r} is pipelined already",
                    hint=f"switch that off first: pipeline({outer.name!r}, ii=0)",
                )
