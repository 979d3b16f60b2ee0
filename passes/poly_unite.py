"""Make one statement of two that compute the same in different instances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.directives import OpBinding
from pom.ir.expr import substitute
from pom.ir.graph import Assign
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.passes.base import PolyPass
from pom.passes.isl_build import affine, domain, set_text, statement_space
from pom.passes.schedule_tree import describe, prune, require_statement


@dataclass(frozen=True)
class Unite(PolyPass):
    """The instances of another statement with the same body become the statement's own.

    ::

        for i in 0..8:                        for i in 0..8:
            for j in 0..8:                        for j in 0..8:
                if j < i:  S: x -= a[i, j]   →        S: x -= a[i, j]
                else:      T: x -= a[i, j]

    The inverse of `peel`: what was built twice is built once. Always legal, since nothing moves: the
    statements follow each other in the same loops, and no iteration of these runs both.

    Parameters
    ----------
    statement : str
        Keeps its name.
    other : str
        Right before or behind it. Its iterators may have other names.
    """

    name: ClassVar[str] = "poly-unite"
    summary: ClassVar[str] = "make one statement of two that compute the same"
    statement: str
    other: str

    def run(self, program: PolyProgram) -> PolyProgram:
        require_statement(program, self.statement)
        require_statement(program, self.other)
        kept, gone = program.statement(self.statement), program.statement(self.other)
        loops = program.loops(self.statement)
        if (
            self.statement == self.other
            or loops != program.loops(self.other)
            or not _are_neighbours(program.schedule, {self.statement, self.other})
        ):
            raise self._refusal(
                gone,
                "they are not next to each other in the same loops",
                f"put one behind the other first: after({self.statement!r}, …) of {self.other!r}",
            )
        values = _iterators(loops, self.statement, self.other, gone)
        if values is None or _body(gone, values) != replace(kept.body, name=""):
            raise self._refusal(
                gone, "they do not compute the same", "unite statements with the same body"
            )
        if _bindings(program, self.statement) != _bindings(program, self.other):
            raise self._refusal(
                gone, "their operators are bound differently", "bind them after they are united"
            )
        moved = self._moved(kept, gone, values)
        if not moved.is_disjoint(domain(kept)):
            raise self._refusal(
                gone, "some iterations run both", "unite statements with different instances"
            )
        united = replace(kept, domain=set_text(domain(kept).union(moved)))
        statements = tuple(
            united if s.name == self.statement else s
            for s in program.statements
            if s.name != self.other
        )
        tree = prune(program.schedule, [s.name for s in statements])
        bindings = tuple(b for b in program.bindings if b.statement != self.other)
        return replace(
            program, statements=statements, schedule=tree or program.schedule, bindings=bindings
        )

    def _moved(
        self, kept: PolyStatement, gone: PolyStatement, values: dict[str, Affine]
    ) -> isl.Set:
        """The instances of the other statement, as instances of the one that is kept."""
        space = statement_space(kept).map_from_domain_and_range(statement_space(gone))
        place = isl.MultiAff.zero(space)
        for position, iterator in enumerate(gone.iterators):
            place = place.set_aff(position, affine(kept, values[iterator]))
        instances = domain(gone)
        pairs = isl.Map.from_multi_aff(place).intersect_range(instances)
        if not (pairs.is_injective() and pairs.range().is_equal(instances)):
            raise self._refusal(
                gone, "their instances do not correspond", "unite statements of equally many loops"
            )
        return pairs.domain()

    def _refusal(self, gone: PolyStatement, why: str, hint: str) -> PomError:
        what = describe("unite", self.statement, self.other)
        return PomError("POM-S152", f"{what}: {why}", gone.location, hint)


def _are_neighbours(node: ScheduleNode, pair: set[str]) -> bool:
    """Whether two statements follow each other without another one in between."""
    match node:
        case Loop():
            return _are_neighbours(node.child, pair)
        case Sequence(children=children):
            leaves = [c.statement if isinstance(c, Leaf) else "" for c in children]
            return any({a, b} == pair for a, b in pairwise(leaves)) or any(
                pair <= {*c.statements} and _are_neighbours(c, pair) for c in children
            )
        case Leaf():
            return False


def _iterators(
    loops: tuple[Loop, ...], kept: str, gone: str, statement: PolyStatement
) -> dict[str, Affine] | None:
    """Iterators of `gone` by those of `kept` where the loops have equal values; None where a loop
    does not tell."""
    values: dict[str, Affine] = {}
    for loop in loops:
        there = loop.expr(gone)
        if len(there.terms) == 1 and there.terms[0][1] == 1 and isinstance(there.terms[0][0], str):
            values.setdefault(there.terms[0][0], loop.expr(kept) - there.constant)
    if set(values) != set(statement.iterators):
        return None
    if any(loop.expr(gone).substitute(values) != loop.expr(kept) for loop in loops):
        return None
    return values


def _body(statement: PolyStatement, values: dict[str, Affine]) -> object:
    """What a statement computes over other iterators, without its name; None for calls."""
    body = statement.body
    if not isinstance(body, Assign):
        return None
    target = body.target.substitute(values)
    return replace(body, name="", target=target, value=substitute(body.value, values))


def _bindings(program: PolyProgram, statement: str) -> frozenset[OpBinding]:
    return frozenset(replace(b, statement="") for b in program.bindings if b.statement == statement)
