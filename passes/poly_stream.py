"""Make a local array a stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.array_directives import is_argument, require_array
from pom.passes.base import PolyPass
from pom.passes.fifo_order import why_not_stream
from pom.passes.poly_interface import Interface

_DEEPEST = 1 << 20


@dataclass(frozen=True)
class Stream(PolyPass):
    """A local array becomes a FIFO between the nest that writes it and the nest that reads it.

    ::

        float t[64];           →        float t[64];
                                        #pragma HLS STREAM variable=t depth=2

    Refused unless every element is written once and read once, in the same order.

    Parameters
    ----------
    array : str
    depth : int
        Elements that the FIFO holds.
    """

    name: ClassVar[str] = "poly-stream"
    summary: ClassVar[str] = "make a local array a FIFO"
    array: str
    depth: int = 2

    def run(self, program: PolyProgram) -> PolyProgram:
        require_array(program, self.array)
        depth = self.depth
        if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= _DEEPEST:
            raise PomError(
                "POM-S029",
                f"the depth of a stream is an integer from 1 to {_DEEPEST}, not {depth!r}",
                hint="2 is enough where both sides run at the same rate",
            )
        if is_argument(program, self.array):
            raise PomError(
                "POM-S029",
                f"{self.array!r} is an argument: a stream is a local array",
                hint=self._as_port(program),
            )
        reason = why_not_stream(program, self.array)
        if reason:
            raise PomError(
                "POM-S029",
                f"{self.array!r} cannot be a stream: {reason}",
                hint="without stream() it is a double buffer, which takes any order",
            )
        directives = replace(program.directives_of(self.array), stream_depth=depth)
        return program.with_array(self.array, directives)

    def _as_port(self, program: PolyProgram) -> str:
        """What to do with an argument."""
        try:
            Interface(self.array, "axis").run(program)
        except PomError:
            return "make a local copy with buffer_at first: its elements need an order that fits"
        return f"s.array({self.array!r}).interface('axis') makes an argument a stream"
