"""Local arrays that make iterations wait only because they share storage.

An accumulator such as ``t = 0; for k: t += …; x[i] = t`` makes every iteration of the loops around it
wait for the one before, though no value goes from one to the next. It goes to the element where its
value is stored in the end (`Coalesce`), which costs nothing, or gets a dim for a loop (`Expand`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pom.errors import PomError
from pom.ir.graph import Assign
from pom.ir.poly import Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.passes.base import PolyPass
from pom.passes.local_copies import fresh_name
from pom.passes.loop_ranges import value_range
from pom.passes.poly_coalesce import Coalesce
from pom.passes.poly_expand import Expand

MOST_BITS = 1 << 20
"""Of an expanded array: more would take a large part of a small device's block RAM."""


def private_arrays(program: PolyProgram) -> tuple[PolyPass, ...]:
    """Primitives that take the sharing of storage away, where that is legal."""
    state = _State(program, [])
    for array in [a.name for a in program.locals]:
        for statement in program.statements:
            if _stores_elsewhere(statement, array):
                state.attempt(Coalesce(statement.name, array))
    for array in [a.name for a in state.program.locals]:
        tree = state.program.schedule
        for nest in tree.children if isinstance(tree, Sequence) else (tree,):
            _expand(state, nest, array)
    return tuple(state.applied)


@dataclass(slots=True)
class _State:
    program: PolyProgram
    applied: list[PolyPass]

    def attempt(self, step: PolyPass) -> bool:
        try:
            self.program = step.run(self.program)
        except PomError:
            return False
        self.applied.append(step)
        return True


def _stores_elsewhere(statement: PolyStatement, array: str) -> bool:
    body = statement.body
    return (
        isinstance(body, Assign)
        and body.target.array != array
        and any(a.array == array for a in body.reads)
    )


def _expand(state: _State, nest: ScheduleNode, array: str) -> None:
    """Expand an array for the loops around all its users in a nest, from the inside outwards."""
    users = [s for s in nest.statements if _uses(state.program.statement(s), array)]
    if len(users) < 2:
        return
    declared = state.program.arrays[array].type
    bits = declared.element.width * prod(declared.shape)
    for loop in reversed(_around_all(state.program, users)):
        low, high = value_range(state.program, loop)
        bits *= max(high - low + 1, 1)
        name = fresh_name(state.program, f"{array}_x")
        if bits > MOST_BITS or not state.attempt(Expand(users[0], array, loop.name, name)):
            return
        array = name


def _uses(statement: PolyStatement, array: str) -> bool:
    body = statement.body
    return isinstance(body, Assign) and any(a.array == array for a in (*body.reads, body.target))


def _around_all(program: PolyProgram, statements: list[str]) -> tuple[Loop, ...]:
    """The loops that statements share, outermost first."""
    around = [program.loops(name) for name in statements]
    return tuple(
        loops[0] for loops in zip(*around, strict=False) if all(n is loops[0] for n in loops)
    )
