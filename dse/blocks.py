"""How often the loops of a nest that is no box run once it is split into blocks, at the least.

The iterations of the tiled loops are the blocks with at least one instance. They are counted with
the loops in the order of the design: how many tuples of the outer loops have instances, and for
each of them how far the innermost loop that remains goes. Loops whose range depends on an outer one
are not flattened into it, so the pipeline is filled again in each of its iterations.

Where one affine bound on each side gives the range of a loop, the model takes its trip count as the
tool reports it, by the middle of the range; where several bounds meet or one is rounded, as those of
split loops are, by the mean over the iterations around (`qor_model.trip_counts.reported_count`).
Bounds that the generated code has are exact for the loops around, so if the first and the last values of
a loop are no affine functions of the values around, a bound is not one either, and the mean counts.
Where they are, the middle may count, and the lower of the two is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from pom.dse.block_ranges import ENDLESS, LoopFunction, LoopRanges, Ranges, Values, loop_ranges
from pom.dse.nests import Nest
from pom.ir.poly import PolyProgram
from pom.passes.isl_build import domain, time_map

SAMPLED = 0.999
"""The model's mean of very many iterations, which is that of a sample, over the mean of all."""
SAMPLE = 64
"""Places at which a bound is looked at before it is compared everywhere."""

_Ints = NDArray[np.int64]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LoopCounts:
    """What the pipelined loop of a design does in all executions of the nest, at the least.

    Parameters
    ----------
    iterations : float
    entries : float
        How often it is filled.
    inside : tuple of str
        Loops that it consists of, flattened ones included.
    """

    iterations: float
    entries: float
    inside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ManyCounts:
    """`LoopCounts` of many designs, one a row.

    Parameters
    ----------
    iterations, entries : array of float, shape (n,)
    inside : array of int, shape (n,)
        Which of `loops` the pipelined loop consists of; -1 where nothing is known.
    loops : tuple of tuple of str
    fewest : array of int, shape (n, loops of the order)
        Iterations of loops that depend on others, as many as are known when the circuit is made: of
        one whose range varies a single one, see `qor_model.carried`. 0 for other loops.
    """

    iterations: NDArray[np.float64]
    entries: NDArray[np.float64]
    inside: _Ints
    loops: tuple[tuple[str, ...], ...]
    fewest: _Ints

    @property
    def first(self) -> LoopCounts | None:
        """The counts of the first design; None where they are not known."""
        if not len(self.inside) or self.inside[0] < 0:
            return None
        loops = self.loops[int(self.inside[0])]
        return LoopCounts(float(self.iterations[0]), float(self.entries[0]), loops)


@dataclass(frozen=True, slots=True)
class _Alike:
    """What designs have in common that differ in the blocks of free loops only.

    Parameters
    ----------
    iterations, entries : float
        To be multiplied by the blocks of free loops.
    is_entered : tuple of bool
        Per loop of the order, whether its blocks count for the entries.
    inside : tuple of str
    fewest : tuple of int
        Per loop of the order.
    """

    iterations: float
    entries: float
    is_entered: tuple[bool, ...]
    inside: tuple[str, ...]
    fewest: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Trips:
    """How often a loop runs per iteration of the loops around it: at the least as the model counts it,
    on average, and where it is shortest."""

    least: float
    mean: float
    is_varying: bool
    fewest: int


@dataclass(frozen=True, slots=True)
class _Coupled:
    """Trip counts of loops, outermost first, the first `fixed` of which decide on ranges of others."""

    trips: tuple[_Trips, ...]
    fixed: int


@lru_cache(maxsize=64)
def block_counts(program: PolyProgram, nest: Nest) -> BlockCounts:
    """The counts of a nest, which all choices of operators share."""
    return BlockCounts(program, nest)


