"""The ranges of loops that depend on each other, once they are split into blocks.

The instances of a statement are laid out on a grid: for all values of the outer loops the first and
the last value of the innermost one. Blocks of a loop are groups of neighbours on the grid. Loops are
known by their position, so that nests of one shape, such as copies, share everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import islpy as isl
import numpy as np
from numpy.typing import NDArray

POINTS = 400_000
"""Most points of the outer loops that are looked at."""
SPARSE = 8
"""How many places a grid may have for each of them."""
WORK = 40_000_000
"""Most places that are looked at for all designs of nests of one shape."""
ENDLESS = 1 << 30
"""Beyond every value of a loop."""
FEW = 24
"""Neighbours in memory that are combined one by one: faster than by groups."""

_SET = isl.dim_type.set
_Ints = NDArray[np.int64]
Values = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LoopFunction:
    """A loop as a linear function of the iterators, and its least value.

    Parameters
    ----------
    coefficients : tuple of int
        Of the iterators.
    constant, least : int
    """

    coefficients: tuple[int, ...]
    constant: int
    least: int


@dataclass(frozen=True, slots=True)
class Ranges:
    """The ends and the length of an inner loop, or of its blocks, for all values of outer loops, or of
    their blocks: one axis each.

    Where the inner loop has no iterations, it ends before it begins, and its length is 0. Of the
    iterations of one block, which may leave a gap, those that do most count at least.
    """

    low: Values
    high: Values
    length: Values

    def inner_blocks(self, least: int, factor: int) -> Ranges:
        """The blocks of the inner loop, whose values begin with `least`."""
        is_empty, is_whole = self.length == 0, self.length == self.high - self.low + 1
        low, high = (self.low - least) // factor, (self.high - least) // factor
        length = np.where(is_whole, high - low + 1, -(-self.length // factor))
        low[is_empty], high[is_empty], length[is_empty] = ENDLESS, -ENDLESS, 0
        return Ranges(low, high, length)

    def outer_blocks(self, axis: int, factor: int, *, is_gapless: bool) -> Ranges:
        """The grid over the blocks of an outer loop; see `is_gapless`."""
        low = _grouped(np.minimum, self.low, axis, factor)
        high = _grouped(np.maximum, self.high, axis, factor)
        if is_gapless:
            return Ranges(low, high, np.maximum(high - low + 1, 0))
        return Ranges(low, high, _grouped(np.maximum, self.length, axis, factor))

    def is_gapless(self, axis: int) -> bool:
        """Whether blocks of an outer loop leave no gap: the ranges have none, and those of neighbours
        overlap or meet."""
        is_run = self.length > 0
        if (self.length != self.high - self.low + 1)[is_run].any():
            return False
        low, high, runs = (np.moveaxis(a, axis, 0) for a in (self.low, self.high, is_run))
        begins = np.count_nonzero(runs[1:] & ~runs[:-1], axis=0) + runs[0]
        meets = (low[1:] <= high[:-1] + 1) & (low[:-1] <= high[1:] + 1)
        return bool((begins <= 1).all() and meets[runs[1:] & runs[:-1]].all())

    def in_order(self, order: tuple[int, ...]) -> Ranges:
        """The same with some outer loops in an order; the others have a single block."""
        shape = tuple(self.low.shape[axis] for axis in order)
        rest = tuple(axis for axis in range(self.low.ndim) if axis not in order)
        arrays = (a.transpose((*order, *rest)) for a in (self.low, self.high, self.length))
        return Ranges(*(np.ascontiguousarray(a).reshape(shape) for a in arrays))


def _grouped(better: np.ufunc, values: Values, axis: int, factor: int) -> Values:
    """The best of every `factor` values along an axis."""
    before, count, after = values.shape[:axis], values.shape[axis], values.shape[axis + 1 :]
    whole = count // factor * factor
    place = (slice(None),) * axis
    rest = values[(*place, slice(whole, None))]
    full = values[(*place, slice(0, whole))]
    parts = []
    if whole and not after and factor <= FEW:
        # numpy is slow at many short groups of neighbours
        best = full[(*place, slice(0, None, factor))]
        for k in range(1, factor):
            best = better(best, full[(*place, slice(k, None, factor))])
        parts.append(best)
    elif whole:
        parts.append(better.reduce(full.reshape(*before, -1, factor, *after), axis=axis + 1))
    if whole < count:
        parts.append(better.reduce(rest, axis=axis, keepdims=True))
    return np.concatenate(parts, axis=axis) if len(parts) > 1 else np.ascontiguousarray(parts[0])


class LoopRanges:
    """The loops of a nest, by position.

    Parameters
    ----------
    instances : isl.Set
        Of the statement.
    loops : tuple of LoopFunction

    Attributes
    ----------
    free : frozenset of int
        Loops whose range is the same whatever the other loops do, and decides on no other.
    """

    def __init__(self, instances: isl.Set, loops: tuple[LoopFunction, ...]) -> None:
        self._rows = [np.array(loop.coefficients, dtype=np.int64) for loop in loops]
        self._loops = loops
        self._instances = _over_loops(instances, self._rows)
        self.free = self._free_loops()
        self._left = WORK
        self._grids: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Ranges | None] = {}
        self._gapless: dict[tuple[int, tuple[int, ...], tuple[int, ...], int], bool] = {}

    def blocks(
        self, loops: tuple[int, ...], factors: tuple[int, ...], *, is_single: bool = False
    ) -> Ranges | None:
        """Blocks of some loops, outermost first; None where they are not known.

        Parameters
        ----------
        loops, factors : tuple of int
        is_single : bool
            Whether it is worth the work whatever that is: for one design, not for all of them.
        """
        *outer, inner = loops
        along = self._others(inner)
        if not set(outer) <= set(along):
            return None
        # all iterations of the other loops are in one block
        size = dict(zip(loops, factors, strict=True))
        sizes = tuple(size.get(loop, ENDLESS) for loop in (*along, inner))
        grid = self._blocked(inner, along, sizes, is_single)
        return None if grid is None else grid.in_order(tuple(along.index(n) for n in outer))

    def _others(self, inner: int) -> tuple[int, ...]:
        """The loops with which a loop is coupled."""
        return tuple(n for n in range(len(self._loops)) if n not in self.free and n != inner)

    def is_decided_by(self, inner: int, outer: tuple[int, ...]) -> bool:
        """Whether the range of a loop is the same wherever some others are."""
        along = self._others(inner)
        grid = self._blocked(inner, along, (1,) * (len(along) + 1))
        if grid is None:
            return False
        rest = tuple(axis for axis, loop in enumerate(along) if loop not in outer)
        is_run = grid.length > 0
        for ends in (grid.low, grid.high):
            least = np.where(is_run, ends, ENDLESS).min(axis=rest)
            if (least < np.where(is_run, ends, -ENDLESS).max(axis=rest)).any():
                return False
        return True

    def _blocked(
        self, inner: int, along: tuple[int, ...], factors: tuple[int, ...], is_single: bool = True
    ) -> Ranges | None:
        """The ranges of the inner loop, in blocks, over blocks of the others.

        Blocks are made of one outer loop after the other and then of the inner loop, so that designs
        share what they have in common, and the grid gets smaller early.
        """
        key = (inner, along, factors)
        if key in self._grids:
            return self._grids[key]
        if factors[-1] > 1:
            source = self._worked(inner, along, (*factors[:-1], 1), is_single)
            # not kept: what is counted in it is, and it is good for nothing else
            least = self._loops[inner].least
            return None if source is None else source.inner_blocks(least, factors[-1])
        axis = max((n for n, factor in enumerate(factors) if factor > 1), default=None)
        if axis is None:
            found = self._grid(inner, along)
        else:
            before = (*factors[:axis], *(1 for _ in factors[axis:]))
            source = self._worked(inner, along, before, is_single)
            if source is None:
                # not kept: it may be that only the work for all designs is used up
                return None
            step = (inner, along, before, axis)
            if step not in self._gapless:
                self._gapless[step] = source.is_gapless(axis)
            found = source.outer_blocks(axis, factors[axis], is_gapless=self._gapless[step])
        self._grids[key] = found
        return found

    def _worked(
        self, inner: int, along: tuple[int, ...], factors: tuple[int, ...], is_single: bool
    ) -> Ranges | None:
        """A grid that all of is looked at; None where that is too much for all designs."""
        found = self._blocked(inner, along, factors, is_single)
        if found is not None and not is_single:
            self._left -= found.low.size
        return found if is_single or self._left >= 0 else None

    def _grid(self, inner: int, along: tuple[int, ...]) -> Ranges | None:
        """The range of the inner loop for all values of the others; None where it is not known.

        The iterator that moves only the inner loop is left out, and its range is found instead.
        """
        coupled = [row for n, row in enumerate(self._rows) if n not in self.free]
        own = self._rows[inner]
        total = sum((np.abs(row) for row in coupled), np.zeros_like(own))
        alone = np.flatnonzero((np.abs(own) == 1) & (total == np.abs(own)))
        if not len(alone):
            return None
        dim = int(alone[-1])
        kept = [n for n in np.flatnonzero(total).tolist() if n != dim]
        found = _columns(self._instances, dim, kept)
        if found is None:
            return None
        values, low, high = found
        shift = values @ own[kept] + self._loops[inner].constant
        ends = np.sort(np.stack((low, high)) * int(own[dim]), axis=0) + shift
        outer = [
            values @ self._rows[n][kept] + (self._loops[n].constant - self._loops[n].least)
            for n in along
        ]
        shape = tuple(int(v.max(initial=0)) + 1 for v in outer)
        if prod(shape) > SPARSE * POINTS:
            return None
        grid = Ranges(
            np.full(shape, ENDLESS, dtype=np.int32),
            np.full(shape, -ENDLESS, dtype=np.int32),
            np.zeros(shape, dtype=np.int32),
        )
        places = tuple(outer)
        grid.low[places], grid.high[places] = ends
        grid.length[places] = ends[1] - ends[0] + 1
        # a place with several instances could have a gap between them
        return grid if np.count_nonzero(grid.length) == len(low) else None

    def _free_loops(self) -> frozenset[int]:
        found = set()
        for n, row in enumerate(self._rows):
            others = sum(
                (np.abs(r) for m, r in enumerate(self._rows) if m != n), np.zeros_like(row)
            )
            own = np.flatnonzero(row)
            is_alone = len(own) == 1 and abs(row[own[0]]) == 1 and not others[own].any()
            if is_alone and not _is_constrained_with_others(self._instances, int(own[0])):
                found.add(n)
        return frozenset(found)


def loop_ranges(instances: isl.Set, loops: tuple[LoopFunction, ...]) -> LoopRanges:
    """The ranges of loops, which nests of one shape share."""
    plain = instances.reset_tuple_id()
    for dim in range(plain.dim(_SET)):
        plain = plain.set_dim_name(_SET, dim, f"x{dim}")
    return _shared(str(plain), loops)


@lru_cache(maxsize=64)
def _shared(instances: str, loops: tuple[LoopFunction, ...]) -> LoopRanges:
    return LoopRanges(isl.Set(instances), loops)


def _over_loops(instances: isl.Set, rows: list[_Ints]) -> isl.Set:
    """`instances` without what constrains iterators that no loop runs over: others decide them."""
    used = sum((np.abs(row) for row in rows), np.zeros(instances.dim(_SET), dtype=np.int64))
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
