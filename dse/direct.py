"""The estimator's input for plans of rectangular nests, without a detour over levels 2 and 3.

A search judges thousands of plans of one nest that differ in loop order and factors only. For a
nest that is a box, and in which every loop order is legal (so every distance is at least 0, and
every tiling and every splitting in ranges is legal too), the loops of a plan are known without an
analysis:

    for i in 0..200              for i0 in 0..50         pipelined innermost
      for j in 0..220     →        for j0 in 0..16
        S                            for i1 in 0..4      unrolled
                                       for j1 in 0..13   unrolled
                                         S                        and the rest, j in 208..220

The untiled structure is lowered and read once; its region tree is rewritten for each plan. Designs
that are shown are always lowered: this is only how the search sees a nest, and a test holds both
to the same estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from pom.dse.direct_sums import TreeWriter, find_accumulations
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import has_remainder
from pom.ir.directives import Partition as PlanPartition
from pom.qor_model.leaf import all_loops
from pom.qor_model.region import (
    Access,
    Affine,
    Array,
    Block,
    Design,
    Function,
    If,
    Loop,
    LoopDirectives,
    Op,
    Partition,
    PartitionKind,
    Region,
    affine,
)

_PLAIN = LoopDirectives()
_UNROLLED = LoopDirectives(unroll=0)


@dataclass(frozen=True, slots=True)
class _Chain:
    """Loops of a nest in a region tree: those around it, its own, and its straight-line body."""

    around: tuple[Loop, ...]
    loops: tuple[Loop, ...]
    body: tuple[Block, ...]


class DirectDesigns:
    """Makes designs of one structure with one choice of operator implementations.

    Parameters
    ----------
    base : Design
        The structure without directives, as it is lowered.
    nests : tuple of Nest
        Of the structure.
    """

    def __init__(self, base: Design, nests: tuple[Nest, ...]) -> None:
        self._base = base
        self._top = base.function(base.top)
        self._nests = {nest.handle: nest for nest in nests}
        self._chains: dict[str, _Chain] = {}
        self._free_id = 1 + max(_ids(self._top.body), default=0)
        if len(base.functions) > 1:
            return
        found: list[_Chain] = []
        if not _find_chains(self._top.body, (), found) or len(found) != len(nests):
            return
        for nest, chain in zip(nests, found, strict=True):
            if _is_direct(nest, chain):
                self._chains[nest.handle] = chain

    def design(self, plan: Plan, handle: str) -> Design | None:
        """The design of one nest of `plan` alone; None where it has to be lowered."""
        chosen = next((p for p in plan.nests if p.statement == handle), None)
        arrays = partitioned(self._top.arrays, dict(plan.partitions))
        if chosen is None or arrays is None:
            return None
        rewriter = self._rewriter(chosen, count(self._free_id))
        if rewriter is None:
            return None
        nest, chain = self._nests[handle], self._chains[handle]
        regions: tuple[Region, ...] = tuple(rewriter.parts())
        is_innermost = bool(nest.company)
        for loop in reversed(chain.around):
            if is_innermost:
                # the statements beside the nest run with it
                before = _blocks_until(loop.body, chain.loops[0])
                after = tuple(r for r in loop.body[len(before) :] if isinstance(r, Block))
                regions, is_innermost = (*before, *regions, *after), False
            regions = (replace(loop, body=regions),)
        function = replace(self._top, arrays=(*arrays, *rewriter.trees.arrays), body=regions)
        return kept_apart(replace(self._base, functions=(function,)), nest)

    def whole(self, plan: Plan) -> Design | None:
        """The design of all nests of `plan`; None where it has to be lowered."""
        arrays = partitioned(self._top.arrays, dict(plan.partitions))
        if arrays is None or plan.dataflow:
            return None
        ids = count(self._free_id)
        written: dict[int, tuple[Region, ...]] = {}
        for chosen in plan.nests:
            rewriter = self._rewriter(chosen, ids)
            if rewriter is None:
                return None
            outermost = self._chains[chosen.statement].loops[0]
            written[id(outermost)] = tuple(rewriter.parts())
            arrays = (*arrays, *rewriter.trees.arrays)
        body = _replaced(self._top.body, written)
        names = [loop.name for loop in all_loops(body)]
        if len({*names}) < len(names) or len({a.name for a in arrays}) < len(arrays):
            return None
        function = replace(self._top, arrays=arrays, body=body)
        return replace(self._base, functions=(function,))

    def _rewriter(self, chosen: NestPlan, ids: Iterator[int]) -> _Rewriter | None:
        """What writes a nest; None where it has to be lowered."""
        chain = self._chains.get(chosen.statement)
        if chain is None:
            return None
        nest = self._nests[chosen.statement]
        if len(nest.statements) > 1 and has_remainder(nest, chosen):
            return None
        is_tree = any(chosen.factor(loop) > 1 for each in nest.sums for loop in each.loops)
        if is_tree and find_accumulations(nest, chain.body) is None:
            return None
        return _Rewriter(nest, chain, chosen, ids)


def _replaced(
    regions: tuple[Region, ...], written: Mapping[int, tuple[Region, ...]]
) -> tuple[Region, ...]:
    """The regions with other ones for some loops, by the identity of the loop."""
    found: list[Region] = []
    for region in regions:
        if id(region) in written:
            found += written[id(region)]
        elif isinstance(region, Loop):
            found.append(replace(region, body=_replaced(region.body, written)))
        else:
            found.append(region)
    return tuple(found)


def _blocks_until(regions: tuple[Region, ...], loop: Loop) -> tuple[Region, ...]:
    return regions[: next(n for n, region in enumerate(regions) if region is loop)]


def kept_apart(design: Design, nest: Nest) -> Design:
    """The design of a nest alone, which its prefix is not flattened into if it is not in a whole."""
    if not nest.apart:
        return design
    function = design.function(design.top)
    body = _unflattened(function.body, nest.apart)
    changed: Function = replace(function, body=body)
    return replace(
        design, functions=tuple(changed if f.name == design.top else f for f in design.functions)
    )


def _unflattened(regions: tuple[Region, ...], levels: int) -> tuple[Region, ...]:
    found: list[Region] = []
    for region in regions:
        if isinstance(region, Loop) and levels == 1:
            found.append(replace(region, directives=replace(region.directives, flatten=False)))
        elif isinstance(region, Loop):
            found.append(replace(region, body=_unflattened(region.body, levels - 1)))
        else:
            found.append(region)
    return tuple(found)


def _ids(regions: tuple[Region, ...]) -> Iterator[int]:
    for region in regions:
        match region:
            case Block():
                yield from (op.id for op in region.ops)
            case Loop():
                yield from _ids(region.body)
            case If():
                yield from _ids((*region.then_body, *region.else_body))


def _find_chains(
    regions: tuple[Region, ...], around: tuple[Loop, ...], found: list[_Chain]
) -> bool:
    """Collect maximal chains of loops in program order; False where there is a guard."""
    for region in regions:
        if isinstance(region, Block):
            continue
        if not isinstance(region, Loop):
            return False
        chain = [region]
        while len(chain[-1].body) == 1 and isinstance(chain[-1].body[0], Loop):
            chain.append(chain[-1].body[0])
        body = tuple(r for r in chain[-1].body if isinstance(r, Block))
        if len(body) == len(chain[-1].body):
            found.append(_Chain(around, tuple(chain), body))
        elif not _find_chains(chain[-1].body, (*around, *chain), found):
            return False
    return True


def _is_direct(nest: Nest, chain: _Chain) -> bool:
    """Whether the chain is the nest's box, untouched, and may be tiled in any way."""
    if not nest.is_box or not nest.is_permutable:
        return False
    if len(chain.loops) != len(nest.band) or len(chain.around) != len(nest.prefix):
        return False
    for loop, band in zip(chain.loops, nest.band, strict=True):
        bounds = (Affine((), band.minimum),), (Affine((), band.maximum + 1),)
        if (loop.lower, loop.upper) != bounds or loop.step != 1 or loop.directives != _PLAIN:
            return False
    # of a rounded subscript, lowering finds what it is in each lane
    accesses = [op.access for block in chain.body for op in block.ops if op.access is not None]
    if not all(access.is_affine for access in accesses):
        return False
    names = {loop.name for loop in chain.loops}
    # a value of a loop that is computed with, not only a subscript
    return not any(
        names & set(text.partition(":")[2].replace("*", " ").split())
        for block in chain.body
        for op in block.ops
        for text in op.scalars
    )


