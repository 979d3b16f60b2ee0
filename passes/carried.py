"""Which loops carry dependences, how closely, and which orders are legal: what a search asks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from pom.ir.poly import PolyProgram
from pom.passes.dependences import Dependence, dependences_from
from pom.passes.legality import is_legal, kept_order
from pom.passes.poly_reorder import reordered
from pom.passes.schedule_tree import require_statement

LoopKey = tuple[str, str]
"""A statement and the name of a loop around it: together they name a loop of the program."""


def carried_dependences(
    program: PolyProgram, relax_reductions: bool = False
) -> dict[LoopKey, tuple[Dependence, ...]]:
    """The dependences that each loop carries; loops that carry none have an empty tuple.

    Parameters
    ----------
    program : PolyProgram
    relax_reductions : bool
        Leave out the dependences among the updates of reductions.
    """
    found: dict[LoopKey, list[Dependence]] = {
        (s.name, n.name): [] for s in program.statements for n in program.loops(s.name)
    }
    for dependence in dependences_from(program, kept_order(program, frozenset())):
        if dependence.loop is None or (relax_reductions and dependence.is_reduction):
            continue
        shared = program.loops(dependence.source)[dependence.level - 1]  # type: ignore[operator]
        for statement in shared.statements:
            found[statement, dependence.loop].append(dependence)
    return {key: tuple(ds) for key, ds in found.items()}


def carried_loops(
    program: PolyProgram, relax_reductions: bool = False
) -> dict[str, tuple[str, ...]]:
    """The loops around each statement that carry a dependence, outermost first."""
    carried = carried_dependences(program, relax_reductions)
    return {
        s.name: tuple(n.name for n in program.loops(s.name) if carried[s.name, n.name])
        for s in program.statements
    }


def parallel_loops(
    program: PolyProgram, relax_reductions: bool = False
) -> dict[str, tuple[str, ...]]:
    """The loops around each statement whose iterations are independent, outermost first."""
    carried = carried_dependences(program, relax_reductions)
    return {
        s.name: tuple(n.name for n in program.loops(s.name) if not carried[s.name, n.name])
        for s in program.statements
    }


def carried_distances(program: PolyProgram) -> dict[LoopKey, int | None]:
    """The shortest distance of a flow dependence that each loop carries; None where it carries none.

    It bounds the initiation interval of a pipeline on that loop from below: the result of an
    iteration is needed that many iterations later.
    """
    result: dict[LoopKey, int | None] = {}
    for key, found in carried_dependences(program).items():
        flows = [d for d in found if d.kind == "flow"]
        result[key] = min((d.distance[d.level - 1].minimum for d in flows if d.level), default=None)
    return result


def legal_permutations(
    program: PolyProgram, statement: str, fast_math: bool = False, limit: int = 120
) -> tuple[tuple[str, ...], ...]:
    """The orders of the loops around `statement` that `poly-reorder` accepts, the current one first.

    Parameters
    ----------
    program : PolyProgram
    statement : str
    fast_math : bool
    limit : int
        Orders that are tried; those that move the fewest loops come first.
    """
    require_statement(program, statement)
    names = tuple(n.name for n in program.loops(statement))
    if len(names) < 2:
        return (names,)
    return tuple(
        order
        for order in _by_inversions(names, limit)
        if order == names
        or any(is_legal(program, c, fast_math) for c in reordered(program, statement, order))
    )


def _by_inversions(names: tuple[str, ...], limit: int) -> Iterator[tuple[str, ...]]:
    """Permutations of `names`, nearest to the given order first."""
    most = 7
    if len(names) > most:
        head, tail = names[: len(names) - most], names[len(names) - most :]
        yield from ((*head, *order) for order in _by_inversions(tail, limit))
        return
    found = sorted(permutations(range(len(names))), key=inversions)
    yield from (tuple(names[k] for k in order) for order in found[:limit])


def inversions(order: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """How many pairs an order swaps, then the order itself: a stable sort key."""
    count = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
    return count, order
