"""Bounds on how far the ends of a relation lie apart, and what follows for the order of two times.

Most pairs keep a constant distance along most iterators, and then the order of their times follows
from intervals: a distance along ``i`` of 1 puts ``floor(i/4)`` 0 or 1 further. This decides most
verdicts on a schedule without isl's integer sets. It is one-sided: intervals show that an order is
kept, never that it is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import islpy as isl

from pom.ir.affine import Affine, FloorDiv
from pom.ir.poly import PolyStatement
from pom.passes.isl_build import Time, Tuple

Interval = tuple[int, int]


def distances(
    relation: isl.Map, source: PolyStatement, target: PolyStatement
) -> Mapping[str, Interval]:
    """How much further the target of a pair of `relation` is than its source, along the iterators
    that both statements have; empty where `relation` is."""
    return _distances(relation, (source.name, source.iterators), (target.name, target.iterators))


@lru_cache(maxsize=8192)
def _distances(relation: isl.Map, source: Tuple, target: Tuple) -> dict[str, Interval]:
    shared = _shared(source[1], target[1])
    for dim, (_, iterators) in ((isl.dim_type.in_, source), (isl.dim_type.out, target)):
        for position in range(len(iterators) - 1, -1, -1):
            if iterators[position] not in shared:
                relation = relation.project_out(dim, position, 1)
    reached = relation.reset_tuple_id(isl.dim_type.in_).reset_tuple_id(isl.dim_type.out).deltas()
    found = {}
    is_simple = _is_simple(reached)
    for position, name in enumerate(shared):
        low = high = reached.plain_get_val_if_fixed(isl.dim_type.set, position)
        if not low.is_int():
            if not is_simple:
                continue
            low, high = reached.dim_min_val(position), reached.dim_max_val(position)
        if low.is_int() and high.is_int():
            found[name] = low.to_python(), high.to_python()
    return found


def _is_simple(part: isl.Set) -> bool:
    """Whether the extrema of `part` are cheap: among many parts and remainders they may take minutes."""
    parts = part.get_basic_set_list()
    return parts.n_basic_set() == 1 and not parts.get_at(0).dim(isl.dim_type.div)


@lru_cache(maxsize=1024)
def _shared(source: tuple[str, ...], target: tuple[str, ...]) -> tuple[str, ...]:
    """Names in both, as far as their order is the same."""
    found: list[str] = []
    rest = target
    for name in source:
        if name in rest:
            found.append(name)
            rest = rest[rest.index(name) + 1 :]
    return tuple(found)


def is_plainly_later(
    find: Callable[[], Mapping[str, Interval]], source: Time, target: Time
) -> bool:
    """Whether intervals show that ``source(i) <_lex target(j)`` for all pairs ``(i, j)``.

    Parameters
    ----------
    find : callable
        Gives the `distances` of the pairs. The text alone often decides, and needs none.
    source, target : tuple of Affine
        Times over the iterators of the pairs' ends.
    """
    same: set[tuple[FloorDiv, FloorDiv]] = set()
    for before, after in zip(source, target, strict=True):
        if before.is_constant and after.is_constant:
            step = after.constant - before.constant
            reach: Interval | None = (step, step)
        else:
            reach = _reach(before, after, find(), same)
        if reach is None or reach[0] < 0:
            return False
        if reach[0] > 0:
            return True
        # Only pairs that agree here are left. The next places see that their quotients agree.
        if len(before.terms) == 1 and before.constant == after.constant:
            (a, _), (b, _) = before.terms[0], after.terms[0]
            if isinstance(a, FloorDiv) and isinstance(b, FloorDiv):
                same.add((a, b))
    return False


def _reach(
    before: Affine,
    after: Affine,
    found: Mapping[str, Interval],
    same: set[tuple[FloorDiv, FloorDiv]],
) -> Interval | None:
    """The interval of ``after(j) - before(i)``; None where the two are built differently."""
    if len(before.terms) != len(after.terms):
        return None
    low = high = after.constant - before.constant
    for (a, coefficient), (b, other) in zip(before.terms, after.terms, strict=True):
        step = _atom_reach(a, b, found, same) if coefficient == other else None
        if step is None:
            return None
        ends = coefficient * step[0], coefficient * step[1]
        low, high = low + min(ends), high + max(ends)
    return low, high


def _atom_reach(
    before: str | FloorDiv,
    after: str | FloorDiv,
    found: Mapping[str, Interval],
    same: set[tuple[FloorDiv, FloorDiv]],
) -> Interval | None:
    match before, after:
        case str(), str():
            return found.get(before) if before == after else None
        case FloorDiv(), FloorDiv() if before.denominator == after.denominator:
            if (before, after) in same:
                return 0, 0
            inner = _reach(before.numerator, after.numerator, found, same)
            if inner is None:
                return None
            return inner[0] // before.denominator, -(-inner[1] // before.denominator)
    return None
