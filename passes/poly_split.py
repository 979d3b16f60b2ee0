"""Strip-mine a loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pom.errors import PomError
from pom.ir.directives import LoopDirectives
from pom.ir.poly import Loop, LoopPart, PolyProgram, ScheduleNode
from pom.passes.base import PolyPass
from pom.passes.legality import legal, same_order
from pom.passes.loop_ranges import has_partial_tiles, loop_step, value_range
from pom.passes.schedule_tree import (
    describe,
    edit_loop,
    require_factor,
    require_fresh,
    require_loop,
)

Remainder = Literal["isolate", "separate", "guard"]


@dataclass(frozen=True)
class Split(PolyPass):
    """A loop becomes a loop over blocks of `factor` iterations and a loop within the block.

    ::

        for i in 0..64:                 for i0 in 0..16:
            S(i)               →            for i1 in 0..4:
                                                S(4*i0 + i1)

    Always legal: the order does not change. `factor` need not divide the trip count.

    Parameters
    ----------
    statement : str
        Any statement inside the loop; the loop is split for all of them.
    loop : str
    factor : int
        Iterations of the inner loop, from 1 to the trip count.
    names : tuple of two str, optional
        Names of the two loops; by default the old one followed by 0 and 1.
    remainder : {"isolate", "separate", "guard"}
        How a last, partial block is generated: ``isolate`` puts the full blocks of all loops below
        apart, ``separate`` the full range of this loop, ``guard`` keeps one copy, whose inner loop always
        has `factor` iterations, with guards in its body.
    """

    name: ClassVar[str] = "poly-split"
    summary: ClassVar[str] = "split a loop into blocks and a loop within the block"
    statement: str
    loop: str
    factor: int
    names: tuple[str, ...] = ()
    remainder: Remainder = "isolate"

    def run(self, program: PolyProgram) -> PolyProgram:
        new = split(program, self.statement, self.loop, self.factor, self.names, self.remainder)
        what = describe("split", self.statement, self.loop, self.factor)
        node = require_loop(program, self.statement, self.loop)
        if loop_step(program, self.statement, node) > 1:
            return legal(program, new, what)
        # (floor(v / f), v mod f) are in the order of v
        return same_order(program, new, what)


def split_names(loop: str, names: tuple[str, ...]) -> tuple[str, str]:
    """The names of the outer and the inner loop."""
    match names:
        case ():
            return f"{loop}0", f"{loop}1"
        case (str(outer), str(inner)):
            return outer, inner
    raise PomError(
        "POM-S005",
        f"names must be two names, not {names!r}",
        hint=f"names=('{loop}0', '{loop}1')",
    )


def split(
    program: PolyProgram,
    statement: str,
    loop: str,
    factor: int,
    names: tuple[str, ...] = (),
    remainder: Remainder = "isolate",
) -> PolyProgram:
    """`program` with `loop` split; see `Split`.

    Raises
    ------
    PomError
        POM-S002, S003, S004 (factor), S005 (names), S006 (remainder).
    """
    node = require_loop(program, statement, loop)
    low, high = value_range(program, node)
    step = loop_step(program, statement, node)
    require_factor(factor, max((high - low) // step + 1, 1), f"the factor of {loop!r}")
    outer, inner = split_names(loop, names)
    require_fresh(program, node, (outer, inner), loop)
    if remainder not in ("isolate", "separate", "guard"):
        raise PomError(
            "POM-S006",
            f"unknown treatment of the remainder: {remainder!r}",
            hint="use 'isolate', 'separate' or 'guard'",
        )
    is_partial = has_partial_tiles(program, statement, node, low, step, factor)
    outer_part: LoopPart = remainder if is_partial and remainder != "guard" else "all"
    inner_part: LoopPart = "guard" if is_partial and remainder == "guard" else "all"

    def change(node: Loop) -> ScheduleNode:
        indices = [(s, (e - low) // step) for s, e in node.exprs]
        points = replace(
            node,
            name=inner,
            exprs=tuple((s, index % factor) for s, index in indices),
            directives=LoopDirectives(),
            part=inner_part,
        )
        return replace(
            node,
            name=outer,
            exprs=tuple((s, index // factor) for s, index in indices),
            child=points,
            part=outer_part,
        )

    return replace(program, schedule=edit_loop(program.schedule, statement, loop, change))
