"""Permute loops of a nest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import ClassVar

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.poly import Loop, PolyProgram, ScheduleNode
from pom.passes.base import PolyPass
from pom.passes.legality import Remedy, is_legal, legal
from pom.passes.loop_ranges import loop_bounds, value_range
from pom.passes.poly_skew import skew
from pom.passes.schedule_tree import (
    chain,
    describe,
    distributed,
    edit_loop,
    nest,
    require_loop,
    sunk,
)

_MOST_PERMUTED = 5


@dataclass(frozen=True)
class Reorder(PolyPass):
    """The loops named take each other's places, in the given order, outermost first.

    ::

        for i:                          for k:
            for j:             →            for i:
                for k:                          for j:
                    S(i, j, k)                      S(i, j, k)

    with ``order = k, i, j``. Loops that are not named stay where they are. In an imperfect nest the
    statements below the innermost of the loops get a nest of their own (distribution); where that
    is illegal, the other statements move into the first or last iteration of the inner loops
    (sinking): of all that there are, or of those in the same iteration of the loops around. Legal
    where every dependence keeps its order.

    Parameters
    ----------
    statement : str
    order : tuple of str
        At least two loops around `statement`.
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-reorder"
    summary: ClassVar[str] = "permute loops around a statement"
    statement: str
    order: tuple[str, ...]
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("reorder", self.statement, *self.order)
        return reorder(program, self.statement, self.order, what, self.fast_math)


def reorder(
    program: PolyProgram,
    statement: str,
    order: tuple[str, ...],
    what: str,
    fast_math: bool = False,
) -> PolyProgram:
    """`program` with the loops of `order` permuted, if that is legal.

    Raises
    ------
    PomError
        POM-S001 where it is illegal; POM-S002, S003, S007 for wrong arguments.
    """
    candidates = reordered(program, statement, order)
    for candidate in candidates:
        if is_legal(program, candidate, fast_math):
            return legal(program, candidate, what, fast_math)
    return legal(
        program,
        candidates[0],
        what,
        fast_math,
        _remedies(program, statement, order, fast_math),
    )


def is_reorderable(
    program: PolyProgram, statement: str, order: tuple[str, ...], fast_math: bool = False
) -> bool:
    """Whether `reorder` accepts an order; faster than a refusal, which looks for a hint."""
    return any(is_legal(program, c, fast_math) for c in reordered(program, statement, order))


def reordered(
    program: PolyProgram, statement: str, order: tuple[str, ...]
) -> tuple[PolyProgram, ...]:
    """The programs that `reorder` may mean, legal or not, the simplest first."""
    for name in order:
        require_loop(program, statement, name)
    if len(set(order)) != len(order) or len(order) < 2:
        raise PomError(
            "POM-S007",
            f"an order must name at least two different loops, not {order!r}",
            hint=f"the loops around {statement!r} are "
            + ", ".join(repr(n.name) for n in program.loops(statement)),
        )
    named = [n for n in program.loops(statement) if n.name in order]
    moved = [k for k, n in enumerate(named) if n.name != order[k]]
    if not moved:
        return (program,)
    # Loops at either end that keep their places do not take part, and need no perfect nest.
    named, order = named[moved[0] : moved[-1] + 1], order[moved[0] : moved[-1] + 1]
    outermost, innermost = named[0].name, named[-1]
    top = require_loop(program, statement, outermost)
    results = []
    if chain(top, innermost.name) is None:
        apart = distributed(top, innermost.statements)
        results.append(edit_loop(program.schedule, statement, outermost, lambda _: apart))
        for bounds in (_range(program), _bounds(program, statement)):
            try:
                perfect = sunk(program, top, statement, innermost.name, bounds)
            except _NotAffineError:
                continue
            tree = edit_loop(program.schedule, statement, outermost, lambda _, p=perfect: p)  # type: ignore[misc]
            if tree not in results:
                results.append(tree)
    else:
        results.append(program.schedule)
    return tuple(
        replace(program, schedule=_permuted(tree, statement, outermost, innermost.name, order))
        for tree in results
    )


class _NotAffineError(Exception):
    """The bounds of a loop are not affine in the loops around it."""


def _range(program: PolyProgram) -> Callable[[Loop], tuple[Affine, Affine]]:
    """The first and the last value of a loop over the whole domain."""

    def ends(loop: Loop) -> tuple[Affine, Affine]:
        low, high = value_range(program, loop)
        return Affine.const(low), Affine.const(high)

    return ends


def _bounds(program: PolyProgram, statement: str) -> Callable[[Loop], tuple[Affine, Affine]]:
    """The first and the last value of a loop in the iteration around it."""

    def ends(loop: Loop) -> tuple[Affine, Affine]:
        found = loop_bounds(program, statement, loop)
        if found is None:
            raise _NotAffineError
        return found

    return ends


def _permuted(
    tree: ScheduleNode, statement: str, outermost: str, innermost: str, order: tuple[str, ...]
) -> ScheduleNode:
    def change(top: ScheduleNode) -> ScheduleNode:
        found = chain(top, innermost)  # type: ignore[arg-type]  # `edit_loop` passes loops
        if found is None:
            raise ValueError(f"the nest from {outermost!r} to {innermost!r} is not perfect")
        headers, body = found
        by_name = {h.name: h for h in headers}
        wanted = iter(order)
        return nest([by_name[next(wanted)] if h.name in order else h for h in headers], body)

    return edit_loop(tree, statement, outermost, change)


def _remedies(
    program: PolyProgram, statement: str, order: tuple[str, ...], fast_math: bool
) -> Iterable[Remedy]:
    """Skews that make the order legal, then other orders of the same loops."""
    inner_to_outer = [n.name for n in program.loops(statement) if n.name in order]
    for factor in (1, 2, 3, 4):
        for position, inner in enumerate(inner_to_outer):
            for outer in inner_to_outer[:position]:
                text = f"skew {inner!r} by {outer!r} first: skew({outer!r}, {inner!r}, {factor})"

                def make(
                    outer: str = outer, inner: str = inner, factor: int = factor
                ) -> PolyProgram:
                    skewed = skew(program, statement, outer, inner, factor)
                    return _first_legal(program, reordered(skewed, statement, order), fast_math)

                yield text, make
    if len(order) > _MOST_PERMUTED:
        return
    for other in permutations(inner_to_outer):
        if other == order or list(other) == inner_to_outer:
            continue
        text = f"the order {', '.join(map(repr, other))} is legal"

        def make_other(other: tuple[str, ...] = other) -> PolyProgram:
            return _first_legal(program, reordered(program, statement, other), fast_math)

        yield text, make_other


def _first_legal(
    program: PolyProgram, candidates: tuple[PolyProgram, ...], fast_math: bool
) -> PolyProgram:
    return next((c for c in candidates if is_legal(program, c, fast_math)), candidates[0])
