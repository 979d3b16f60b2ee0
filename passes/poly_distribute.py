"""Distribute a loop over its statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import Loop, PolyProgram, Sequence
from pom.passes.base import PolyPass
from pom.passes.legality import Remedy, legal
from pom.passes.schedule_tree import describe, distributed, edit_loop, require_loop


@dataclass(frozen=True)
class Distribute(PolyPass):
    """A loop is cut around one part of its body, which gets a loop of its own.

    ::

        for i:                          for i:
            S(i)                            S(i)
            T(i)               →        for i:
                                            T(i)

    What stands before and after the part in the text gets a loop each, with the same name. Legal
    where every dependence keeps its order.

    Parameters
    ----------
    statement : str
        The part: the child of the nearest sequence inside the loop that holds this statement.
    loop : str
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-distribute"
    summary: ClassVar[str] = "give a part of a loop's body a loop of its own"
    statement: str
    loop: str
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("distribute", self.statement, self.loop)
        new = distribute(program, self.statement, self.loop)
        return legal(program, new, what, self.fast_math, self._remedies(program))

    def _remedies(self, program: PolyProgram) -> Iterable[Remedy]:
        names = [n.name for n in program.loops(self.statement)]
        for inner in names[names.index(self.loop) + 1 :]:
            text = f"distribute({inner!r}) is legal"
            yield text, lambda inner=inner: distribute(program, self.statement, inner)  # type: ignore[misc]


def distribute(program: PolyProgram, statement: str, loop: str) -> PolyProgram:
    """`program` with `loop` distributed, legal or not.

    Raises
    ------
    PomError
        POM-S002, S003, S009 where there is nothing to distribute.
    """
    node = require_loop(program, statement, loop)
    inside = node.child
    while isinstance(inside, Loop):
        inside = inside.child
    if not isinstance(inside, Sequence):
        raise PomError(
            "POM-S009",
            f"loop {loop!r} runs nothing but {statement!r}: there is nothing to distribute",
            hint="a loop can be distributed where its body has several parts",
        )
    part = next(c for c in inside.children if statement in c.statements)
    tree = edit_loop(
        program.schedule, statement, loop, lambda top: distributed(top, part.statements)
    )
    return replace(program, schedule=tree)
