"""Cut a statement's instances in two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence, sequence
from pom.passes.base import PolyPass
from pom.passes.isl_build import affine, domain, set_text
from pom.passes.legality import divided
from pom.passes.loop_ranges import value_range
from pom.passes.schedule_tree import enclosing, require_loop


@dataclass(frozen=True)
class Peel(PolyPass):
    """The instances at which a loop has reached a value become a statement of their own.

    ::

        for j in 0..4094:               for j in 0..4094:
            S(j)               →            if j < 4080: S(j)
                                            else:        S_rest(j)

    Always legal: nothing moves. `distribute` on the new statement then gives the rest a loop of its
    own, so that a factor that does not divide the trip count divides what is left, and the rest can
    be built in another way. The new statement computes the same as the old one.

    Parameters
    ----------
    statement : str
    loop : str
    at : int
        Value of the loop from which on instances belong to the rest; with `of`, how far that is from
        the value of another loop.
    rest : str
        Name of the new statement; by default the old one's followed by ``_rest``.
    of : str
        A loop around `loop`; empty for a constant place.
    """

    name: ClassVar[str] = "poly-peel"
    summary: ClassVar[str] = "make the last iterations of a loop a statement of their own"
    statement: str
    loop: str
    at: int
    rest: str = ""
    of: str = ""

    def run(self, program: PolyProgram) -> PolyProgram:
        node = require_loop(program, self.statement, self.loop)
        name = self.rest or f"{self.statement}_rest"
        if any(s.name == name for s in program.statements):
            raise PomError(
                "POM-S150",
                f"there is a statement {name!r} already",
                hint="give the rest another name with rest='…'",
            )
        if not (name.isidentifier() and name.isascii()):
            raise PomError(
                "POM-S150",
                f"{name!r} cannot be the name of a statement",
                hint="use letters, digits and underscores, not starting with a digit",
            )
        low, high = value_range(program, node)
        if not isinstance(self.at, int) or isinstance(self.at, bool):
            raise PomError(
                "POM-S151",
                f"the place to peel {self.loop!r} at must be an integer, not {self.at!r}",
                hint=f"the loop runs from {low} to {high}",
            )
        if low == high:
            raise PomError(
                "POM-S151",
                f"loop {self.loop!r} has one value, {low}: there is nothing to peel",
                hint="peel a loop that runs more than once",
            )
        if self.of:
            return self._cut(program, node, name)
        if not low < self.at <= high:
            raise PomError(
                "POM-S151",
                f"peel at {self.at}: loop {self.loop!r} runs from {low} to {high}",
                hint=f"choose a value from {low + 1} to {high}",
            )
        return self._cut(program, node, name)

    def _cut(self, program: PolyProgram, node: Loop, name: str) -> PolyProgram:
        old = program.statement(self.statement)
        instances = domain(old)
        place = Affine.const(self.at)
        if self.of:
            outer = require_loop(program, self.statement, self.of)
            if outer not in enclosing(program, self.statement, self.loop):
                raise PomError(
                    "POM-S151",
                    f"loop {self.of!r} is not around loop {self.loop!r}",
                    hint="peel the inner loop at the value of an outer one",
                )
            place = outer.expr(self.statement) + self.at
        beyond = affine(old, node.expr(self.statement) - place)
        part = instances.intersect(beyond.ge_set(affine(old, Affine.const(0))))
        before = instances.subtract(part)
        if self.of and (part.is_empty() or before.is_empty()):
            raise PomError(
                "POM-S151",
                f"loop {self.loop!r} is always on one side of {self.of!r} + {self.at}",
                hint="choose a place that both loops reach",
            )
        kept = replace(old, domain=set_text(before))
        moved = replace(
            old,
            name=name,
            domain=set_text(part.set_tuple_name(name)),
            body=replace(old.body, name=name),
        )
        statements = tuple(
            s for old_s in program.statements
            for s in ((kept, moved) if old_s.name == self.statement else (old_s,))
        )  # fmt: skip
        bindings = program.bindings + tuple(
            replace(b, statement=name) for b in program.bindings if b.statement == self.statement
        )
        tree = _with_twin(program.schedule, self.statement, name)
        new = replace(program, statements=statements, schedule=tree, bindings=bindings)
        return divided(program, new, (self.statement, name))


def _with_twin(node: ScheduleNode, statement: str, twin: str) -> ScheduleNode:
    """`twin` beside `statement`, in the same loops and right after it."""
    if statement not in node.statements:
        return node
    match node:
        case Leaf():
            return Sequence((node, Leaf(twin)))
        case Sequence():
            return sequence(tuple(_with_twin(c, statement, twin) for c in node.children))
        case Loop():
            exprs = tuple(
                pair
                for s, e in node.exprs
                for pair in (((s, e), (twin, e)) if s == statement else ((s, e),))
            )
            return replace(node, exprs=exprs, child=_with_twin(node.child, statement, twin))
