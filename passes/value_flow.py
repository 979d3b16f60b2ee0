"""Which write each read sees: the exact test for transformations that change statements.

Two programs compute the same values where every read of every original statement sees the same
write instance (or the same element's initial value), and every element of an argument array ends
with the same last write. Copies (``x = y``) that a transformation inserted are looked through: a
read that sees a copy sees what the copy saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import islpy as isl

from pom.errors import PomError
from pom.ir.graph import Array, Assign
from pom.ir.poly import PolyProgram
from pom.passes.isl_build import (
    access_relation,
    accesses,
    has_remainders,
    may_lose_pairs,
    schedule_map,
    within_budget,
)

_OUT, _SET = isl.dim_type.out, isl.dim_type.set
_LONGEST_CHAIN = 256


def different_values(
    old: PolyProgram,
    new: PolyProgram,
    arrays: Iterable[str],
    copies: Iterable[str],
    dropped: Iterable[str] = (),
) -> str | None:
    """Where `new` computes something else than `old`; None where it does not.

    Parameters
    ----------
    old, new : PolyProgram
        `new` has the statements of `old` but for `dropped`, with other accesses, and `copies`.
    arrays : iterable of str
        Arrays whose accesses may differ: of `old`, and local arrays of `new`.
    copies : iterable of str
        Statements of `new` of the form ``x = y``.
    dropped : iterable of str
        Statements of `old` of the form ``x = y`` that `new` does not have.

    Returns
    -------
    str or None
        A sentence with a concrete instance.
    """
    names = frozenset(arrays)
    before, after = _Flow(old, names), _Flow(new, names)
    gone, added = (
        _CopyResolver(before, frozenset(dropped)),
        _CopyResolver(after, frozenset(copies)),
    )
    for position in range(max(before.most_reads, after.most_reads)):
        difference = _difference(*(flow.sources(position) for flow in (gone, added)))
        if difference is not None:
            return difference
    return _difference(gone.last_writes(), added.last_writes())


def _difference(expected: isl.UnionMap, found: isl.UnionMap) -> str | None:
    for one, other, what in ((expected, found, "no longer"), (found, expected, "now")):
        rest = one.subtract(other)
        if not rest.is_empty():
            pair = isl.Map.from_basic_map(rest.sample())
            sink, source = _point(pair.domain()), _point(pair.range())
            return f"{sink} {what} sees the value of {source}"
    return None


def _point(points: isl.Set) -> str:
    point = points.sample_point()
    values = [str(point.get_coordinate_val(_SET, k).to_python()) for k in range(points.dim(_SET))]
    return f"{points.get_tuple_name()}[{', '.join(values)}]"


@dataclass(slots=True)
class _CopyResolver:
    """Replaces copies as sources by the sources of what they read."""

    flow: _Flow
    copies: frozenset[str]

    def sources(self, position: int) -> isl.UnionMap:
        """What the reads at `position` of the other statements see."""
        return self.resolve(self.flow.sources(position, self.copies))

    def last_writes(self) -> isl.UnionMap:
        """What the elements of arguments hold in the end."""
        return self.resolve(self.flow.last_writes())

    def resolve(self, sources: isl.UnionMap) -> isl.UnionMap:
        if not self.copies:
            return sources
        through = self.flow.sources(0, frozenset(self.flow.names) - self.copies)
        is_copy = isl.UnionSet("{ }")
        for name in self.copies:
            is_copy = is_copy.union(isl.UnionSet.from_set(self.flow.instances(name)))
        for _ in range(_LONGEST_CHAIN):
            indirect = sources.intersect_range(is_copy)
            if indirect.is_empty():
                return sources
            sources = sources.subtract_range(is_copy).union(indirect.apply_range(through))
        raise PomError(
            "POM-P063",
            f"a value is copied more than {_LONGEST_CHAIN} times before it is used",
            hint="use a smaller tile",
        )


class _Flow:
    """Sources of the reads of one program, restricted to some arrays."""

    def __init__(self, program: PolyProgram, arrays: frozenset[str]) -> None:
        self.program = program
        self.arrays = {n: a for n, a in program.arrays.items() if n in arrays}
        self.names = tuple(s.name for s in program.statements)
        self.bodies = {s.name: s for s in program.statements}
        self.most_reads = max(
            (len(s.body.reads) for s in program.statements if isinstance(s.body, Assign)),
            default=0,
        )
        self.schedule = self._schedule()
        self.must, self.may = self._writes()
        nothing = isl.UnionMap("{ }")
        self._may_lose_pairs = may_lose_pairs(nothing, self.must, self.may, self.schedule)

    def instances(self, name: str) -> isl.Set:
        return schedule_map(self.program, name).domain()

    def _schedule(self) -> isl.UnionMap:
        """The schedule, between initial values (0, …) and final reads (2, …).

        Statements that do not use the arrays are neither sources nor in between.
        """
        result = isl.UnionMap("{ }")
        length = 0
        for name, statement in self.bodies.items():
            times = schedule_map(self.program, name)
            length = times.dim(_OUT)
            if not any(info.array in self.arrays for info in accesses(self.program, statement)):
                continue
            times = times.insert_dims(_OUT, 0, 1).fix_val(_OUT, 0, isl.Val(1))
            result = result.union(isl.UnionMap.from_map(times))
        for array in self.arrays.values():
            for phase, prefix in ((0, "initial"), (2, "final")):
                time = ", ".join([str(phase), *["0"] * length])
                elements = _elements(array, f"{prefix}_{array.name}")
                result = result.union(
                    isl.UnionMap(f"{{ {elements[0]} -> [{time}] : {elements[1]} }}")
                )
        return result

    def _writes(self) -> tuple[isl.UnionMap, isl.UnionMap]:
        must, may = isl.UnionMap("{ }"), isl.UnionMap("{ }")
        for array in self.arrays.values():
            must = must.union(_virtual(array, "initial"))
        for statement in self.program.statements:
            for info in accesses(self.program, statement):
                if not info.is_write or info.array not in self.arrays:
                    continue
                part = isl.UnionMap.from_map(info.relation)
                if info.is_may:
                    may = may.union(part)
                else:
                    must = must.union(part)
        return must, may

    def sources(self, position: int, without: frozenset[str] = frozenset()) -> isl.UnionMap:
        """``{ reader -> writer }`` for the reads at `position` in each statement."""
        sinks = isl.UnionMap("{ }")
        for name, statement in self.bodies.items():
            if name in without or not isinstance(statement.body, Assign):
                continue
            reads = statement.body.reads
            if position < len(reads) and reads[position].array in self.arrays:
                array = self.arrays[reads[position].array]
                relation = access_relation(statement, reads[position], array)
                sinks = sinks.union(isl.UnionMap.from_map(relation))
        if position == 0:
            sinks = sinks.union(self._call_reads(without))
        return self._flow(sinks)

    def _call_reads(self, without: frozenset[str]) -> isl.UnionMap:
        sinks = isl.UnionMap("{ }")
        for name, statement in self.bodies.items():
            if name in without or isinstance(statement.body, Assign):
                continue
            for info in accesses(self.program, statement):
                if not info.is_write and info.array in self.arrays:
                    sinks = sinks.union(isl.UnionMap.from_map(info.relation))
        return sinks

    def last_writes(self) -> isl.UnionMap:
        """``{ final_A[a] -> writer }`` for the arrays that are arguments."""
        sinks = isl.UnionMap("{ }")
        arguments = {p.name for p in self.program.params}
        for name, array in self.arrays.items():
            if name in arguments:
                sinks = sinks.union(_virtual(array, "final"))
        return self._flow(sinks)

    def _flow(self, sinks: isl.UnionMap) -> isl.UnionMap:
        if sinks.is_empty():
            return isl.UnionMap("{ }")
        if self._may_lose_pairs or has_remainders(sinks):
            found = within_budget(lambda: self._flow_by_definition(sinks))
            if found is not None:
                return found
        # isl's analysis is faster, and crashes less, where equalities are explicit.
        info = isl.UnionAccessInfo.from_sink(sinks.detect_equalities())
        info = info.set_must_source(self.must.detect_equalities())
        info = info.set_may_source(self.may.detect_equalities())
        flow = info.set_schedule_map(self.schedule.detect_equalities()).compute_flow()
        return flow.get_must_dependence().union(flow.get_may_dependence()).reverse()

    def _flow_by_definition(self, sinks: isl.UnionMap) -> isl.UnionMap:
        """Sources in front of a sink that no certain write hides.

        isl's analysis is asked nevertheless where this takes long: a pair that it leaves out for one
        of two programs is a difference.
        """
        before = self.schedule.lex_lt_union_map(self.schedule)
        by_element = self.must.union(self.may).reverse()
        element, source = by_element.domain_map(), by_element.range_map()
        later = source.apply_range(before)
        pairs = element.apply_range(sinks.reverse()).intersect(later)
        between = element.range_product(element.apply_range(self.must.reverse()).intersect(later))
        overwritten = self.must.reverse()
        element, write = overwritten.domain_map(), overwritten.range_map()
        after = element.apply_range(sinks.reverse()).intersect(write.apply_range(before))
        return source.reverse().apply_range(pairs.subtract(between.apply_range(after))).reverse()


def _elements(array: Array, name: str) -> tuple[str, str]:
    dims = ", ".join(f"a{k}" for k in range(array.type.rank))
    limits = " and ".join(f"0 <= a{k} < {n}" for k, n in enumerate(array.type.shape))
    return f"{name}[{dims}]", limits or "true"


def _virtual(array: Array, prefix: str) -> isl.UnionMap:
    source, limits = _elements(array, f"{prefix}_{array.name}")
    dims = ", ".join(f"a{k}" for k in range(array.type.rank))
    return isl.UnionMap(f"{{ {source} -> {array.name}[{dims}] : {limits} }}")
