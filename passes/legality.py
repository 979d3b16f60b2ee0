"""Legality of a schedule: every conflict must keep its order.

A schedule maps instances to times, ordered lexicographically. It is legal for the conflicts ``R`` of
the program it came from if and only if

    for all (i, j) in R:   theta_source(i)  <_lex  theta_target(j)

that is, the set ``{ (i, j) in R : theta_target(j) <=_lex theta_source(i) }`` is empty. isl decides
that exactly over the integers, dim by dim, and a point of the set is a witness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Protocol, TypeVar

import islpy as isl

from pom.errors import PomError
from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.conflicts import Conflict, ConflictKey, Kind, conflict_key, conflicts
from pom.passes.distances import distances, is_plainly_later
from pom.passes.isl_build import (
    Time,
    accesses,
    compact_times,
    difference,
    domain,
    sample,
    schedule_times,
    time_map,
)
from pom.passes.loop_directives import check_loop_directives
from pom.passes.reductions import commuting, relaxed_statements


class Ordered(Protocol):
    """What legality needs of a `Conflict` or a `Dependence`."""

    @property
    def kind(self) -> Kind: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def array(self) -> str: ...
    @property
    def source_access(self) -> str: ...
    @property
    def target_access(self) -> str: ...
    @property
    def relation(self) -> isl.Map: ...
    @property
    def may_reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Violation:
    """A conflict that a schedule reverses, with two concrete instances.

    Parameters
    ----------
    source_point, target_point : tuple of (iterator, value)
        `source` must run first at these, and does not.
    loop : str, optional
        The loop on which the order is lost; None where it is the order of the text.
    """

    kind: Kind
    source: str
    target: str
    array: str
    source_access: str
    target_access: str
    source_point: tuple[tuple[str, int], ...]
    target_point: tuple[tuple[str, int], ...]
    loop: str | None
    may_reason: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """The witness in words."""
        verbs = {"flow": ("writes", "reads"), "anti": ("reads", "overwrites")}
        first, then = verbs.get(self.kind, ("writes", "overwrites"))
        source = f"{_instance(self.source, self.source_point)} {first} {self.source_access}"
        target = f"{_instance(self.target, self.target_point)} {then} {self.target_access}"
        lines = [
            f"{self.kind} dependence through {self.array}: {source} before {target}",
            "the new order runs the second no later than the first"
            + (f" (decided by loop {self.loop!r})" if self.loop else ""),
        ]
        if self.may_reason:
            lines.append(f"the dependence is assumed, since {self.may_reason}")
        return tuple(lines)


def _instance(statement: str, point: tuple[tuple[str, int], ...]) -> str:
    inside = ", ".join(f"{name}={value}" for name, value in point)
    return f"{statement}({inside})"


def illegal_dependences(
    program: PolyProgram, dependences: Iterable[Ordered]
) -> tuple[Violation, ...]:
    """The dependences that the schedule of `program` does not keep; empty means legal.

    Parameters
    ----------
    program : PolyProgram
        Its statements are those that `dependences` are about; its schedule is the one judged.
    dependences : iterable of Dependence or Conflict
        In the order that must be kept.
    """
    return tuple(_violations(program, dependences))


def _violations(program: PolyProgram, dependences: Iterable[Ordered]) -> Iterator[Violation]:
    times = schedule_times(program)
    statements = {s.name: s for s in program.statements}
    for dependence in dependences:
        source, target = statements[dependence.source], statements[dependence.target]
        ends = times[source.name], times[target.name]
        found = _reversed(dependence.relation, source, target, ends)
        if found is None:
            continue
        pairs, position = found
        point = sample(pairs)
        if point is None:
            # isl's dataflow analysis may give a relation that turns out to have no pairs.
            continue
        depth = len(source.iterators)
        yield Violation(
            dependence.kind,
            dependence.source,
            dependence.target,
            dependence.array,
            dependence.source_access,
            dependence.target_access,
            tuple(zip(source.iterators, point[:depth], strict=True)),
            tuple(zip(target.iterators, point[depth:], strict=True)),
            _loop_at(program, (source.name, target.name), position),
            dependence.may_reason,
        )


@lru_cache(maxsize=8192)
def _reversed(
    relation: isl.Map, source: PolyStatement, target: PolyStatement, times: tuple[Time, Time]
) -> tuple[isl.Set, int | None] | None:
    """`reversed_pairs`, where the values of the loops do not say at once that there are none."""
    if is_plainly_later(partial(distances, relation, source, target), *times):
        return None
    return reversed_pairs(relation.wrap(), source, target, *times)


def reversed_pairs(
    pairs: isl.Set,
    source: PolyStatement,
    target: PolyStatement,
    source_time: Time,
    target_time: Time,
) -> tuple[isl.Set, int | None] | None:
    """The pairs ``(i, j)`` with ``target(j) <=_lex source(i)``, and the time dim that decides;
    no dim where the two run at one time; None where there are no such pairs.

    Walks the dims outermost first. `pairs` shrinks to those with equal times so far; of these a dim
    reverses the ones whose target is earlier. Pairs equal in every dim are reversed too.
    """
    for position, (before, after) in enumerate(zip(source_time, target_time, strict=True)):
        later = difference(source, target, before, after)
        match later.constant:
            case None:
                reversed_here = pairs.intersect(later.earlier)
                if not reversed_here.is_empty():
                    return reversed_here, position
                pairs = pairs.intersect(later.same)
                if pairs.is_empty():
                    return None
            case constant if constant > 0:
                return None
            case constant if constant < 0:
                return pairs, position
    return pairs, None


def _loop_at(program: PolyProgram, ends: tuple[str, str], position: int | None) -> str | None:
    """The loop whose value is at a place of the time; None at the places of the text."""
    if position is None or position % 2 == 0:
        return None
    loops = max((program.loops(end) for end in ends), key=len)
    return loops[position // 2].name


_INHERITED: dict[ConflictKey, tuple[Conflict, ...]] = {}
_SAME_ORDER: dict[ConflictKey, PolyProgram] = {}
_DIVIDED: dict[ConflictKey, _Division] = {}
_REMEMBERED = 512


@dataclass(frozen=True, slots=True)
class _Division:
    """The program before a statement was divided, and the names of its two parts."""

    program: PolyProgram
    parts: tuple[str, str]


def kept_order(program: PolyProgram, relaxed: frozenset[str]) -> tuple[Conflict, ...]:
    """Conflicts of `program` whose closure is every conflicting pair, those relaxed left out.

    Notes
    -----
    A legal transformation keeps the order of every conflicting pair, so the relations that held
    before it say after it what `conflicts` would find. `legal` hands them on, and nothing is
    recomputed along a schedule. `same_order` and `divided` hand on where to ask.
    """
    key = conflict_key(program, relaxed)
    plain = conflict_key(program, frozenset()) if relaxed else key
    if key not in _INHERITED:
        division = _DIVIDED.get(plain)
        if plain in _SAME_ORDER:
            _remember(_INHERITED, key, kept_order(_SAME_ORDER[plain], relaxed))
        elif division is not None and len(relaxed & {*division.parts}) != 1:
            whole, rest = division.parts
            before = kept_order(division.program, relaxed - {rest})
            found = [part for c in before for part in _parts(c, program, division.parts)]
            classes = commuting(program, relaxed)
            if whole in relaxed and classes[whole] != classes[rest]:
                # instances of one relaxed reduction commute, but the two parts are in order
                found += _between(program, whole, rest) + _between(program, rest, whole)
            _remember(_INHERITED, key, tuple(found))
        else:
            return conflicts(program, relaxed)
    return _INHERITED[key]


_Value = TypeVar("_Value")


def _remember(known: dict[ConflictKey, _Value], key: ConflictKey, value: _Value) -> None:
    known[key] = value
    while len(known) > _REMEMBERED:
        del known[next(iter(known))]


def _parts(conflict: Conflict, program: PolyProgram, parts: tuple[str, str]) -> Iterator[Conflict]:
    """A conflict between the parts of a divided statement, whose first has its name, and others."""
    whole = parts[0]
    for source in parts if conflict.source == whole else (conflict.source,):
        for target in parts if conflict.target == whole else (conflict.target,):
            relation = conflict.relation
            if conflict.source == whole:
                relation = relation.set_tuple_name(isl.dim_type.in_, source)
                relation = relation.intersect_domain(domain(program.statement(source)))
            if conflict.target == whole:
                relation = relation.set_tuple_name(isl.dim_type.out, target)
                relation = relation.intersect_range(domain(program.statement(target)))
            if not relation.is_empty():
                yield replace(conflict, source=source, target=target, relation=relation)


def _between(program: PolyProgram, first: str, second: str) -> list[Conflict]:
    """What the accumulators of two parts of a reduction have in common, `first` before `second`."""
    ends = [program.statement(name) for name in (first, second)]
    source, target = (next(i for i in accesses(program, end) if i.is_write) for end in ends)
    times = compact_times(program)
    before, after = (time_map(end, times[end.name]) for end in ends)
    relation = source.relation.apply_range(target.relation.reverse())
    relation = relation.intersect(before.lex_lt_map(after)).coalesce()
    if relation.is_empty():
        return []
    return [Conflict("output", first, second, source.array, source.text, target.text, relation)]


def _inherit(old: PolyProgram, new: PolyProgram, relaxed: frozenset[str]) -> None:
    _remember(_INHERITED, conflict_key(new, relaxed), kept_order(old, relaxed))


def same_order(old: PolyProgram, new: PolyProgram, what: str) -> PolyProgram:
    """`new`, whose instances run in the order of `old` by the way it was made: nothing to decide.

    Parameters
    ----------
    what : str
        The call as the user wrote it, for the message.

    Raises
    ------
    PomError
        What `check_loop_directives` raises, where a directive of a loop no longer fits.
    """
    check_loop_directives(new, what)
    key = conflict_key(new, frozenset())
    if key != conflict_key(old, frozenset()):
        _remember(_SAME_ORDER, key, old)
    return new


def divided(old: PolyProgram, new: PolyProgram, parts: tuple[str, str]) -> PolyProgram:
    """`new`, in which one statement is two, each with some of its instances at their old times.

    Parameters
    ----------
    parts : tuple of two str
        The statement, which keeps its name for the first part, and the second one.
    """
    _remember(_DIVIDED, conflict_key(new, frozenset()), _Division(old, parts))
    return new


def _affected(old: PolyProgram, new: PolyProgram, fast_math: bool) -> Iterator[Conflict]:
    """What must be kept and may have changed, since either end has a new schedule."""
    before, after = schedule_times(old), schedule_times(new)
    changed = {s for s in before if before[s] != after[s]}
    for conflict in kept_order(old, relaxed_statements(old, fast_math)):
        if conflict.source in changed or conflict.target in changed:
            yield conflict


def violations_of(
    old: PolyProgram, new: PolyProgram, fast_math: bool = False
) -> tuple[Violation, ...]:
    """What the schedule of `new` breaks of the order of `old`; both have the same statements."""
    return tuple(_violations(new, _affected(old, new, fast_math)))


def is_legal(old: PolyProgram, new: PolyProgram, fast_math: bool = False) -> bool:
    """Whether `new` keeps the order of `old`; stops at the first violation."""
    return next(_violations(new, _affected(old, new, fast_math)), None) is None


Remedy = tuple[str, Callable[[], PolyProgram]]
"""A hint and the program that following it gives."""


def legal(
    old: PolyProgram,
    new: PolyProgram,
    what: str,
    fast_math: bool = False,
    remedies: Iterable[Remedy] = (),
) -> PolyProgram:
    """`new`, if it keeps the order of `old`.

    Parameters
    ----------
    what : str
        The call as the user wrote it, for the message.
    remedies : iterable of (hint, make)
        Tried in order; the first whose program is legal becomes the error's hint.

    Raises
    ------
    PomError
        POM-S001, with the first violated dependence and two instances; what
        `check_loop_directives` raises, where a directive of a loop no longer fits.
    """
    violations = violations_of(old, new, fast_math)
    if not violations:
        check_loop_directives(new, what)
        relaxed = relaxed_statements(old, fast_math)
        _inherit(old, new, relaxed)
        if relaxed and not illegal_dependences(new, kept_order(old, frozenset())):
            _inherit(old, new, frozenset())
        return new
    worst = violations[0]
    more = f" and {len(violations) - 1} more" if len(violations) > 1 else ""
    raise PomError(
        "POM-S001",
        f"{what} reverses the {worst.kind} dependence {worst.source} -> {worst.target} "
        f"through {worst.array}{more}",
        hint=_hint(old, new, fast_math, violations, remedies),
        notes=worst.notes,
    )


def _hint(
    old: PolyProgram,
    new: PolyProgram,
    fast_math: bool,
    violations: tuple[Violation, ...],
    remedies: Iterable[Remedy],
) -> str | None:
    if not fast_math and _is_buildable(old, new, True):
        return "this only reorders a floating-point reduction: allow it with fast_math=True"
    for text, make in remedies:
        try:
            candidate = make()
        except PomError:
            continue
        if _is_buildable(old, candidate, fast_math):
            return text
    if all(v.may_reason for v in violations):
        return "affine subscripts would let the dependence be decided exactly"
    return None


def _is_buildable(old: PolyProgram, new: PolyProgram, fast_math: bool) -> bool:
    """Whether `new` is legal and its loops still fit their directives."""
    if not is_legal(old, new, fast_math):
        return False
    try:
        check_loop_directives(new, "")
    except PomError:
        return False
    return True
