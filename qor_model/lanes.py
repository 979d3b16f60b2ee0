"""Lanes of an unrolled body that are copies of each other: how far they reach, and their ports.

A *lane loop* is a loop inside a pipelined one; all of its iterations are laid out. So are the copies
that an unroll directive asks of the pipelined loop itself: they are one more lane loop, around all
others. Where its lanes differ by a shift of subscripts only and two of them have at most loaded elements in common, the
lanes can be counted instead of scheduled (`pom.qor_model.fold`). This module proves that from the
subscripts of the region:

- an array that is stored is accessed by one subscript function only; for each such loop one of its
  dimensions moves with no other lane loop, by less than the pipelined loop does in an iteration:
  so no two lanes meet, neither in an iteration nor across iterations;
- or it is *private*: every lane writes an element before it reads it, as in the partial results of a
  tree of sums, so that lanes share elements and no value, and only the last lane's stores remain;
- among the loads of one array that can coincide at all, a lane loop has the same coefficients
  everywhere, and a dimension in which no other such loop moves: so the lanes that load one element
  are no further apart than the constants of the subscripts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.banks import ArrayBanks
from pom.qor_model.expand import Linear
from pom.qor_model.region import Access, Affine, Block, Loop, Op, OpKind, PartitionKind, Region

PortCounts = Counter[tuple[str, int, bool]]
_MEMORIES = ("", "ram_1p", "ram_2p", "ram_s2p", "ram_t2p", "rom_1p", "rom_2p", "rom_np")
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane loop: iterations, first value and step of its induction variable."""

    name: str
    count: int
    first: int
    step: int


@dataclass(frozen=True, slots=True)
class Site:
    """An access of the body.

    Parameters
    ----------
    op : int
        Identifier of the operation.
    is_store : bool
    access : Access
    around : tuple of str
        Lane loops around it, outermost first.
    linear : Linear
        What the lanes have in common, per dimension.
    steps : tuple of dict
        Per dimension, how far the next lane of each loop is away.
    const : tuple of int
        Subscripts of the first lanes, without the linear part.
    """

    op: int
    is_store: bool
    access: Access
    around: tuple[str, ...]
    linear: Linear
    steps: tuple[dict[str, int], ...]
    const: tuple[int, ...]

    @property
    def array(self) -> str:
        return self.access.array

    def moves_with(self, lane: str) -> bool:
        """Whether lanes of this loop access different elements."""
        return any(lane in step for step in self.steps)


