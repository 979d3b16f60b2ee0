"""Orders of loops that leave most to do side by side once every loop is distributed.

In a nest of several statements, such as an LU factorisation, only the outermost loops may carry
dependences if the inner ones are to run side by side. Which loop that is to be is not seen in the
loops as they are: after the loop ``k`` is put outside and its body is cut, an update of the whole
remaining matrix is left, in which nothing waits (the right-looking form). So orders are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import prod

from pom.dse.instance_count import count_instances
from pom.ir.affine import Affine
from pom.ir.expr import Access
from pom.ir.graph import Assign
from pom.ir.poly import Loop, PolyProgram, ScheduleNode, Sequence, walk_loops
from pom.passes.base import PolyPass
from pom.passes.carried import inversions
from pom.passes.loop_ranges import value_range
from pom.passes.poly_distribute_all import DistributeAll, carrying_loops
from pom.passes.poly_reorder import Reorder, is_reorderable
from pom.passes.reductions import relaxed_statements

MOST_ORDERS = 24
"""Orders of one nest that are tried, those that move the fewest loops first."""
MUCH_MORE = 4.0
"""Structures that leave so many times more to do one after the other than the best are left out."""
LANES, WAIT, FILL = 64.0, 8.0, 20.0
"""Instances side by side, cycles between two that wait for each other, and cycles that a pipeline
takes to fill: roughly, to tell orders apart."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A maximal chain of loops around straight-line code, and the loops around it."""

    prefix: tuple[Loop, ...]
    loops: tuple[Loop, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        return self.loops[-1].child.statements

    def carrying(self, carried: frozenset[tuple[str, str]]) -> tuple[Loop, ...]:
        """Its loops that carry a dependence of some statement, see `carrying_loops`."""
        return tuple(
            loop for loop in self.loops if any((s, loop.name) in carried for s in self.statements)
        )


def find_chains(node: ScheduleNode, prefix: tuple[Loop, ...] = ()) -> Iterator[Chain]:
    """Every chain in a tree, in the order of the text."""
    match node:
        case Sequence():
            for child in node.children:
                yield from find_chains(child, prefix)
        case Loop():
            loops = [node]
            while isinstance(loops[-1].child, Loop):
                loops.append(loops[-1].child)
            if any(walk_loops(loops[-1].child)):
                yield from find_chains(loops[-1].child, (*prefix, *loops))
            else:
                yield Chain(prefix, tuple(loops))


def outward(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    """A `Reorder` per outermost nest that gains by it, and `DistributeAll`."""
    last = DistributeAll(fast_math)
    state = _State(program, (), last.run(program), fast_math)
    for nest in _tops(program.schedule):
        state = _best(state, nest)
    return (*state.reorders, last)


@dataclass(frozen=True, slots=True)
class _State:
    """A program with orders chosen so far, and what is left of it after distribution."""

    program: PolyProgram
    reorders: tuple[PolyPass, ...]
    distributed: PolyProgram
    fast_math: bool

    def reordered(self, statement: str, order: tuple[str, ...]) -> _State | None:
        """With one more order; None where it is illegal."""
        if not is_reorderable(self.program, statement, order, self.fast_math):
            return None
        reorder = Reorder(statement, order, self.fast_math)
        program = reorder.run(self.program)
        distributed = DistributeAll(self.fast_math).run(program)
        return _State(program, (*self.reorders, reorder), distributed, self.fast_math)


def _best(state: _State, nest: Loop) -> _State:
    """The order of one nest that leaves least to wait for."""
    least = sequential_work(state.distributed, nest.statements, state.fast_math, has_copies=True)
    chosen = state
    chains = [c for c in find_chains(state.distributed.schedule) if _shares(c, nest)]
    carried = carrying_loops(state.distributed, relaxed_statements(state.program, state.fast_math))
    if all(not c.prefix and len(c.carrying(carried)) < len(c.loops) for c in chains):
        # the loops of a nest without others around it are permuted by the search
        return state
    for statement, order in _orders(state.program, nest):
        found = state.reordered(statement, order)
        if found is None:
            continue
        work = sequential_work(found.distributed, nest.statements, state.fast_math, has_copies=True)
        if work < 0.9 * least:
            least, chosen = work, found
    return chosen


def _shares(chain: Chain, nest: Loop) -> bool:
    return not set(chain.statements).isdisjoint(nest.statements)


def _tops(tree: ScheduleNode) -> Iterator[Loop]:
    for node in tree.children if isinstance(tree, Sequence) else (tree,):
        if isinstance(node, Loop):
            yield node


def _orders(program: PolyProgram, nest: Loop) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Orders of the loops around the deepest statement of a nest."""
    statement = max(nest.statements, key=lambda name: len(program.loops(name)))
    names = tuple(loop.name for loop in program.loops(statement))
    found = sorted(permutations(range(len(names))), key=inversions)
    for order in found[1 : MOST_ORDERS + 1]:
        yield statement, tuple(names[k] for k in order)


def sequential_work(
    program: PolyProgram,
    statements: tuple[str, ...] = (),
    fast_math: bool = False,
    *,
    has_copies: bool = False,
) -> float:
    """About how many cycles a program takes, if every nest has as many lanes as it can use.

    Parameters
    ----------
    program : PolyProgram
    statements : tuple of str
        What counts; everything without them.
    fast_math : bool
        Reductions on floats may be reassociated.
    has_copies : bool
        Whether reads that a tool cannot tell from what is written go to copies; where they do not,
        lanes wait for each other.
    """
    relaxed = relaxed_statements(program, fast_math)
    in_order = carrying_loops(program)
    combined = carrying_loops(program, relaxed) if relaxed else in_order
    statements = statements or tuple(s.name for s in program.statements)
    total = 0.0
    for chain in find_chains(program.schedule):
        inside = [name for name in chain.statements if name in statements]
        if not inside:
            continue
        count = max(count_instances(program.statement(name))[0] for name in inside)
        # lanes of a reduction are combined by trees, which only boxes have
        is_box = count == prod(_extent(program, loop) for loop in (*chain.prefix, *chain.loops))
        carrying = chain.carrying(combined if is_box else in_order)
        is_told_apart = has_copies or not any(_has_row_reads(program, name) for name in inside)
        if len(carrying) < len(chain.loops) and is_told_apart:
            # those that carry go outside of those that do not
            runs = prod(_extent(program, loop) for loop in (*chain.prefix, *carrying))
            total += min(runs, count) * FILL + count / LANES
        else:
            total += count * WAIT
    return total


def _extent(program: PolyProgram, loop: Loop) -> int:
    low, high = value_range(program, loop)
    return max(high - low + 1, 0)


def confusing_reads(program: PolyProgram, statement: str) -> list[tuple[str, int]]:
    """Reads of the array that a statement writes with other subscripts: array and position.

    Those that come last are first, so that the positions of the others stay.
    """
    body = program.statement(statement).body
    if not isinstance(body, Assign) or not body.target.is_affine:
        return []
    target = body.target
    found = [a for a in dict.fromkeys(body.reads) if a.array == target.array]
    return [
        (target.array, position)
        for position, access in reversed(tuple(enumerate(found)))
        if access.is_affine and _is_confusing(access, target)
    ]


def _is_confusing(read: Access, target: Access) -> bool:
    """Whether the subscripts differ by more than constants, and nothing keeps them apart."""
    pairs = [
        (a, b)
        for a, b in zip(read.subscripts, target.subscripts, strict=True)
        if isinstance(a, Affine) and isinstance(b, Affine)
    ]
    differences = [a - b for a, b in pairs]
    return any(not d.is_constant for d in differences) and not any(
        d.is_constant and d.constant for d in differences
    )


def _has_row_reads(program: PolyProgram, statement: str) -> bool:
    """Whether a statement reads the row that it writes at a place that cannot be told apart."""
    body = program.statement(statement).body
    if not isinstance(body, Assign) or not body.target.subscripts:
        return False
    *rows, last = body.target.subscripts
    return any(
        access.array == body.target.array
        and list(access.subscripts[:-1]) == rows
        and isinstance(last, Affine)
        and isinstance(place := access.subscripts[-1], Affine)
        and not (place - last).is_constant
        for access in body.reads
    )
