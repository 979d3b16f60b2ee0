"""The last write before each access of one array, for accesses that are exact.

The instances of a write that run before those of a sink fall into *slots*, by the outermost place at
which their times differ: a loop that carries the pair, or the text. A pair of a slot further in is
later than every pair of one further out, so the slots are walked from the innermost one outwards,
each for the sinks that have found no write so far. Where a slot offers a sink more than one write,
the lexicographic maximum of their times decides. This is the definition of isl's dataflow analysis,
without its passes over combinations of loop and write that the schedule rules out. It is for simple
relations: with strides and remainders, isl's own analysis gives far smaller ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import combinations, groupby

import islpy as isl

from pom.ir.affine import Affine
from pom.ir.poly import PolyStatement
from pom.passes.isl_build import AccessInfo, Time, Tuple, difference_on, pair_space, time_map


@dataclass(frozen=True, slots=True)
class TimedAccess:
    """One access of a statement, and when its instances run.

    Parameters
    ----------
    statement : PolyStatement
    info : AccessInfo
        Exact.
    time : tuple of Affine
        The 2d+1 schedule, of one length for all accesses.
    """

    statement: PolyStatement
    info: AccessInfo
    time: Time

    @property
    def is_in_order(self) -> bool:
        """Whether the instances run in the lexicographic order of their iterators."""
        iterators = tuple(Affine.var(i) for i in self.statement.iterators)
        return self.time[1 : 2 * len(iterators) : 2] == iterators

    @property
    def key(self) -> tuple[str, str]:
        """The statement and the element: a read and a write of one element have the same."""
        return self.statement.name, self.info.text


_MOST_PARTS = 4


class TooComplicated(Exception):
    """The relations have remainders, or many parts: leave the array to isl."""


def _require_simple(relation: isl.Map) -> None:
    parts = relation.get_basic_maps()
    if len(parts) > _MOST_PARTS or any(p.dim(isl.dim_type.div) for p in parts):
        raise TooComplicated


Found = list[tuple[TimedAccess, isl.Map]]
"""Writes, each with ``{ write[i…] -> sink[j…] }``."""


class LastWrites:
    """Last writes of the accesses of one array; what two of them have in common is kept.

    Its methods raise `TooComplicated` where isl's analysis is better.
    """

    def __init__(self, writes: Iterable[TimedAccess]) -> None:
        self.writes = tuple(writes)
        self._pairs: dict[tuple[tuple[str, str], tuple[str, str]], isl.Map] = {}
        self._found: dict[tuple[tuple[str, str], int], Found] = {}

    def before(self, sink: TimedAccess) -> Found:
        """Writes, each with the pairs of its instances and the sinks that they are the last one of."""
        return self._search(sink, 1)

    def after(self, sink: TimedAccess) -> Found:
        """The first writes after the instances of `sink`: the last ones in reversed time."""
        return self._search(sink, -1)

    def _search(self, sink: TimedAccess, sign: int) -> Found:
        key = sink.key, sign
        if key not in self._found:
            _require_simple(sink.info.relation)
            self._found[key] = list(self._by_slot(sink, sign))
        return self._found[key]

    def _by_slot(self, sink: TimedAccess, sign: int) -> Iterator[tuple[TimedAccess, isl.Map]]:
        remaining = sink.info.relation.domain()
        slots = sorted(self._slots(sink, sign), key=_place, reverse=True)
        for (position, _), group in groupby(slots, key=_place):
            found = []
            for _, _, write in group:
                pairs = self._same_element(write, sink)
                if not pairs.plain_is_empty():
                    order = _in_slot(write, sink, position, sign)
                    pairs = pairs.intersect(order).intersect_range(remaining)
                    if not pairs.is_empty():
                        found.append((write, pairs))
            for write, pairs in _latest(found, position, sign):
                _require_simple(pairs)
                yield write, pairs
                remaining = remaining.subtract(pairs.range())
            if found and remaining.is_empty():
                return

    def _same_element(self, write: TimedAccess, sink: TimedAccess) -> isl.Map:
        """``{ write[i…] -> sink[j…] }`` on one element, in any order."""
        key = write.key, sink.key
        found = self._pairs.get(key)
        if found is None:
            found = write.info.relation.apply_range(sink.info.relation.reverse())
            self._pairs[key] = found
        return found

    def _slots(self, sink: TimedAccess, sign: int) -> Iterator[tuple[int, int, TimedAccess]]:
        """Position in the time, place in the text (0 for a loop), and a write that may run there."""
        for write in self.writes:
            for position, (before, after) in enumerate(zip(write.time, sink.time, strict=True)):
                if position % 2:
                    yield position, 0, write
                elif before != after:
                    if sign * before.constant < sign * after.constant:
                        yield position, sign * before.constant, write
                    break


def _place(slot: tuple[int, int, TimedAccess]) -> tuple[int, int]:
    return slot[:2]


def _in_slot(write: TimedAccess, sink: TimedAccess, position: int, sign: int) -> isl.Map:
    """The pairs whose times agree in all loops outside `position` and are in order there."""
    loops = range(1, position + position % 2, 2)
    return _order(
        (write.statement.name, write.statement.iterators),
        (sink.statement.name, sink.statement.iterators),
        tuple(write.time[k] for k in loops),
        tuple(sink.time[k] for k in loops),
        sign if position % 2 else 0,
    )


@lru_cache(maxsize=4096)
def _order(source: Tuple, target: Tuple, before: Time, after: Time, sign: int) -> isl.Map:
    """The pairs that agree in all loops, except that with a `sign` the target is later (or, where
    it is negative, earlier) in the last one."""
    parts = [difference_on(source, target, b, a) for b, a in zip(before, after, strict=True)]
    pairs = isl.Set.universe(pair_space(source, target))
    for part in parts[:-1] if sign else parts:
        pairs = pairs.intersect(part.same)
    if sign:
        last = parts[-1]
        pairs = pairs.intersect(last.earlier if sign < 0 else last.later)
    return pairs.unwrap()


def _latest(found: Found, position: int, sign: int) -> Found:
    """Of the pairs of one slot, those with the latest write of each sink, place by place of time.

    Two writes never run at one time, so one is left for each sink.
    """
    if len(found) == 1 and found[0][0].is_in_order:
        (write, pairs) = found[0]
        try:
            return [(write, _last_instance(pairs, sign))]
        except isl.Error:
            # isl fails on some strided domains ("affine expression involves …").
            pass
    length = len(found[0][0].time) if found else 0
    while position < length and not _is_one_each([pairs for _, pairs in found]):
        found = (_latest_in_loop if position % 2 else _latest_in_text)(found, position, sign)
        position += 1
    return found


def _last_instance(pairs: isl.Map, sign: int) -> isl.Map:
    """The pairs with the lexicographically last instance (with a negative sign, the first one)."""
    sinks = pairs.reverse()
    if not sinks.plain_is_single_valued():
        sinks = sinks.lexmax() if sign > 0 else sinks.lexmin()
    return sinks.reverse()


def _maximum(values: isl.Map) -> isl.Map:
    """The largest of the integers that `values` gives for each sink."""
    try:
        return values.lexmax()
    except isl.Error:
        smaller = isl.Map("{ [value] -> [other] : other < value }")
        return values.subtract(values.apply_range(smaller))


def _latest_in_loop(found: Found, position: int, sign: int) -> Found:
    """The pairs in the last iteration that any write of the sink has."""
    times = [time_map(w.statement, (w.time[position] * sign,)) for w, _ in found]
    reached = [pairs.reverse().apply_range(t) for (_, pairs), t in zip(found, times, strict=True)]
    if len(reached) == 1 and reached[0].plain_is_single_valued():
        return found
    last = _maximum(reduce(isl.Map.union, reached))
    kept = []
    for (write, pairs), time in zip(found, times, strict=True):
        pairs = pairs.intersect(last.apply_range(time.reverse()).reverse())
        if not pairs.is_empty():
            kept.append((write, pairs))
    return kept


def _latest_in_text(found: Found, position: int, sign: int) -> Found:
    """The pairs at the last place in the text that any write of the sink has."""
    kept: Found = []
    ordered = sorted(found, key=lambda f: -sign * f[0].time[position].constant)
    for _, group in groupby(ordered, key=lambda f: f[0].time[position].constant):
        later = [pairs.range() for _, pairs in kept]
        for write, pairs in group:
            for sinks in later:
                pairs = pairs.subtract_range(sinks)
            if not pairs.is_empty():
                kept.append((write, pairs))
    return kept


def _is_one_each(found: list[isl.Map]) -> bool:
    """Whether it is plain that no sink has two writes."""
    return all(pairs.reverse().plain_is_single_valued() for pairs in found) and all(
        a.range().is_disjoint(b.range()) for a, b in combinations(found, 2)
    )