@dataclass(frozen=True, slots=True)
class LaneBody:
    """The lane loops and accesses of a pipelined loop's body.

    Parameters
    ----------
    lanes : dict of name to Lane
    sites : tuple of Site
    levels : dict
        Stride of every pipelined (flattened) loop's induction variable.
    strides : mapping
        The same for all loops outside.
    private : dict of str to frozenset of str
        Arrays of which every lane of some loops writes what it reads, with these loops.
    """

    lanes: dict[str, Lane]
    sites: tuple[Site, ...]
    levels: dict[str, int]
    strides: Mapping[str, int]
    private: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def overlap(self) -> dict[str, int]:
        """For every lane loop that may be folded, how many lanes can load the same element, less 1."""
        stored = {site.array for site in self.sites if site.is_store}
        shared = stored - self.private.keys()
        if not all(self._is_one_function(array) for array in shared):
            return {}
        found = {
            name: 0
            for name in self.lanes
            if all(name in names for names in self.private.values())
            and all(self._is_apart(name, array) for array in shared)
        }
        loads: dict[tuple[str, Linear], list[Site]] = {}
        for site in self.sites:
            if site.array not in stored:
                loads.setdefault((site.array, site.linear), []).append(site)
        for sites in loads.values():
            for name in list(found):
                reach = self._reach(name, sites, found)
                if reach is None:
                    del found[name]
                else:
                    found[name] = max(found[name], reach)
        return found

    def shared(self) -> frozenset[str]:
        """Arrays that are not private."""
        return frozenset(site.array for site in self.sites) - self.private.keys()

    def staying(self) -> frozenset[int]:
        """Accesses that are not moved in front of the loop."""
        stored = {site.array for site in self.sites if site.is_store}
        return frozenset(
            site.op
            for site in self.sites
            if site.array in stored or any(iv in self.levels for p in site.linear for iv, _ in p)
        )

    def with_private(self, regions: tuple[Region, ...]) -> LaneBody:
        """The same body, with its private arrays known."""
        stored = {site.array for site in self.sites if site.is_store}
        found = {a: self._private(a, regions) for a in stored if not self._is_one_function(a)}
        return replace(self, private={array: names for array, names in found.items() if names})

    def _private(self, array: str, regions: tuple[Region, ...]) -> frozenset[str]:
        """Loops in each of whose lanes an array is written before it is read; none if not known."""
        sites = [site for site in self.sites if site.array == array]
        names = frozenset.intersection(*(frozenset(site.around) for site in sites))
        names = frozenset(n for n in names if not any(site.moves_with(n) for site in sites))
        if any(part for site in sites for part in site.linear) or not names:
            return frozenset()
        return names if _is_written_first(regions, array, names, {}, set()) else frozenset()

    def _is_one_function(self, array: str) -> bool:
        """Whether all accesses of a stored array are equal, and move with one loop per dimension."""
        sites = [site for site in self.sites if site.array == array]
        if any(site.access != sites[0].access for site in sites):
            return False
        return all(sum(iv in self.levels for iv, _ in part) <= 1 for part in sites[0].linear)

    def _is_apart(self, name: str, array: str) -> bool:
        """Whether lanes of a loop never meet in a stored array (those of other loops never do)."""
        for site in self.sites:
            if site.array != array or not (site.is_store or site.moves_with(name)):
                continue
            if name in site.around and not any(
                set(step) == {name} and self._is_within(part, abs(step[name]), self.lanes[name])
                for step, part in zip(site.steps, site.linear, strict=True)
            ):
                return False
        return True

    def _is_within(self, part: tuple[tuple[str, int], ...], step: int, lane: Lane) -> bool:
        """Whether all lanes are closer than the next iteration of the pipelined loop."""
        moving = [abs(coef * self.levels[iv]) for iv, coef in part if iv in self.levels]
        return all(step * (lane.count - 1) < far for far in moving)

    def _reach(self, name: str, sites: Sequence[Site], folded: Mapping[str, int]) -> int | None:
        """Lanes of a loop between two loads of one element at most; None when that is not known."""
        if not any(site.moves_with(name) for site in sites):
            return 0
        if any(
            [step.get(name, 0) for step in site.steps]
            != [step.get(name, 0) for step in sites[0].steps]
            for site in sites
        ):
            return None
        reaches: list[int] = []
        for dim, step in enumerate(sites[0].steps):
            if name not in step or any(
                other != name and other in folded for site in sites for other in site.steps[dim]
            ):
                continue
            low, high = zip(*(self._span(site, dim, name) for site in sites), strict=True)
            reaches.append((max(high) - min(low)) // abs(step[name]))
        return min(reaches, default=None)

    def _span(self, site: Site, dim: int, name: str) -> tuple[int, int]:
        """Range of a subscript over all lanes but those of one loop."""
        low = high = site.const[dim]
        for other, step in site.steps[dim].items():
            if other != name:
                far = step * (self.lanes[other].count - 1)
                low, high = low + min(0, far), high + max(0, far)
        return low, high

    def port_uses(
        self, banks: Mapping[str, ArrayBanks], counts: Mapping[str, int], present: frozenset[int]
    ) -> PortCounts | None:
        """Accesses per array, bank and direction, when lane loops have `counts` lanes.

        `present` are the operations that reach memory; private arrays are left out. None when a
        bank is chosen at run time, or lanes of one access share a bank.
        """
        groups: dict[tuple[str, Linear, bool], list[Site]] = {}
        for site in self.sites:
            if site.array not in self.private:
                groups.setdefault((site.array, site.linear, site.is_store), []).append(site)
        found: PortCounts = Counter()
        for (array, linear, is_store), sites in groups.items():
            if not any(site.op in present for site in sites):
                continue
            used = self._banks_of(banks[array], linear, sites, counts)
            if used is None:
                return None
            numbers, times = np.unique(used, return_counts=True)
            for bank, number in zip(numbers.tolist(), times.tolist(), strict=True):
                found[array, bank, is_store] += number
        return found

    def _banks_of(
        self,
        banks: ArrayBanks,
        linear: Linear,
        sites: Sequence[Site],
        counts: Mapping[str, int],
    ) -> _Ints | None:
        """The bank of every different element that these accesses touch."""
        grids = [self._elements(site, counts) for site in sites]
        low = np.min([grid.min(axis=1) for grid in grids], axis=0)
        size = np.max([grid.max(axis=1) for grid in grids], axis=0) - low + 1
        radix = np.append(np.cumprod(size[::-1])[::-1][1:], 1)[: len(size)]
        codes = [np.unique(radix @ (grid - low[:, None])) for grid in grids]
        merged = codes[0] if len(codes) == 1 else np.unique(np.concatenate(codes))
        if banks.is_register:
            return np.full(len(merged), -1, dtype=np.int64)
        for code in codes:
            used = self._bank_of(banks, linear, low, size, radix, code)
            if used is None or len(np.unique(used)) < len(code):
                return None
        return self._bank_of(banks, linear, low, size, radix, merged)

    def _elements(self, site: Site, counts: Mapping[str, int]) -> _Ints:
        """Subscripts without their linear parts, one column per lane that moves."""
        names = [name for name in site.around if site.moves_with(name)]
        const = np.array(site.const, dtype=np.int64).reshape(-1, 1)
        if not names:
            return const
        grid = np.indices([counts[name] for name in names], dtype=np.int64)
        steps = np.array([[step.get(n, 0) for n in names] for step in site.steps], dtype=np.int64)
        return np.asarray(steps @ grid.reshape(len(names), -1) + const)

    def _bank_of(
        self, banks: ArrayBanks, linear: Linear, low: _Ints, size: _Ints, radix: _Ints, codes: _Ints
    ) -> _Ints | None:
        bank = np.zeros(len(codes), dtype=np.int64)
        for dim, split in enumerate(banks.splits):
            if split.factor == 1:
                continue
            step = 0
            for iv, coef in linear[dim]:
                step = gcd(step, coef * self.strides.get(iv, 1))
            value = codes // radix[dim] % size[dim] + low[dim]
            if split.kind is PartitionKind.BLOCK:
                if step:
                    return None
                value = value // ceil(split.size / split.factor)
            elif step % split.factor:
                return None
            bank = bank * split.factor + value % split.factor
        return bank


def lane_body(
    body: tuple[Region, ...],
    banks: Mapping[str, ArrayBanks],
    levels: dict[str, int],
    strides: Mapping[str, int],
    copies: Lane | None = None,
    variable: str = "",
) -> LaneBody | None:
    """The lanes of a pipelined loop's body; `copies` are those of the loop of `variable` itself.

    None where something is inside whose copies are not simply copies: a guard, a call, a loop of
    varying length, an access that is not affine, a stream or a bus.
    """
    lanes: dict[str, Lane] = {}
    sites: list[Site] = []
    if not _collect(body, (), banks, lanes, sites):
        return None
    if copies is not None:
        lanes = {copies.name: copies, **lanes}
        sites = [_copied(site, copies, variable) for site in sites]
    return LaneBody(lanes, tuple(sites), levels, strides).with_private(body)


def _copied(site: Site, copies: Lane, variable: str) -> Site:
    """An access in the copies of the loop of `variable`, which stays in its linear part."""
    steps = []
    for step, part in zip(site.steps, site.linear, strict=True):
        coef = dict(part).get(variable, 0)
        steps.append({copies.name: coef * copies.step, **step} if coef else step)
    return replace(site, around=(copies.name, *site.around), steps=tuple(steps))


def _is_written_first(
    regions: tuple[Region, ...],
    array: str,
    single: frozenset[str],
    point: dict[str, int],
    written: set[tuple[int | None, ...]],
) -> bool:
    """Whether no element of an array is read before it is written, in the first lane of `single`."""
    for region in regions:
        if isinstance(region, Loop):
            first = max(bound.const for bound in region.lower)
            count = 1 if region.name in single else region.constant_trip_count or 0
            for number in range(count):
                inside = {**point, region.name: first + number * region.step}
                if not _is_written_first(region.body, array, single, inside, written):
                    return False
        elif isinstance(region, Block):
            for op in region.ops:
                if op.access is None or op.access.array != array:
                    continue
                element = tuple(s.value(point) if s else None for s in op.access.subscripts)
                if op.kind is OpKind.STORE:
                    written.add(element)
                elif element not in written:
                    return False
    return True


def _collect(
    regions: tuple[Region, ...],
    around: tuple[str, ...],
    banks: Mapping[str, ArrayBanks],
    lanes: dict[str, Lane],
    sites: list[Site],
) -> bool:
    for region in regions:
        if isinstance(region, Loop):
            count = region.constant_trip_count
            if not count or region.name in lanes:
                return False
            first = max(bound.const for bound in region.lower)
            lanes[region.name] = Lane(region.name, count, first, region.step)
            if not _collect(region.body, (*around, region.name), banks, lanes, sites):
                return False
        elif not isinstance(region, Block):
            return False
        else:
            for op in region.ops:
                if op.kind is OpKind.CALL:
                    return False
                if op.access is not None:
                    site = _site(op, op.access, around, banks, lanes)
                    if site is None:
                        return False
                    sites.append(site)
    return True


def _site(
    op: Op,
    access: Access,
    around: tuple[str, ...],
    banks: Mapping[str, ArrayBanks],
    lanes: Mapping[str, Lane],
) -> Site | None:
    array = banks[access.array].array
    storage, port = array.storage, array.interface
    is_memory = storage.type.lower() in _MEMORIES and port.mode in ("", "ap_memory", "bram")
    if not is_memory or port.storage_type.lower() not in _MEMORIES:
        return None
    linear: list[tuple[tuple[str, int], ...]] = []
    steps: list[dict[str, int]] = []
    const: list[int] = []
    for subscript in access.subscripts:
        if subscript is None or subscript.floors:
            return None
        mine = {name: coef for name, coef in subscript.terms if name in lanes}
        if any(name not in around for name in mine):
            return None
        linear.append(tuple(term for term in subscript.terms if term[0] not in mine))
        steps.append({name: coef * lanes[name].step for name, coef in mine.items()})
        const.append(_start(subscript, mine, lanes))
    return Site(
        op.id, op.kind is OpKind.STORE, access, around, tuple(linear), tuple(steps), tuple(const)
    )


def _start(subscript: Affine, mine: Mapping[str, int], lanes: Mapping[str, Lane]) -> int:
    return subscript.const + sum(coef * lanes[name].first for name, coef in mine.items())
