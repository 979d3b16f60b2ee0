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
from functools import lru_cache
from math import prod

import islpy as isl
import numpy as np
from numpy.typing import NDArray

from pom.dse.nests import Nest
from pom.ir.affine import Affine
from pom.ir.poly import PolyProgram
from pom.passes.isl_build import domain

POINTS = 400_000
"""Most points of the outer loops that are looked at."""
WORK = 8_000_000
"""Most points that are looked at for all designs of a nest."""

SAMPLED = 0.999
"""The model's mean of very many iterations, which is that of a sample, over the mean of all."""

_SET = isl.dim_type.set
_Ints = NDArray[np.int64]


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
class _Points:
    """Instances as values of all loops but one, with the range of that one."""

    outer: dict[str, _Ints]
    low: _Ints
    high: _Ints


@dataclass(frozen=True, slots=True)
class _Trips:
    """How often a loop runs per iteration of the loops around it: at the least, and on average."""

    least: float
    mean: float
    is_varying: bool


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
    """

    def __init__(self, program: PolyProgram, nest: Nest) -> None:
        self.nest = nest
        self._matrix = _loop_matrix(program, nest)
        self._instances = _over_loops(domain(program.statement(nest.handle)), self._matrix)
        loops = (*nest.prefix, *nest.band)
        self._extents = {loop.name: loop.extent for loop in loops}
        self._least = {loop.name: loop.minimum for loop in loops}
        self._free = self._free_loops()
        self._left = WORK
        self._points: dict[str, _Points | None] = {}
        self._groups: dict[tuple[tuple[str, ...], tuple[int, ...]], _Coupled | None] = {}

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
        blocks = {loop.name: 1 for loop in self.nest.prefix}
        for name, factor in zip(order, factors, strict=True):
            if factor < self.nest.loop(name).extent:
                blocks[name] = factor
        if len(blocks) == len(self.nest.prefix) or self._matrix is None:
            return None
        counts = {
            name: float(-(-self._extents[name] // factor))
            for name, factor in blocks.items()
            if name in self._free
        }
        names = tuple(blocks)
        coupled = tuple(name for name in names if name not in self._free)
        fixed = 0
        if coupled:
            found = self._coupled(coupled, tuple(blocks[name] for name in coupled))
            if found is None:
                return None
            counts.update({n: f.least for n, f in zip(coupled, found.trips, strict=True)})
            if found.fixed:
                fixed = names.index(coupled[found.fixed - 1]) + 1
        if len(self.nest.statements) > 1:
            # ranges of one statement may vary where those of all together do not
            fixed = 0
        apart = max(self.nest.apart, fixed if is_flat else len(names) - 1)
        entries = prod(counts[name] for name in names[:apart])
        return LoopCounts(prod(counts.values()), entries, names[apart:])

    def share(self, order: tuple[str, ...], factors: _Ints) -> tuple[NDArray[np.float64], float]:
        """For many designs at once: the share of the iterations that the model counts at the least,
        and how often the pipeline is filled because of the loops around the nest.

        A trip count that varies is taken by the middle of its range, rounded down to an integer.
        """
        names = (*(loop.name for loop in self.nest.prefix), *order)
        share = np.ones(len(factors))
        coupled = tuple(name for name in names if name not in self._free)
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
        if self._matrix is None or len(self.nest.statements) > 1:
            return None
        free = [name for name in (*around, loop) if name in self._free]
        trips = {name: float(self._extents[name]) for name in free}
        coupled = tuple(name for name in (*around, loop) if name not in self._free)
        if coupled:
            if loop in coupled and not self._is_decided_by(loop, coupled[:-1]):
                return None
            found = self._coupled(coupled, (1,) * len(coupled))
            if found is None:
                return None
            trips |= {n: f.least for n, f in zip(coupled, found.trips, strict=True)}
        entries = prod(trips[name] for name in around)
        return entries, entries * trips[loop]

    def _is_decided_by(self, inner: str, outer: tuple[str, ...]) -> bool:
        """Whether the range of a loop is the same wherever `outer` are."""
        points = self._of(inner)
        if points is None:
            return False
        ends = np.stack((points.low, points.high), axis=1)
        heads = np.stack([points.outer[n] for n in outer], axis=1) if outer else ends[:, :0]
        different = np.unique(np.hstack((heads, ends)), axis=0)
        return len(different) == len(np.unique(heads, axis=0) if outer else ends[:1])

    def _coupled(self, names: tuple[str, ...], factors: tuple[int, ...]) -> _Coupled | None:
        """Counts of loops whose ranges depend on each other."""
        key = (names, factors)
        if key not in self._groups:
            *outer, inner = names
            points = self._of(inner)
            self._left -= 0 if points is None else len(points.low)
            if points is None or self._left < 0:
                self._groups[key] = None
            else:
                block = dict(zip(names, factors, strict=True))
                least = self._least
                tuples = [(points.outer[n] - least[n]) // block[n] for n in outer]
                grouped = _grouped(
                    np.stack(tuples, axis=1)
                    if outer
                    else np.zeros((len(points.low), 0), dtype=np.int64),
                    (points.low - least[inner]) // block[inner],
                    (points.high - least[inner]) // block[inner],
                )
                self._groups[key] = _loop_counts(*grouped)
        return self._groups[key]

    def _of(self, inner: str) -> _Points | None:
        if inner not in self._points:
            self._points[inner] = self._enumerated(inner)
        return self._points[inner]

    def _free_loops(self) -> frozenset[str]:
        """Loops whose range is the same whatever the other loops do, and decides on no other."""
        if self._matrix is None:
            return frozenset()
        rows = self._matrix[0]
        found = set()
        for name, row in rows.items():
            others = sum((np.abs(r) for n, r in rows.items() if n != name), np.zeros_like(row))
            own = np.flatnonzero(row)
            if len(own) == 1 and abs(row[own[0]]) == 1 and not others[own].any():
                dim = int(own[0])
                if not _is_constrained_with_others(self._instances, dim):
                    found.add(name)
        return frozenset(found)

    def _enumerated(self, inner: str) -> _Points | None:
        """The instances over the coupled loops, without the iterator that moves only `inner`."""
        if self._matrix is None:
            return None
        rows, constants = self._matrix
        rows = {name: row for name, row in rows.items() if name not in self._free}
        own = rows[inner]
        others = sum((np.abs(r) for n, r in rows.items() if n != inner), np.zeros_like(own))
        used = np.flatnonzero(others + np.abs(own))
        alone = np.flatnonzero((np.abs(own) == 1) & (others == 0))
        if not len(alone):
            return None
        dim = int(alone[-1])
        found = _columns(self._instances, dim, [n for n in used.tolist() if n != dim])
        if found is None:
            return None
        values, low, high = found
        kept = [n for n in used.tolist() if n != dim]
        sign = int(own[dim])
        shift = values @ own[kept] + constants[inner]
        ends = np.sort(np.stack((low * sign, high * sign)), axis=0) + shift
        outer = {
            name: values @ row[kept] + constants[name]
            for name, row in rows.items()
            if name != inner
        }
        return _Points(outer, ends[0], ends[1])


def _over_loops(
    instances: isl.Set, matrix: tuple[dict[str, _Ints], dict[str, int]] | None
) -> isl.Set:
    """`instances` without what constrains iterators that no loop runs over: others decide them."""
    if matrix is not None:
        used = sum((np.abs(row) for row in matrix[0].values()), np.zeros(instances.dim(_SET)))
        for dim in np.flatnonzero(used == 0).tolist():
            instances = instances.eliminate(_SET, dim, 1)
    return instances


def _is_constrained_with_others(instances: isl.Set, dim: int) -> bool:
    """Whether a constraint has the dim and another one."""
    for part in instances.get_basic_sets():
        for constraint in part.get_constraints():
            row = [
                constraint.get_coefficient_val(_SET, n).to_python()
                for n in range(instances.dim(_SET))
            ]
            if row[dim] and sum(map(bool, row)) > 1:
                return True
    return False


def _loop_matrix(
    program: PolyProgram, nest: Nest
) -> tuple[dict[str, _Ints], dict[str, int]] | None:
    """Every loop as a linear function of the iterators; None where it is none."""
    iterators = program.statement(nest.handle).iterators
    rows, constants = {}, {}
    for loop in program.loops(nest.handle):
        value = loop.expr(nest.handle)
        if any(not isinstance(atom, str) for atom, _ in value.terms):
            return None
        rows[loop.name] = np.array([_coefficient(value, i) for i in iterators], dtype=np.int64)
        constants[loop.name] = value.constant
    return rows, constants


def _coefficient(value: Affine, iterator: str) -> int:
    return value.coefficient(iterator)


def _columns(instances: isl.Set, dim: int, others: list[int]) -> tuple[_Ints, _Ints, _Ints] | None:
    """Values of some dims with at least one point, and the range of another one there.

    No constraint has one of these and a dim that is neither.
    """
    parts = instances.get_basic_sets()
    if len(parts) != 1 or parts[0].dim(isl.dim_type.div) or instances.is_empty():
        return None
    spans = [
        (instances.dim_min_val(n).to_python(), instances.dim_max_val(n).to_python()) for n in others
    ]
    extents = [high - low + 1 for low, high in spans]
    if prod(extents) > POINTS:
        return None
    values = np.indices(extents, dtype=np.int64).reshape(len(others), -1).T
    values = values + np.array([low for low, _ in spans], dtype=np.int64)
    low = np.full(len(values), np.iinfo(np.int64).min // 4)
    high = np.full(len(values), np.iinfo(np.int64).max // 4)
    holds = np.ones(len(values), dtype=bool)
    for constraint in parts[0].get_constraints():
        row = [constraint.get_coefficient_val(_SET, n).to_python() for n in (*others, dim)]
        if not any(row):
            continue
        rest = values @ np.array(row[:-1], dtype=np.int64)
        rest = rest + constraint.get_constant_val().to_python()
        for sign in (1, -1) if constraint.is_equality() else (1,):
            own = sign * row[-1]
            if own == 0:
                holds &= sign * rest >= 0
            elif own > 0:
                low = np.maximum(low, -((sign * rest) // own))
            else:
                high = np.minimum(high, (sign * rest) // -own)
    holds &= low <= high
    return values[holds], low[holds], high[holds]


def _grouped(tuples: _Ints, low: _Ints, high: _Ints) -> tuple[_Ints, _Ints, _Ints, _Ints]:
    """Different tuples in order, with the ends of the inner loop, and how long it is at the least."""
    if not tuples.shape[1]:
        trips = (high - low + 1).max(keepdims=True)
        return tuples[:1], low.min(keepdims=True), high.max(keepdims=True), trips
    ranges = tuples.max(axis=0) + 1
    codes = np.ravel_multi_index(tuple(tuples.T), tuple(ranges.tolist()))
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    lengths = (high - low + 1)[order]
    return (
        tuples[order[starts]],
        np.minimum.reduceat(low[order], starts),
        np.maximum.reduceat(high[order], starts),
        # the ranges of one block may leave a gap, so their longest one counts
        np.maximum.reduceat(lengths, starts),
    )


def _loop_counts(tuples: _Ints, low: _Ints, high: _Ints, trips: _Ints) -> _Coupled:
    depths = tuples.shape[1]
    # starts[d]: the first tuple of every different prefix of d loops
    starts = [np.zeros(1, dtype=np.int64)]
    for depth in range(1, depths + 1):
        moved = (tuples[1:, :depth] != tuples[:-1, :depth]).any(axis=1)
        starts.append(np.flatnonzero(np.r_[True, moved]))
    counts: list[_Trips] = []
    is_constant: list[bool] = []
    fixed = 0
    for depth in range(depths + 1):
        heads = tuples[starts[depth], :depth]
        if depth < depths:
            first = tuples[starts[depth], depth]
            ends = np.r_[starts[depth][1:], len(tuples)] - 1
            last = tuples[ends, depth]
            children = np.searchsorted(starts[depth + 1], np.r_[starts[depth], len(tuples)])
            length = np.diff(children)
        else:
            first, last, length = low, high, trips
        fixed = max(fixed, _depends_until(heads, first, last))
        is_constant.append(bool((first == first[0]).all() and (last == last[0]).all()))
        counts.append(_least_count(heads, first, last, length, is_constant))
    return _Coupled(tuple(counts), fixed)


def _depends_until(heads: _Ints, first: _Ints, last: _Ints) -> int:
    """How many of the outer loops, outermost first, decide on the range of a loop."""
    for depth in range(heads.shape[1] + 1):
        same = (heads[1:, :depth] == heads[:-1, :depth]).all(axis=1)
        if (first[1:] == first[:-1])[same].all() and (last[1:] == last[:-1])[same].all():
            return depth
    return int(heads.shape[1])


def _least_count(
    heads: _Ints, first: _Ints, last: _Ints, length: _Ints, is_constant: list[bool]
) -> _Trips:
    """The mean of the trip counts; or the middle of their range where that is what is reported, and
    lower."""
    most, fewest = int(length.max()), int(length.min())
    mean = float(length.mean())
    if most == fewest:
        return _Trips(mean, mean, False)
    # of very many iterations the model looks at a sample
    counted = SAMPLED * mean
    if not (_is_affine(heads, first) and _is_affine(heads, last)):
        return _Trips(counted, mean, True)
    # the tool knows the least count for sure only where one loop decides on it
    if not any(is_constant[n] and _decides(heads[:, n], length) for n in range(heads.shape[1])):
        fewest = 0
    return _Trips(min(counted, SAMPLED * ((fewest + most) // 2)), mean, True)


def _is_affine(heads: _Ints, ends: _Ints) -> bool:
    """Whether one bound of a loop, without rounding, may give its ends for the values around."""
    if len(heads) == 1:
        return True
    changes = (heads[1:] - heads[0]).astype(np.float64)
    slopes, _, rank, _ = np.linalg.lstsq(changes, (ends[1:] - ends[0]).astype(np.float64))
    if rank < heads.shape[1]:
        # the values around depend on each other, so there are several such functions, or none
        return True
    return bool((changes @ np.rint(slopes) == ends[1:] - ends[0]).all())


def _decides(values: _Ints, length: _Ints) -> bool:
    order = np.argsort(values, kind="stable")
    values, ordered = values[order], length[order]
    same = values[1:] == values[:-1]
    return bool((ordered[1:] == ordered[:-1])[same].all())
