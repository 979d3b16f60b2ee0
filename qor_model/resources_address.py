"""Multipliers that addresses and trip counts of flattened loops need.

The index of a loop that runs by itself is multiplied by stepping a register along with it, which
costs no multiplier.  In a flattened nest an outer index changes at a run-time condition, and
``row index * row length`` (dimension by dimension) becomes a multiplication, unless the row length is a sum or difference of
two powers of two.  A product that feeds a single addition goes into a DSP block together with
it (``mac_muladd``); otherwise it is a multiplier of its own.  (Read off the operators of 98
designs, hlsfactory_polybench.csv.)
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pom.qor_model.region import (
    Access,
    Affine,
    Array,
    Block,
    Function,
    If,
    Loop,
    OpKind,
    Region,
    ScalarKind,
    ScalarType,
)
from pom.qor_model.resources_body import partition_factor
from pom.qor_model.schedule_result import LoopResult, OperatorKey

Subscripts = tuple[Affine | None, ...]

_MAX_SHIFTS = 2


class AddressMultipliers:
    """Finds the multipliers behind the addresses of flattened loops; keeps what it read of them."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, tuple[str, ...]], tuple[Function, _Group | None]] = {}

    def of(
        self, function: Function, loops: tuple[LoopResult, ...], arrays: Mapping[str, Array]
    ) -> dict[OperatorKey, int]:
        """Return the multipliers of all flattened loops of a function."""
        found: dict[OperatorKey, int] = {}
        for result in loops:
            parts: tuple[Mapping[OperatorKey, int], ...] = ()
            if len(result.names) > 1:
                group = self._group(function, result.names)
                if group is not None:
                    parts = _products(group, arrays), group.trip_counts
            elif result.children:
                parts = (self.of(function, result.children, arrays),)
            for part in parts:
                for key, number in part.items():
                    found[key] = found.get(key, 0) + number
        return found

    def _group(self, function: Function, names: tuple[str, ...]) -> _Group | None:
        known = self._groups.get((id(function), names))
        if known is None:
            by_name = {loop.name: loop for loop in _loops(function.body)}
            group = _read([by_name[name] for name in names if name in by_name])
            known = self._groups[id(function), names] = function, group
        return known[1]


@lru_cache(maxsize=4096)
def signed_digits(value: int) -> int:
    """Additions and subtractions of powers of two that make `value` (canonical signed digits)."""
    count = 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            value -= digit
            count += 1
        value >>= 1
    return count


@dataclass(frozen=True, slots=True)
class _Row:
    """A leading part of an access whose value is multiplied by the length of the next dimension."""

    array: str
    dim: int
    subscripts: Subscripts
    is_spread: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """Loops that are flattened into one."""

    extent: int
    rows: tuple[_Row, ...]
    trip_counts: Counter[OperatorKey]


def _read(group: list[Loop]) -> _Group | None:
    if not group:
        return None
    names = {loop.name for loop in group}
    inner = {loop.name for loop in _loops((group[-1],))} - names
    rows: dict[_Row, None] = {}
    for access in _accesses((group[0],)):
        last = access.subscripts[-1] if access.subscripts else None
        is_spread = last is not None and any(name in inner for name, _ in last.terms)
        for dim in range(1, len(access.subscripts)):
            if any(s is not None and _mentions(s, names) for s in access.subscripts[:dim]):
                rows[_Row(access.array, dim, access.subscripts, is_spread)] = None
    extent = max((loop.constant_trip_count or 1024) for loop in group)
    return _Group(extent, tuple(rows), _trip_counts(group))


def _products(group: _Group, arrays: Mapping[str, Array]) -> Counter[OperatorKey]:
    sums: dict[tuple[Subscripts, int], set[tuple[Subscripts, bool]]] = defaultdict(set)
    for row in group.rows:
        array = arrays.get(row.array)
        length = _length(array, row.dim) if array is not None else 1
        if signed_digits(length) > _MAX_SHIFTS:
            sums[row.subscripts[: row.dim], length].add((row.subscripts, row.is_spread))
    found: Counter[OperatorKey] = Counter()
    for (_, length), addresses in sums.items():
        is_single = len(addresses) == 1 and not any(spread for _, spread in addresses)
        found[_key(group.extent, length, "mac" if is_single else "address")] += 1
    return found


def _trip_counts(group: list[Loop]) -> Counter[OperatorKey]:
    """The trip count of a flattened nest whose bounds vary is itself a product."""
    found: Counter[OperatorKey] = Counter()
    for outer, inner in pairwise(group):
        trips = (outer.constant_trip_count, inner.constant_trip_count)
        if trips == (None, None):
            found[_key(1024, 1024, "address")] += 1
        elif None in trips:
            constant = trips[0] or trips[1] or 1
            if signed_digits(constant) > _MAX_SHIFTS:
                found[_key(1024, constant, "address")] += 1
    return found


def _mentions(subscript: Affine, names: set[str]) -> bool:
    return any(name in names for name, _ in subscript.terms)


def _length(array: Array, dim: int) -> int:
    """Elements of one bank along a dimension."""
    factors = {p.dim: partition_factor(array, p) for p in array.partitions}
    return math.ceil(array.shape[dim] / factors.get(dim, 1))


@lru_cache(maxsize=4096)
def _key(extent: int, stride: int, impl: str) -> OperatorKey:
    widths = (max(1, extent).bit_length(), max(1, stride).bit_length() + 1)
    operands = tuple(ScalarType(ScalarKind.UINT, width) for width in widths)
    return OperatorKey(OpKind.MUL, ScalarType(ScalarKind.UINT, sum(widths)), operands, 1, impl)


def _loops(regions: tuple[Region, ...]) -> Iterator[Loop]:
    for region in regions:
        match region:
            case Loop():
                yield region
                yield from _loops(region.body)
            case If():
                yield from _loops(region.then_body)
                yield from _loops(region.else_body)
            case Block():
                pass


def _accesses(regions: tuple[Region, ...]) -> Iterator[Access]:
    for region in regions:
        match region:
            case Loop():
                yield from _accesses(region.body)
            case If():
                yield from _accesses(region.then_body)
                yield from _accesses(region.else_body)
            case Block():
                yield from (op.access for op in region.ops if op.access is not None)
