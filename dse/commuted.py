"""Updates that wait for the iteration before, behind those of the same elements that do not have to.

A dynamic program improves an element by what its neighbour has become, and then by many other values.
As long as the neighbour comes first, the iteration has to wait before it does anything:

    for j:                                  for j:
        x[j] = max(x[j], x[j-1])                for k: x[j] = max(x[j], y[j,k])
        for k: x[j] = max(x[j], y[j,k])         x[j] = max(x[j], x[j-1])

Exact updates commute (`pom.passes.reductions.commuting`), so the many can be first, and the loop over
them can go outside: every element updates those that come after it.
"""

from __future__ import annotations

from pom.errors import PomError
from pom.ir.poly import Leaf, Loop, PolyProgram, ScheduleNode, Sequence, walk_loops
from pom.passes.base import PolyPass
from pom.passes.isl_build import difference
from pom.passes.legality import kept_order
from pom.passes.poly_after import After
from pom.passes.reductions import commuting, relaxed_statements
from pom.passes.schedule_tree import enclosing


def commuted(program: PolyProgram) -> tuple[PolyPass, ...]:
    """An `After` per update that waits and is in front of a loop over updates of the same elements."""
    found: list[PolyPass] = []
    classes = commuting(program, relaxed_statements(program))
    for loop in walk_loops(program.schedule):
        for statement, other in _in_front(loop, classes):
            if not _waits(program, statement, loop, classes):
                continue
            step = After(statement, other, loop.name)
            try:
                program = step.run(program)
            except PomError:
                continue
            found.append(step)
    return tuple(found)


def _in_front(loop: Loop, classes: dict[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """Updates directly in a loop, each with the last one in loops behind it that commutes with it."""
    children: tuple[ScheduleNode, ...] = ()
    if isinstance(loop.child, Sequence):
        children = loop.child.children
    found = []
    for position, child in enumerate(children):
        if not isinstance(child, Leaf) or child.statement not in classes:
            continue
        own = classes[child.statement]
        behind = [
            s
            for node in children[position + 1 :]
            if not isinstance(node, Leaf)
            for s in node.statements
            if classes.get(s) == own
        ]
        found += [(child.statement, s) for s in behind[-1:]]
    return found


def _waits(
    program: PolyProgram, statement: str, loop: Loop, classes: dict[str, tuple[str, str]]
) -> bool:
    """Whether it reads what updates of its class make in earlier iterations of the loop."""
    target = program.statement(statement)
    for conflict in kept_order(program, frozenset(classes)):
        if (conflict.kind, conflict.target) != ("flow", statement):
            continue
        if classes.get(conflict.source) != classes[statement]:
            continue
        source, pairs = program.statement(conflict.source), conflict.relation.wrap()
        for outer in enclosing(program, statement, loop.name):
            ends = outer.expr(source.name), outer.expr(statement)
            pairs = pairs.intersect(difference(source, target, *ends).same)
        same = difference(source, target, loop.expr(source.name), loop.expr(statement)).same
        if not pairs.is_subset(same):
            return True
    return False
