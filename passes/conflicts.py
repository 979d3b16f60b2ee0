"""Conflicts: pairs of instances whose order matters, as isl relations.

Two instances conflict where both touch one array element and at least one writes it. Of all such
pairs those are kept that no write lies between: each read with the last write before it (flow) and
the next write after it (anti), each write with the last write before it (output). Their transitive
closure is every conflicting pair, so an order that keeps these keeps all: this is legality for
memory as it is, without renaming. Arrays all of whose accesses are exact and simple are analysed by
`pom.passes.last_writes`, the others by isl's dataflow analysis. Accesses that are only an upper
bound (data-dependent subscripts, calls) never hide an earlier write.

Instances of a relaxed reduction commute, and so do those of several that do the same to one array
(`pom.passes.reductions.commuting`). Their updates then hide nothing either, so that every one of them
stays ordered with what comes before and after, and the pairs among them are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import islpy as isl

from pom.ir.expr import Access
from pom.ir.graph import Array, Scalar
from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.isl_build import (
    AccessInfo,
    Time,
    accesses,
    compact_times,
    may_lose_pairs,
    schedule_times,
    time_map,
    within_budget,
)
from pom.passes.last_writes import LastWrites, TimedAccess, TooComplicated
from pom.passes.reductions import commuting, reductions

Kind = Literal["flow", "anti", "output"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Instances of `source` that must run before instances of `target`.

    Parameters
    ----------
    kind : {"flow", "anti", "output"}
        Write then read, read then write, write then write.
    source, target : str
        Statements.
    array : str
    source_access, target_access : str
        The two accesses as the user wrote them.
    relation : isl.Map
        ``{ source[i…] -> target[j…] }``.
    may_reason : str
        Why this is only an upper bound; empty where it is exact.
    """

    kind: Kind
    source: str
    target: str
    array: str
    source_access: str
    target_access: str
    relation: isl.Map
    may_reason: str = ""

    @property
    def is_may(self) -> bool:
        return bool(self.may_reason)


@dataclass(frozen=True, slots=True)
class ConflictKey:
    """What the conflicts of `program` depend on, and nothing else: no directives, no names."""

    statements: tuple[PolyStatement, ...]
    times: tuple[tuple[str, Time], ...]
    params: tuple[Scalar | Array, ...]
    locals: tuple[Array, ...]
    callees: tuple[PolyProgram, ...]
    relaxed: frozenset[str]
    program: PolyProgram = field(compare=False)


def conflicts(program: PolyProgram, relaxed: frozenset[str] = frozenset()) -> tuple[Conflict, ...]:
    """Every conflict of `program` in the order that its schedule gives.

    Parameters
    ----------
    program : PolyProgram
    relaxed : frozenset of str
        Reductions whose instances commute.
    """
    return _cached(conflict_key(program, relaxed))


def conflict_key(program: PolyProgram, relaxed: frozenset[str]) -> ConflictKey:
    """The key under which the conflicts of `program` are kept."""
    return ConflictKey(
        program.statements,
        tuple(schedule_times(program).items()),
        program.params,
        program.locals,
        program.callees,
        relaxed,
        program,
    )


@lru_cache(maxsize=256)
def _cached(key: ConflictKey) -> tuple[Conflict, ...]:
    return find_conflicts(key.program, key.relaxed)


def find_conflicts(
    program: PolyProgram, relaxed: frozenset[str] = frozenset()
) -> tuple[Conflict, ...]:
    """`conflicts`, computed anew."""
    infos = {s.name: accesses(program, s) for s in program.statements}
    written = {i.array for found in infos.values() for i in found if i.is_write}
    inexact = {i.array for s, found in infos.items() for i in found if i.is_may or s in relaxed}
    times = schedule_times(program)
    used: dict[str, list[TimedAccess]] = {array: [] for array in sorted(written - inexact)}
    for statement in program.statements:
        for info in infos[statement.name]:
            if info.array in used:
                used[info.array].append(TimedAccess(statement, info, times[statement.name]))
    found: list[Conflict] = []
    for array, timed in used.items():
        try:
            found += _exact_conflicts(timed)
        except TooComplicated:
            inexact.add(array)
    found += assumed_conflicts(program, infos, written & inexact, relaxed)
    order = {s.name: position for position, s in enumerate(program.statements)}

    def place(c: Conflict) -> tuple[int, int, str, str, str, str]:
        accessed = c.array, c.source_access, c.target_access
        return (order[c.source], order[c.target], c.kind, *accessed)

    return tuple(sorted(found, key=place))