def partitioned(
    arrays: tuple[Array, ...], wanted: Mapping[str, tuple[PlanPartition, ...]]
) -> tuple[Array, ...] | None:
    """The arrays with the partitions of a plan; None where an array that has some has its own already."""
    found = []
    for array in arrays:
        partitions = wanted.get(array.name, ())
        if partitions and (array.partitions or array.reshapes):
            return None
        if partitions:
            array = replace(array, partitions=tuple(_partition(p, array) for p in partitions))
        found.append(array)
    return tuple(found)


def _partition(wanted: PlanPartition, array: Array) -> Partition:
    kind = PartitionKind(wanted.kind)
    dim = wanted.dim - 1
    complete = kind is PartitionKind.COMPLETE
    return Partition(dim, kind, array.shape[dim] if complete else wanted.factor)


@dataclass(frozen=True, slots=True)
class _Level:
    """What a loop of the plan becomes: loops outside, lanes inside, and the value it stands for."""

    outer: Loop | None
    lane: Loop | None
    value: Affine


class _Rewriter:
    """Writes the parts of one nest under one plan."""

    def __init__(self, nest: Nest, chain: _Chain, plan: NestPlan, ids: Iterator[int]) -> None:
        by_name = dict(zip((b.name for b in nest.band), chain.loops, strict=True))
        self.loops = [by_name[name] for name in plan.order]
        self.body = chain.body
        self.plan = plan
        self.ids = ids
        self.trees = TreeWriter(nest, self.ids)
        self.along = {by_name[loop].name for each in nest.sums for loop in each.loops}

    def parts(self) -> list[Region]:
        """The tiled nest, and one for the rest of every loop that its factor does not divide."""
        ranges = {o.name: (o.lower[0].const, o.upper[0].const - 1) for o in self.loops}
        return self._parts("", ranges)

    def _parts(self, suffix: str, ranges: dict[str, tuple[int, int]]) -> list[Region]:
        for loop, factor in zip(self.loops, self.plan.factors, strict=True):
            low, high = ranges[loop.name]
            extent = high - low + 1
            if 1 < factor < extent and extent % factor:
                at = low + extent // factor * factor
                rest = f"{suffix}_{loop.name}"
                return [
                    *self._parts(suffix, {**ranges, loop.name: (low, at - 1)}),
                    *self._parts(rest, {**ranges, loop.name: (at, high)}),
                ]
        return list(self._tiled(suffix, ranges))

    def _tiled(self, suffix: str, ranges: dict[str, tuple[int, int]]) -> tuple[Region, ...]:
        levels = {
            loop.name: _level(loop, factor, ranges[loop.name], suffix)
            for loop, factor in zip(self.loops, self.plan.factors, strict=True)
        }
        body = self._copied({name: level.value for name, level in levels.items()})
        lanes = [(name, level.lane) for name, level in levels.items() if level.lane is not None]
        is_innermost = self.plan.is_pipelined
        is_pipelined = is_innermost and any(level.outer for level in levels.values())
        # what a tree combines is innermost
        regions = self.trees.lanes(
            body, [lane for name, lane in lanes if name in self.along], is_pipelined=is_pipelined
        )
        for name, lane in reversed(lanes):
            if name not in self.along:
                regions = (replace(lane, body=regions),)
        for level in reversed(levels.values()):
            if level.outer is None:
                continue
            loop = level.outer
            if is_innermost:
                pipelined = LoopDirectives(pipeline=True, ii=self.plan.ii)
                loop = replace(loop, directives=pipelined)
            regions, is_innermost = (replace(loop, body=regions),), False
        return regions

    def _copied(self, values: dict[str, Affine]) -> tuple[Block, ...]:
        """The body over the new loops, with identifiers of its own."""
        ids: dict[int, int] = {}
        blocks: list[Block] = []
        for block in self.body:
            ops: list[Op] = []
            for op in block.ops:
                ids[op.id] = next(self.ids)
                ops.append(
                    replace(
                        op,
                        id=ids[op.id],
                        operands=tuple(ids[o] for o in op.operands),
                        access=None if op.access is None else _over(op.access, values),
                    )
                )
            blocks.append(Block(tuple(ops)))
        return tuple(blocks)


def _level(loop: Loop, factor: int, values: tuple[int, int], suffix: str) -> _Level:
    low, high = values
    name = f"{loop.name}{suffix}"
    if factor <= 1 and high > low:
        return _Level(_loop(name, low, high + 1, loop), None, affine({name: 1}))
    if factor >= high - low + 1:
        if high == low:
            return _Level(None, None, Affine((), low))
        lane = replace(_loop(name, low, high + 1, loop), directives=_UNROLLED)
        return _Level(None, lane, affine({name: 1}))
    block, point = f"{name}0", f"{name}1"
    return _Level(
        _loop(block, 0, (high - low + 1) // factor, loop),
        replace(_loop(point, 0, factor, loop), directives=_UNROLLED),
        affine({block: factor, point: 1}, low),
    )


def _loop(name: str, start: int, end: int, source: Loop) -> Loop:
    return Loop(name, (Affine((), start),), (Affine((), end),), (), loc=source.loc)


def _over(access: Access, values: Mapping[str, Affine]) -> Access:
    subscripts = []
    for subscript in access.subscripts:
        if subscript is not None:
            for name, value in values.items():
                subscript = subscript.substitute(name, value)
        subscripts.append(subscript)
    return Access(access.array, tuple(subscripts))
