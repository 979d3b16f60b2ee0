"""Distribute every loop as far as dependences allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import islpy as isl

from pom.ir.affine import Affine
from pom.ir.directives import LoopDirectives
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence, sequence
from pom.passes.base import PolyPass
from pom.passes.isl_build import difference, time_map
from pom.passes.legality import kept_order, legal
from pom.passes.reductions import relaxed_statements
from pom.passes.schedule_tree import prune

_Pairs = tuple[tuple[str, str, isl.Set], ...]
"""Conflicts: source, target, and the pairs of instances that are in conflict."""


@dataclass(frozen=True)
class DistributeAll(PolyPass):
    """Every loop is cut wherever dependences allow; statements of one cycle stay together.

    ::

        for i:                          for i:
            for j:                          for j: S(i, j)
                S(i, j)        →        for i:
                T(i, j)                     T(i, i)
                                        …

    From the outside inwards: of the statements in a loop, those that depend on each other in a cycle
    keep it in common, and every other has the loop to itself; what a loop carries no longer counts
    inside. Loops that run once in each iteration of those around them are left out. Legal where the
    order before was; the result is checked like any other schedule.

    Parameters
    ----------
    fast_math : bool
        Reductions on floats may be reassociated.

    Notes
    -----
    The distribution of Allen and Kennedy (Automatic translation of Fortran programs to vector form,
    TOPLAS 1987), on exact dependences and without the choice of loops, which `poly-reorder` makes.
    """

    name: ClassVar[str] = "poly-distribute-all"
    summary: ClassVar[str] = "cut every loop wherever dependences allow"
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        pairs = _pairs(program, relaxed_statements(program, self.fast_math))
        tree = _Distributor(program).cut(program.schedule, pairs, ())
        return legal(program, replace(program, schedule=tree), "distribute_all()", self.fast_math)


def _pairs(program: PolyProgram, relaxed: frozenset[str]) -> _Pairs:
    return tuple((c.source, c.target, c.relation.wrap()) for c in kept_order(program, relaxed))


def carrying_loops(
    program: PolyProgram, relaxed: frozenset[str] = frozenset()
) -> frozenset[tuple[str, str]]:
    """Statements with the names of the loops around them that carry a dependence.

    What `pom.passes.carried.carried_loops` says, without the dependences; those among the updates
    of the reductions `relaxed` are left out.
    """
    found: set[tuple[str, str]] = set()
    walker = _Distributor(program)

    def visit(node: ScheduleNode, pairs: _Pairs) -> None:
        match node:
            case Sequence():
                for child in node.children:
                    visit(child, pairs)
            case Loop():
                inside = set(node.statements)
                pairs = tuple(p for p in pairs if p[0] in inside and p[1] in inside)
                same = walker.in_one_iteration(node, pairs)
                if len(same) < len(pairs) or any(
                    not all_pairs.is_subset(left)
                    for (_, _, all_pairs), (_, _, left) in zip(pairs, same, strict=True)
                ):
                    found.update((s, node.name) for s in node.statements)
                visit(node.child, same)

    visit(program.schedule, _pairs(program, relaxed))
    return frozenset(found)


class _Distributor:
    def __init__(self, program: PolyProgram) -> None:
        self.statements = {s.name: s for s in program.statements}

    def cut(self, node: ScheduleNode, pairs: _Pairs, around: tuple[Loop, ...]) -> ScheduleNode:
        """The tree at and below `node`, cut; `pairs` are those in equal iterations of `around`."""
        match node:
            case Leaf():
                return node
            case Sequence():
                return sequence(tuple(self.cut(c, pairs, around) for c in node.children))
            case Loop():
                groups = cycles(node.statements, pairs)
                return sequence(tuple(self._loop(node, g, pairs, around) for g in groups))

    def _loop(
        self, loop: Loop, group: tuple[str, ...], pairs: _Pairs, around: tuple[Loop, ...]
    ) -> ScheduleNode:
        part = prune(loop, group)
        if not isinstance(part, Loop):
            raise TypeError(f"{group} are not in the loop {loop.name!r}")
        own = tuple(p for p in pairs if p[0] in group and p[1] in group)
        child = self.cut(part.child, self.in_one_iteration(part, own), (*around, part))
        if (
            len(group) == 1
            and part.directives == LoopDirectives()
            and self._runs_once(part, around)
        ):
            return child
        return replace(part, exprs=tuple((s, part.expr(s)) for s in child.statements), child=child)

    def in_one_iteration(self, loop: Loop, pairs: _Pairs) -> _Pairs:
        """Of `pairs` inside a loop, those that one iteration has."""
        found = (
            (source, target, every.intersect(self._same(loop, source, target)))
            for source, target, every in pairs
        )
        return tuple(pair for pair in found if not pair[2].is_empty())

    def _same(self, loop: Loop, source: str, target: str) -> isl.Set:
        ends = self.statements[source], self.statements[target]
        return difference(*ends, loop.expr(source), loop.expr(target)).same

    def _runs_once(self, loop: Loop, around: tuple[Loop, ...]) -> bool:
        """Whether the loops around it decide the value of a loop of one statement."""
        (name,) = loop.statements
        values: tuple[Affine, ...] = tuple(outer.expr(name) for outer in around)
        statement = self.statements[name]
        outer, own = time_map(statement, values), time_map(statement, (loop.expr(name),))
        return bool(outer.reverse().apply_range(own).is_single_valued())


def cycles(statements: tuple[str, ...], pairs: _Pairs) -> list[tuple[str, ...]]:
    """The statements in groups that depend on each other in cycles, in an order that is legal.

    Of the orders that are, the one nearest to that of the text.
    """
    following: dict[str, set[str]] = {s: set() for s in statements}
    for before, after, _ in pairs:
        if before in following and after in following:
            following[before].add(after)
    reached = {s: _reached(s, following) for s in statements}
    groups: list[tuple[str, ...]] = []
    for first in statements:
        if not any(first in group for group in groups):
            groups.append(
                tuple(
                    s
                    for s in statements
                    if s == first or (s in reached[first] and first in reached[s])
                )
            )
    order: list[tuple[str, ...]] = []
    while groups:
        # cycles are within groups, so one of them comes behind no other
        chosen = next(
            group
            for group in groups
            if not any(group[0] in reached[other[0]] for other in groups if other is not group)
        )
        groups.remove(chosen)
        order.append(chosen)
    return order


def _reached(start: str, following: Mapping[str, set[str]]) -> set[str]:
    """What comes behind a statement, by any number of steps."""
    found: set[str] = set()
    left = [start]
    while left:
        new = following[left.pop()] - found
        found |= new
        left += new
    return found
