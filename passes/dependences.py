"""Dependences of a program: what they are, how far they reach, and which loop carries them.

A dependence is a part of a conflict (`pom.passes.conflicts`) that one level carries: its instances
agree on the common loops outside that loop and differ on it; or it is independent of all loops, and
only the order of the text separates its ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import islpy as isl

from pom.ir.affine import Affine
from pom.ir.poly import Loop, PolyProgram, PolyStatement
from pom.passes.conflicts import Conflict, Kind, conflicts
from pom.passes.isl_build import Difference, difference, within_budget
from pom.passes.reductions import Reduction, reductions

Direction = Literal["<", "=", ">", "<=", ">=", "*"]
Path = tuple[Loop | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Distance:
    """How much later the target runs, along one loop: every value lies in the interval."""

    minimum: int
    maximum: int

    @property
    def is_constant(self) -> bool:
        return self.minimum == self.maximum

    @property
    def direction(self) -> Direction:
        """``<`` where the source always runs in an earlier iteration, ``=`` in the same one, …"""
        if self.minimum > 0:
            return "<"
        if self.maximum < 0:
            return ">"
        if self.is_constant:
            return "="
        if self.minimum == 0:
            return "<="
        return ">=" if self.maximum == 0 else "*"

    def __str__(self) -> str:
        return str(self.minimum) if self.is_constant else f"{self.minimum}..{self.maximum}"


@dataclass(frozen=True, slots=True)
class Dependence:
    """A dependence that one loop carries, or none.

    Parameters
    ----------
    kind : {"flow", "anti", "output"}
    source, target : str
        Statements.
    array : str
    source_access, target_access : str
        The accesses as the user wrote them.
    relation : isl.Map
        ``{ source[i…] -> target[j…] }``.
    loops : tuple of str
        The loops around both, outermost first.
    distance : tuple of Distance
        One per loop of `loops`.
    level : int, optional
        1-based position in `loops` of the loop that carries it; None where it is independent of
        the loops.
    is_reduction : bool
        Both ends update the accumulator of one reduction.
    is_relaxable : bool
        … whose arithmetic is exact, so that its instances may be reordered.
    may_reason : str
        Why the dependence is only assumed; empty where it is exact.
    """

    kind: Kind
    source: str
    target: str
    array: str
    source_access: str
    target_access: str
    relation: isl.Map
    loops: tuple[str, ...]
    distance: tuple[Distance, ...]
    level: int | None
    is_reduction: bool
    is_relaxable: bool
    may_reason: str

    @property
    def is_may(self) -> bool:
        return bool(self.may_reason)

    @property
    def direction(self) -> tuple[Direction, ...]:
        """The direction vector."""
        return tuple(d.direction for d in self.distance)

    @property
    def loop(self) -> str | None:
        """The loop that carries the dependence."""
        return None if self.level is None else self.loops[self.level - 1]

    def __str__(self) -> str:
        vector = ", ".join(map(str, self.distance))
        carried = f"carried by {self.loop}" if self.loop else "loop-independent"
        return (
            f"{self.kind} {self.source}:{self.source_access} -> "
            f"{self.target}:{self.target_access} ({vector}) {carried}"
        )


def common_loops(program: PolyProgram, source: str, target: str) -> tuple[Loop, ...]:
    """The loops that `source` and `target` share, outermost first."""
    return _common(program.path(source), program.path(target))


def _common(source: Path, target: Path) -> tuple[Loop, ...]:
    found = []
    for a, b in zip(source, target, strict=False):
        if isinstance(a, Loop) and a is b:
            found.append(a)
        elif a != b:
            break
    return tuple(found)


def _interval(pairs: isl.Set, later: Difference) -> Distance:
    if later.constant is not None:
        return Distance(later.constant, later.constant)
    reach = within_budget(lambda: _extrema(pairs, later))
    # bounds, where there are too many remainders for the extrema
    return reach or _extrema(pairs.remove_divs(), later)


def _extrema(pairs: isl.Set, later: Difference) -> Distance:
    low, high = pairs.min_val(later.value), pairs.max_val(later.value)
    return Distance(low.to_python(), high.to_python())


def _split_by_level(
    pairs: isl.Set, differences: list[Difference]
) -> list[tuple[isl.Set, int | None, list[Distance]]]:
    """The parts of `pairs` that each level carries, outermost first, with the distances so far."""
    parts: list[tuple[isl.Set, int | None, list[Distance]]] = []
    for level, value in enumerate(differences, 1):
        reach = _interval(pairs, value)
        if reach.minimum > 0:
            parts.append((pairs, level, [Distance(0, 0)] * (level - 1) + [reach]))
            return parts
        if reach.maximum > 0:
            later = pairs.subtract(value.same).coalesce()
            if not later.is_empty():
                known = [Distance(0, 0)] * (level - 1) + [_interval(later, value)]
                parts.append((later, level, known))
            pairs = pairs.intersect(value.same).coalesce()
            if pairs.is_empty():
                return parts
    parts.append((pairs, None, [Distance(0, 0)] * len(differences)))
    return parts


_Shared = tuple[tuple[str, Affine, Affine], ...]
"""Loops that two statements share: names, and the values that they have for each."""


@lru_cache(maxsize=8192)
def _of_conflict(
    conflict: Conflict,
    ends: tuple[PolyStatement, PolyStatement],
    loops: _Shared,
    reduction: Reduction | None,
) -> tuple[Dependence, ...]:
    source, target = ends
    differences = [difference(source, target, before, after) for _, before, after in loops]
    is_reduction = reduction is not None and {
        conflict.source_access,
        conflict.target_access,
    } == {str(reduction.accumulator)}
    found = []
    for pairs, level, known in _split_by_level(conflict.relation.wrap(), differences):
        inner = [_interval(pairs, d) for d in differences[len(known) :]]
        found.append(
            Dependence(
                conflict.kind,
                conflict.source,
                conflict.target,
                conflict.array,
                conflict.source_access,
                conflict.target_access,
                pairs.unwrap(),
                tuple(name for name, _, _ in loops),
                (*known, *inner),
                level,
                is_reduction,
                is_reduction and reduction is not None and reduction.is_exact,
                conflict.may_reason,
            )
        )
    return tuple(found)


def dependences(program: PolyProgram) -> tuple[Dependence, ...]:
    """Flow, anti and output dependences of `program`, by statement pair, kind, array and level.

    Notes
    -----
    Flow goes from the last write to the read, anti from a read to the next write, output from a
    write to the next write; anything further apart follows by transitivity. Accesses through data
    and calls are upper bounds and marked so.
    """
    return _dependences(program)


def dependences_from(program: PolyProgram, known: Iterable[Conflict]) -> tuple[Dependence, ...]:
    """The dependences that conflicts found before are under the schedule of `program`."""
    found = reductions(program)
    paths = {s.name: program.path(s.name) for s in program.statements}
    result: list[Dependence] = []
    for conflict in known:
        reduction = found.get(conflict.source) if conflict.source == conflict.target else None
        source, target = conflict.source, conflict.target
        shared = _common(paths[source], paths[target])
        loops = tuple((n.name, n.expr(source), n.expr(target)) for n in shared)
        ends = program.statement(source), program.statement(target)
        result += _of_conflict(conflict, ends, loops, reduction)
    return tuple(result)


@lru_cache(maxsize=128)
def _dependences(program: PolyProgram) -> tuple[Dependence, ...]:
    return dependences_from(program, conflicts(program))