def _exact_conflicts(
    used: list[TimedAccess],
) -> list[Conflict]:
    """The conflicts among the accesses of one array, all of which are exact and ordered."""
    writes = LastWrites(a for a in used if a.info.is_write)
    found = []
    for sink in used:
        kind: Kind = "output" if sink.info.is_write else "flow"
        found += [_exact_conflict(kind, w, sink, pairs) for w, pairs in writes.before(sink)]
        if not sink.info.is_write:
            found += [
                _exact_conflict("anti", sink, w, pairs.reverse()) for w, pairs in writes.after(sink)
            ]
    return found


def _exact_conflict(
    kind: Kind, source: TimedAccess, target: TimedAccess, pairs: isl.Map
) -> Conflict:
    a, b = source.info, target.info
    ends = source.statement.name, target.statement.name
    return Conflict(kind, *ends, a.array, a.text, b.text, pairs.coalesce())


def assumed_conflicts(
    program: PolyProgram,
    infos: dict[str, tuple[AccessInfo, ...]],
    arrays: set[str],
    relaxed: frozenset[str],
) -> tuple[Conflict, ...]:
    """The conflicts through `arrays`, whose accesses may be bounds, not ordered, or complicated."""
    found: list[Conflict] = []
    for array in sorted(arrays):
        # one by one: where one has remainders, the others are still for isl's quick analysis
        tagged = _Tagged(program, infos, array, relaxed)
        found += (*tagged.flow(), *tagged.output(), *tagged.anti())
    return tuple(found)