class BlockCounts:
    """Counts the blocks of one nest.

    Parameters
    ----------
    program : PolyProgram
    nest : Nest
        Of the program.

    Attributes
    ----------
    free : frozenset of str
        Loops whose range is the same whatever the other loops do, and decides on no other.
    """

    def __init__(self, program: PolyProgram, nest: Nest) -> None:
        self.nest = nest
        loops = (*nest.prefix, *nest.band)
        self._extents = {loop.name: loop.extent for loop in loops}
        self._places = {loop.name: place for place, loop in enumerate(loops)}
        self._ranges = _loop_ranges(program, nest)
        free = self._ranges.free if self._ranges is not None else frozenset()
        self.free = frozenset(name for name, place in self._places.items() if place in free)
        self._known: dict[tuple[tuple[str, ...], bytes], _Alike | None] = {}

    def least(
        self, order: tuple[str, ...], factors: tuple[int, ...], *, is_flat: bool = True
    ) -> LoopCounts | None:
        """The counts of a design; None where they are not known.

        Parameters
        ----------
        order : tuple of str
        factors : tuple of int
        is_flat : bool
            Whether the innermost loop may be flattened into the loops around it.
        """
        return self.least_of(order, np.array([factors]), np.array([is_flat])).first

    def least_of(
        self, order: tuple[str, ...], factors: _Ints, is_flat: _Mask, *, is_single: bool = False
    ) -> ManyCounts:
        """The counts of many designs, one a row of `factors`; see `LoopRanges.blocks` for
        `is_single`."""
        extents = np.array([self._extents[name] for name in order], dtype=np.int64)
        is_left = factors < extents
        is_free = np.array([name in self.free for name in order], dtype=bool)
        # what is left of the loops, and the blocks of those on which others depend, make the shape
        shapes = np.where(is_left, np.where(is_free, 1, factors), 0)
        trips = np.where(is_left & is_free, -(-extents // factors), 1).astype(np.float64)
        alike = _alike(np.column_stack((shapes, is_flat)))
        firsts = np.array([rows[0] for rows in alike], dtype=np.int64)
        kinds = np.ascontiguousarray(np.column_stack((shapes[firsts], is_flat[firsts])))
        found = [self._counts_alike(order, kind, is_single) for kind in kinds]
        which = np.empty(len(factors), dtype=np.int64)
        for number, rows in enumerate(alike):
            which[rows] = number
        loops = tuple(dict.fromkeys(each.inside for each in found if each))
        unknown = _Alike(0.0, 0.0, (False,) * len(order), (), (0,) * len(order))
        each = [one or unknown for one in found]
        is_entered = np.array([one.is_entered for one in each], dtype=bool)[which]
        return ManyCounts(
            np.array([one.iterations for one in each])[which] * trips.prod(axis=1),
            np.array([one.entries for one in each])[which]
            * np.where(is_entered, trips, 1.0).prod(axis=1),
            np.array([loops.index(one.inside) if one else -1 for one in found])[which],
            loops,
            np.array([one.fewest for one in each], dtype=np.int64)[which],
        )

    def _counts_alike(self, order: tuple[str, ...], kind: _Ints, is_single: bool) -> _Alike | None:
        """The counts of designs that differ in the blocks of free loops only, with one such block.

        Parameters
        ----------
        order : tuple of str
        kind : array of int, shape (len(order) + 1,)
            Blocks of the loops that are left, 0 of others, and whether they are flattened.
        """
        key = (order, kind.tobytes())
        if key not in self._known or (is_single and self._known[key] is None):
            *shape, is_flat = kind.tolist()
            found = self._counted_alike(order, shape, is_flat=bool(is_flat), is_single=is_single)
            self._known[key] = found
        return self._known[key]

    def _counted_alike(
        self, order: tuple[str, ...], shape: list[int], *, is_flat: bool, is_single: bool
    ) -> _Alike | None:
        blocks = {loop.name: 1 for loop in self.nest.prefix}
        blocks |= {name: size for name, size in zip(order, shape, strict=True) if size}
        if self._ranges is None or len(blocks) == len(self.nest.prefix):
            return None
        names = tuple(blocks)
        counts = {name: 1.0 if name in order else float(self._extents[name]) for name in names}
        coupled = tuple(name for name in names if name not in self.free)
        fixed = 0
        fewest: dict[str, int] = {}
        if coupled:
            found = self._coupled(coupled, tuple(blocks[name] for name in coupled), is_single)
            if found is None:
                return None
            counts |= {n: f.least for n, f in zip(coupled, found.trips, strict=True)}
            # several statements may have a loop in common that is constant
            is_alone = len(self.nest.statements) == 1
            fewest = {
                name: 1 if is_alone and trips.is_varying else trips.fewest
                for name, trips in zip(coupled, found.trips, strict=True)
            }
            if found.fixed:
                fixed = names.index(coupled[found.fixed - 1]) + 1
        if len(self.nest.statements) > 1:
            # ranges of one statement may vary where those of all together do not
            fixed = 0
        apart = max(self.nest.apart, fixed if is_flat else len(names) - 1)
        return _Alike(
            prod(counts.values()),
            prod(counts[name] for name in names[:apart]),
            tuple(name in names[:apart] for name in order),
            names[apart:],
            tuple(fewest.get(name, 0) for name in order),
        )

    def share(self, order: tuple[str, ...], factors: _Ints) -> tuple[NDArray[np.float64], float]:
        """For many designs at once: the share of the iterations that the model counts at the least,
        and how often the pipeline is filled because of the loops around the nest.

        A trip count that varies is taken by the middle of its range, rounded down to an integer.
        """
        names = (*(loop.name for loop in self.nest.prefix), *order)
        share = np.ones(len(factors))
        coupled = tuple(name for name in names if name not in self.free)
        found = self._coupled(coupled, (1,) * len(coupled)) if coupled else None
        if coupled and found is None:
            return share * 0.5 ** (len(coupled) - 1), 1.0
        trips = dict(zip(coupled, found.trips, strict=True)) if found else {}
        for name, trip in trips.items():
            if trip.is_varying:
                blocks = factors[:, order.index(name)] if name in order else 1
                rounded = np.maximum(0.5, 1.0 - 0.5 * blocks / trip.mean)
                share = share * np.where(blocks == 1, 1.0, rounded) * (trip.least / trip.mean)
        runs = prod(
            trips[name].least if name in trips else float(self._extents[name])
            for name in names[: self.nest.apart]
        )
        return share, runs

    def chain(self, loop: str) -> tuple[float, float] | None:
        """How often the nest is entered, and how many iterations of a loop follow each other in all
        of these, at the least; None where its range depends on other loops of the band."""
        around = tuple(each.name for each in self.nest.prefix[: self.nest.apart])
        if self._ranges is None or len(self.nest.statements) > 1:
            return None
        free = [name for name in (*around, loop) if name in self.free]
        trips = {name: float(self._extents[name]) for name in free}
        coupled = tuple(name for name in (*around, loop) if name not in self.free)
        if coupled:
            outer = tuple(self._places[name] for name in coupled[:-1])
            if loop in coupled and not self._ranges.is_decided_by(self._places[loop], outer):
                return None
            found = self._coupled(coupled, (1,) * len(coupled))
            if found is None:
                return None
            trips |= {n: f.least for n, f in zip(coupled, found.trips, strict=True)}
        entries = prod(trips[name] for name in around)
        return entries, entries * trips[loop]

    def means(self, order: tuple[str, ...], factors: tuple[int, ...]) -> dict[str, float]:
        """How often loops run on average, whose ranges depend on each other; nothing where that is not
        known."""
        blocks = {loop.name: 1 for loop in self.nest.prefix}
        blocks |= {
            name: factor
            for name, factor in zip(order, factors, strict=True)
            if factor < self._extents[name]
        }
        coupled = tuple(name for name in blocks if name not in self.free)
        found = self._coupled(coupled, tuple(blocks[n] for n in coupled), True) if coupled else None
        if found is None:
            return {}
        return {name: trips.mean for name, trips in zip(coupled, found.trips, strict=True)}

    def executions(self, depth: int) -> float:
        """How often the body of the outermost loops of the prefix runs at the least; 0 where that is
        not known."""
        names = tuple(loop.name for loop in self.nest.prefix[:depth])
        coupled = tuple(name for name in names if name not in self.free)
        found = self._coupled(coupled, (1,) * len(coupled)) if coupled else _Coupled((), 0)
        if found is None:
            return 0.0
        free = prod(float(self._extents[name]) for name in names if name in self.free)
        return free * prod(trips.least for trips in found.trips)

    def _coupled(
        self, names: tuple[str, ...], factors: tuple[int, ...], is_single: bool = False
    ) -> _Coupled | None:
        """Counts of loops whose ranges depend on each other."""
        if self._ranges is None:
            return None
        places = tuple(self._places[name] for name in names)
        return _counted(self._ranges, places, factors, is_single, self.nest.is_everywhere)


def _alike(rows: _Ints) -> list[_Ints]:
    """The positions of rows that are equal, for every different row."""
    order = np.lexsort(rows.T)
    is_new = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
    return np.split(order, np.flatnonzero(is_new) + 1)


def _loop_ranges(program: PolyProgram, nest: Nest) -> LoopRanges | None:
    """The loops as dims of the instances, or as linear functions of their iterators; None where one is
    none."""
    statement = program.statement(nest.handle)
    values = {loop.name: loop.expr(nest.handle) for loop in program.loops(nest.handle)}
    found = []
    for loop in (*nest.prefix, *nest.band):
        value = values[loop.name]
        if any(not isinstance(atom, str) for atom, _ in value.terms):
            return None
        row = tuple(value.coefficient(iterator) for iterator in statement.iterators)
        found.append(LoopFunction(row, value.constant, loop.minimum))
    instances, around = domain(statement), (*nest.prefix, *nest.band)
    over_loops = instances.apply(time_map(statement, tuple(values[loop.name] for loop in around)))
    if over_loops.n_basic_set() == 1 and not over_loops.involves_locals():
        # skewed loops have an iterator in common, but not a dim
        unit = np.eye(len(around), dtype=np.int64).tolist()
        return loop_ranges(
            over_loops,
            tuple(
                LoopFunction(tuple(row), 0, loop.minimum)
                for row, loop in zip(unit, around, strict=True)
            ),
        )
    return loop_ranges(instances, tuple(found))


@lru_cache(maxsize=16384)
def _counted(
    ranges: LoopRanges,
    loops: tuple[int, ...],
    factors: tuple[int, ...],
    is_single: bool,
    is_everywhere: bool,
) -> _Coupled | None:
    found = ranges.blocks(loops, factors, is_single=is_single)
    return None if found is None else _loop_counts(found, len(loops) - 1, is_everywhere)


def _loop_counts(ranges: Ranges, outer: int, is_everywhere: bool) -> _Coupled:
    """The counts of `outer` loops and of the one inside of them."""
    # is_run[n]: where the first n loops have iterations
    is_run = [ranges.length > 0]
    for _ in range(outer):
        is_run.insert(0, np.asarray(is_run[0].any(axis=-1)))
    counts: list[_Trips] = []
    is_constant: list[bool] = []
    fixed = 0
    for depth, where in enumerate(is_run):
        if depth < outer:
            inside = is_run[depth + 1]
            first = inside.argmax(axis=-1).astype(np.int32)
            last = (inside.shape[-1] - 1 - inside[..., ::-1].argmax(axis=-1)).astype(np.int32)
            length = np.count_nonzero(inside, axis=-1)
        else:
            first, last, length = ranges.low, ranges.high, ranges.length
        place = _Place(where, np.asarray(first), np.asarray(last), np.asarray(length))
        until = place.depends_until()
        fixed = max(fixed, until)
        is_constant.append(until == 0)
        counts.append(place.least_count(is_constant, is_everywhere))
    return _Coupled(tuple(counts), fixed)


@dataclass(frozen=True)
class _Place:
    """A loop for all values of the loops around it: where it runs, from where to where, how long."""

    is_run: _Mask
    first: Values
    last: Values
    length: Values

    def depends_until(self) -> int:
        """How many of the loops around, outermost first, decide on the range of the loop."""
        where, first, last = self.is_run, self.first, self.last
        for outer in range(where.ndim - 1, -1, -1):
            both = where[..., 1:] & where[..., :-1]
            if any(((ends[..., 1:] != ends[..., :-1]) & both).any() for ends in (first, last)):
                return outer + 1
            runs = np.asarray(where.any(axis=-1))
            if (np.count_nonzero(both, axis=-1) + runs < np.count_nonzero(where, axis=-1)).any():
                # iterations around are missing in between: the ends there may differ all the same
                low = [np.where(where, ends, ENDLESS).min(axis=-1) for ends in (first, last)]
                high = [np.where(where, ends, -ENDLESS).max(axis=-1) for ends in (first, last)]
                if any((a < b).any() for a, b in zip(low, high, strict=True)):
                    return outer + 1
            at = where.argmax(axis=-1)[..., None]
            first, last = (np.take_along_axis(ends, at, -1)[..., 0] for ends in (first, last))
            where = runs
        return 0

    def least_count(self, is_constant: list[bool], is_everywhere: bool) -> _Trips:
        """The mean of the trip counts; or the middle of their range where that is what is reported,
        and lower.

        Parameters
        ----------
        is_constant : list of bool
            Per loop around.
        is_everywhere : bool
            Whether these run for nothing else, in which case the loop may have no iteration.
        """
        lengths = self.length.ravel()[self._places]
        most, fewest, mean = int(lengths.max()), int(lengths.min()), float(lengths.mean())
        # blocks with gaps may have more iterations than are counted
        first, last = (ends.ravel()[self._places] for ends in (self.first, self.last))
        shortest = int((last - first).min()) + 1
        if most == fewest:
            return _Trips(mean, mean, False, shortest)
        # of very many iterations the model looks at a sample
        counted = SAMPLED * mean
        if not (self._is_affine(first) and self._is_affine(last)):
            return _Trips(counted, mean, True, shortest)
        # the tool knows the least count for sure only where one loop decides on it
        decided = (n for n in range(self.is_run.ndim) if is_constant[n] and self._is_decided_by(n))
        if not is_everywhere or not any(True for _ in decided):
            fewest = 0
        least = min(counted, SAMPLED * ((fewest + most) // 2))
        return _Trips(least, mean, True, shortest)

    def _is_decided_by(self, axis: int) -> bool:
        """Whether the loop is as long wherever a loop around it has the same value."""
        others = tuple(n for n in range(self.is_run.ndim) if n != axis)
        least = np.where(self.is_run, self.length, ENDLESS).min(axis=others)
        most = np.where(self.is_run, self.length, -ENDLESS).max(axis=others)
        return bool((least >= most).all())

    @cached_property
    def _places(self) -> _Ints:
        """Where the loop has iterations, by number."""
        return np.flatnonzero(self.is_run)

    def _is_affine(self, ends: Values) -> bool:
        """Whether one bound of the loop, without rounding, may give its ends for the values around.

        Parameters
        ----------
        ends : array of int
            For `_places`.
        """
        if len(ends) == 1:
            return True
        some = np.arange(0, len(ends), max(len(ends) // SAMPLE, 1))
        slopes = self._slopes(some, ends)
        if slopes is not None and not self._are_slopes(slopes, some, ends):
            return False
        everywhere = np.arange(len(ends))
        if slopes is None:
            slopes = self._slopes(everywhere, ends)
        # else the values around depend on each other: there are several such functions, or none
        return slopes is None or self._are_slopes(slopes, everywhere, ends)

    def _are_slopes(self, slopes: list[int], some: _Ints, ends: Values) -> bool:
        """Whether the ends go up by so much at some places."""
        heads = np.unravel_index(self._places[some], self.is_run.shape)
        start = np.unravel_index(self._places[0], self.is_run.shape)
        rises = sum(
            slope * (head - first) for slope, head, first in zip(slopes, heads, start, strict=True)
        )
        return bool((ends[some] - ends[0] == rises).all())

    def _slopes(self, some: _Ints, ends: Values) -> list[int] | None:
        """By how much the ends go up with each of the values around; None where that is open."""
        places = np.unravel_index(self._places[some], self.is_run.shape)
        heads, values = np.stack(places, axis=1).astype(np.float64), ends[some].astype(np.float64)
        slopes, _, rank, _ = np.linalg.lstsq(heads[1:] - heads[0], values[1:] - values[0])
        if rank < heads.shape[1]:
            return None
        return [int(slope) for slope in np.rint(slopes)]
