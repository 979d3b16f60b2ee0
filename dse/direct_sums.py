"""Trees of sums in region trees, as the primitives of `pom.dse.sums` make them.

A body that accumulates in lanes, ``for l: x = x + e``, becomes what lowering the primitives gives:

    for l in 0..u: part[l] = e
    for p in 0..u/2: part[p] = part[p] + part[p + u/2]         a level, until one is left
    x = x + part[0]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pom.dse.nests import Nest
from pom.dse.sums import SUFFIX
from pom.qor_model.region import (
    Access,
    Affine,
    Array,
    Block,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    Region,
    affine,
)


@dataclass(frozen=True, slots=True)
class Accumulation:
    """The operations of ``x = x + e`` in a body; `value` is the identifier of ``e``."""

    load: Op
    combine: Op
    store: Op
    value: int


def find_accumulations(nest: Nest, body: Sequence[Block]) -> tuple[Accumulation, ...] | None:
    """Those of the nest's sums in its body; None where one is written in another way."""
    ops = {op.id: op for block in body for op in block.ops}
    found: list[Accumulation] = []
    for each in nest.sums:
        uses = [op for op in ops.values() if op.access and op.access.array == each.array]
        if len(uses) != 2 or {op.kind for op in uses} != {OpKind.LOAD, OpKind.STORE}:
            return None
        load, store = sorted(uses, key=lambda op: op.kind is OpKind.STORE)
        if len(store.operands) != 1 or not store.dtype.is_float:
            return None
        combine = ops[store.operands[0]]
        others = [o for o in combine.operands if o != load.id]
        users = [op for op in ops.values() if {load.id, combine.id} & {*op.operands}]
        if combine.kind.value != each.op or each.op == "sub" or len(combine.operands) != 2:
            return None
        if len(others) != 1 or len(users) != 2:
            return None
        found.append(Accumulation(load, combine, store, others[0]))
    return tuple(found)


@dataclass(slots=True)
class TreeWriter:
    """Writes the trees of one nest.

    Parameters
    ----------
    nest : Nest
    ids : iterator of int
        Free identifiers of operations.
    arrays : list of Array
        Filled with the arrays of partial results.
    """

    nest: Nest
    ids: Iterator[int]
    arrays: list[Array] = field(default_factory=list)

    def lanes(
        self, body: tuple[Block, ...], lanes: Sequence[Loop], *, is_pipelined: bool
    ) -> tuple[Region, ...]:
        """`body` in unrolled loops, outermost first, along which it accumulates."""
        found = find_accumulations(self.nest, body)
        if not lanes or found is None:
            regions: tuple[Region, ...] = body
            for lane in reversed(lanes):
                regions = (replace(lane, body=regions),)
            return regions
        names = [f"{s.statement}_{lanes[-1].name}_{SUFFIX}" for s in self.nest.sums]
        regions = self._assigned(body, found, names, lanes[-1])
        for position in range(len(lanes) - 1, -1, -1):
            lane, outer = lanes[position], lanes[position - 1] if position else None
            after: list[Region] = []
            later = []
            for each, accumulation, name in zip(self.nest.sums, found, names, strict=True):
                self._declare(name, lane, accumulation.store)
                levels = self._levels(name, accumulation, lane, is_pipelined)
                target = f"{each.statement}_{outer.name}_{SUFFIX}" if outer else ""
                later.append(target)
                # each statement's tree is put directly behind the loop, before earlier ones
                after = [*levels, self._last(name, accumulation, target, outer), *after]
            regions, names = (replace(lane, body=regions), *after), later
        return regions

    def _assigned(
        self,
        body: Sequence[Block],
        found: Sequence[Accumulation],
        names: Sequence[str],
        lane: Loop,
    ) -> tuple[Region, ...]:
        """Every accumulation as an assignment to its partial result."""
        dropped = {op.id for a in found for op in (a.load, a.combine)}
        stores = {
            a.store.id: replace(a.store, operands=(a.value,), access=_element(name, _index(lane)))
            for a, name in zip(found, names, strict=True)
        }
        return tuple(
            Block(tuple(stores.get(op.id, op) for op in block.ops if op.id not in dropped))
            for block in body
        )

    def _declare(self, name: str, lane: Loop, store: Op) -> None:
        count = _count(lane)
        complete = (Partition(0, PartitionKind.COMPLETE, count),)
        self.arrays.append(Array(name, (count,), store.dtype, complete, is_argument=False))

    def _levels(
        self, name: str, accumulation: Accumulation, lane: Loop, is_pipelined: bool
    ) -> list[Region]:
        found: list[Region] = []
        remaining = _count(lane)
        while remaining > 1:
            half = (remaining + 1) // 2
            trips = remaining - half
            iv = f"{name}_p{len(found)}"
            at = affine({iv: 1}) if trips > 1 else Affine((), 0)
            far = affine({iv: 1}, half) if trips > 1 else Affine((), half)
            block = self._combined(accumulation, _element(name, at), _element(name, far))
            if trips == 1:
                found.append(block)
            else:
                unroll = LoopDirectives() if is_pipelined else LoopDirectives(unroll=0)
                bounds = (Affine((), 0),), (Affine((), trips),)
                found.append(Loop(iv, *bounds, (block,), directives=unroll, loc=lane.loc))
            remaining = half
        return found

    def _last(self, name: str, a: Accumulation, target: str, outer: Loop | None) -> Block:
        """The one result to where it is accumulated, or to the partial results further out."""
        source = _element(name, Affine((), 0))
        if outer is None:
            return self._combined(a, a.store.access, source)
        value = replace(a.load, id=next(self.ids), access=source)
        to = _element(target, _index(outer))
        store = replace(a.store, id=next(self.ids), operands=(value.id,), access=to)
        return Block((value, store))

    def _combined(self, a: Accumulation, target: Access | None, source: Access) -> Block:
        left = replace(a.load, id=next(self.ids), access=target)
        right = replace(a.load, id=next(self.ids), access=source)
        both = replace(a.combine, id=next(self.ids), operands=(left.id, right.id))
        store = replace(a.store, id=next(self.ids), operands=(both.id,), access=target)
        return Block((left, right, both, store))


def _count(lane: Loop) -> int:
    return lane.upper[0].const - lane.lower[0].const


def _index(lane: Loop) -> Affine:
    return affine({lane.name: 1}, -lane.lower[0].const)


def _element(array: str, subscript: Affine) -> Access:
    return Access(array, (subscript,))
