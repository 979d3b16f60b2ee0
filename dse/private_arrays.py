"""Local arrays that make iterations wait only because they share storage.

An accumulator such as ``t = 0; for k: t += …; x[i] = t`` makes every iteration of the loops around it
wait for the one before, though no value goes from one to the next. It goes to the element where its
value is stored in the end (`Coalesce`), which costs nothing, or gets a dim for a loop (`Expand`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pom.dse.outward import confusing_reads
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.graph import Assign
from pom.ir.poly import Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.passes.base import PolyPass
from pom.passes.local_copies import fresh_name
from pom.passes.loop_ranges import value_range
from pom.passes.poly_coalesce import Coalesce
from pom.passes.poly_expand import Expand

MOST_BITS = 1 << 21
"""Of an expanded or copied array: more would take most of a small device's block RAM."""


def private_arrays(
    program: PolyProgram, kept: frozenset[str] = frozenset()
) -> tuple[PolyPass, ...]:
    """Primitives that take the sharing of storage away, where that is legal.

    Parameters
    ----------
    program : PolyProgram
    kept : frozenset of str
        Statements to which no accumulator is moved.
    """
    state = _State(program, [])
    for array in [a.name for a in program.locals]:
        for statement in program.statements:
            if statement.name not in kept and _stores_elsewhere(statement, array):
                state.attempt(Coalesce(statement.name, array))
    for array in [a.name for a in state.program.locals]:
        tree = state.program.schedule
        for nest in tree.children if isinstance(tree, Sequence) else (tree,):
            _expand(state, nest, array)
    return tuple(state.applied)


def regrets(program: PolyProgram, steps: tuple[PolyPass, ...]) -> frozenset[str]:
    """Statements to which accumulators were better not moved, seen from the final program.

    Where the sum has stayed the innermost loop and reads other elements of the array that it now lives
    in, a tool takes these for the sum: it loads, multiplies, adds and stores before the next one.
    """
    homes: dict[str, set[str]] = {}
    bodies = {s.name: s.body for s in program.statements if isinstance(s.body, Assign)}
    for step in steps:
        if isinstance(step, Coalesce) and step.statement in bodies:
            homes.setdefault(bodies[step.statement].target.array, set()).add(step.statement)
    found: set[str] = set()
    for name, body in bodies.items():
        loops = program.loops(name)
        if loops and body.target.array in homes and body.target in body.reads:
            inner = loops[-1].expr(name).variables
            stays = all(
                isinstance(s, Affine) and not s.variables & inner for s in body.target.subscripts
            )
            if stays and confusing_reads(program, name):
                found |= homes[body.target.array]
    return frozenset(found)


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