class _Tagged:
    """The accesses to an array as union maps; the instances of each have a name of their own."""

    def __init__(
        self,
        program: PolyProgram,
        infos: dict[str, tuple[AccessInfo, ...]],
        array: str,
        relaxed: frozenset[str],
    ) -> None:
        self.infos = infos
        self.relaxed = relaxed
        self.accumulators: dict[str, Access] = {
            s: r.accumulator for s, r in reductions(program).items() if s in relaxed
        }
        self.classes = commuting(program, relaxed)
        empty = isl.UnionMap("{ }")
        self.reads, self.must_writes, self.may_writes = empty, empty, empty
        self.schedule, self.backwards = empty, empty
        times = compact_times(program)
        for statement in program.statements:
            used = [(k, i) for k, i in enumerate(infos[statement.name]) if i.array == array]
            if not used:
                continue
            time = time_map(statement, times[statement.name]).detect_equalities()
            negated = tuple(-t for t in times[statement.name])
            reversed_time = time_map(statement, negated).detect_equalities()
            for number, info in used:
                tag = f"{statement.name}#{number}"
                # isl's analysis is faster, and crashes less, where equalities are explicit.
                exact = info.relation.detect_equalities()
                relation = isl.UnionMap.from_map(_tag(exact, tag))
                if not info.is_write:
                    self.reads = self.reads.union(relation)
                elif info.is_may or statement.name in relaxed:
                    self.may_writes = self.may_writes.union(relation)
                else:
                    self.must_writes = self.must_writes.union(relation)
                forwards = isl.UnionMap.from_map(_tag(time, tag))
                backwards = isl.UnionMap.from_map(_tag(reversed_time, tag))
                self.schedule = self.schedule.union(forwards)
                self.backwards = self.backwards.union(backwards)

    def _nearest(self, sink: isl.UnionMap, schedule: isl.UnionMap) -> list[isl.Map]:
        """``{ write -> sink }``: the last certain write before the sink, and what may write since.

        Where these cannot be told apart quickly, every write before the sink, which says the same
        about the order.
        """
        nearest = self._nearest_by_isl(sink, schedule)
        if nearest is None:
            nearest = within_budget(lambda: self.nearest_by_subtraction(sink, schedule))
        if nearest is None:
            nearest = self._earlier(sink, schedule)
        found = nearest.get_map_list()
        return [found.get_at(position) for position in range(found.n_map())]

    def _nearest_by_isl(self, sink: isl.UnionMap, schedule: isl.UnionMap) -> isl.UnionMap | None:
        """isl's answer; None where it has none, or one that may lack pairs."""
        if may_lose_pairs(sink, self.must_writes, self.may_writes, schedule):
            return None
        info = isl.UnionAccessInfo.from_sink(sink).set_must_source(self.must_writes)
        info = info.set_may_source(self.may_writes).set_schedule_map(schedule)
        try:
            return info.compute_flow().get_may_dependence()
        except isl.Error:
            # isl fails on some strided domains ("affine expression involves …").
            return None

    def nearest_by_subtraction(self, sink: isl.UnionMap, schedule: isl.UnionMap) -> isl.UnionMap:
        """The same pairs from the definition: conflicting, in order, and no certain write between.

        A certain write touches one element, so a certain write between hides it from every sink.
        """
        pairs = self._earlier(sink, schedule)
        certain = self.must_writes
        to_write = _in_order(certain.apply_range(certain.reverse()), schedule)
        from_write = _in_order(certain.apply_range(sink.reverse()), schedule)
        return pairs.subtract(to_write.apply_range(from_write))

    def _earlier(self, sink: isl.UnionMap, schedule: isl.UnionMap) -> isl.UnionMap:
        writes = self.must_writes.union(self.may_writes)
        return _in_order(writes.apply_range(sink.reverse()), schedule)

    def flow(self) -> Iterator[Conflict]:
        """Last write → read."""
        return self._conflicts(self._nearest(self.reads, self.schedule))

    def output(self) -> Iterator[Conflict]:
        """Last write → write."""
        writes = self.must_writes.union(self.may_writes)
        return self._conflicts(self._nearest(writes, self.schedule))

    def anti(self) -> Iterator[Conflict]:
        """Read → next write: the last write before the read in reversed time."""
        found = self._nearest(self.reads, self.backwards)
        return self._conflicts([relation.reverse() for relation in found])

    def _conflicts(self, found: list[isl.Map]) -> Iterator[Conflict]:
        for relation in found:
            conflict = self._conflict(relation)
            if conflict is not None:
                yield conflict

    def _conflict(self, tagged: isl.Map) -> Conflict | None:
        source, a = self._access(tagged.get_tuple_name(isl.dim_type.in_))
        target, b = self._access(tagged.get_tuple_name(isl.dim_type.out))
        if source in self.classes and self.classes[source] == self.classes.get(target):
            ends = self.accumulators[source], self.accumulators[target]
            if (a.access, b.access) == ends:
                return None
        relation = _tag(tagged, source).set_tuple_name(isl.dim_type.out, target).coalesce()
        kind: Kind = "output" if a.is_write and b.is_write else "flow" if a.is_write else "anti"
        reason = a.may_reason or b.may_reason
        return Conflict(kind, source, target, a.array, a.text, b.text, relation, reason)

    def _access(self, tag: str) -> tuple[str, AccessInfo]:
        statement, _, number = tag.rpartition("#")
        return statement, self.infos[statement][int(number)]


def _in_order(pairs: isl.UnionMap, schedule: isl.UnionMap) -> isl.UnionMap:
    """The pairs whose first instance runs before the second."""
    times = {
        time.get_tuple_name(isl.dim_type.in_): time
        for time in map(schedule.get_map_list().get_at, range(schedule.n_map()))
    }
    found = isl.UnionMap("{ }")
    for pair in map(pairs.get_map_list().get_at, range(pairs.n_map())):
        first, second = (
            times[pair.get_tuple_name(d)] for d in (isl.dim_type.in_, isl.dim_type.out)
        )
        found = found.union(isl.UnionMap.from_map(pair.intersect(first.lex_lt_map(second))))
    return found


def _tag(relation: isl.Map, name: str) -> isl.Map:
    """`relation` with its domain called `name`."""
    return relation.set_tuple_name(isl.dim_type.in_, name)
