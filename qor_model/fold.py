"""A wide body scheduled by a few narrow ones: lanes that are copies of each other are counted.

With an interval of 1 and a port for every access nothing is scarce: every operation starts when
its operands are there, whatever other lanes do. Lanes that have at most loaded elements in common
with lanes up to `s` away (`pom.qor_model.lanes`) then look the same but for the `s` outermost ones
on either side. So with n > s lanes along one loop, how many operations, registers or multiplexers
there are of any sort is a + b·n, along several loops a polynomial that is linear in each, and the
latency does not change. The polynomial is known from its values at the corners of a small box:
bodies with s + 1 and s + 2 lanes along each loop, scheduled as any other body, for the same banks.

What does not follow that way is counted for all lanes: the accesses of every bank, and what is
moved in front of the loop, in its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from pom.qor_model.banks import stride_of_copies
from pom.qor_model.expand import Expander, Node, refuse_size, shifted
from pom.qor_model.lanes import Lane, LaneBody, PortCounts, lane_body
from pom.qor_model.leaf import Nest, Timed, schedule_leaf
from pom.qor_model.region import Affine, Block, Loop, LoopDirectives, Op, OpKind, Region
from pom.qor_model.schedule_result import BodySchedule, Fold, OperatorKey
from pom.qor_model.settings import DEFAULT_EFFORT
from pom.qor_model.tasks import TaskMaker

WORTH = 0.7
"""Most lanes in all narrow bodies together, as a share of those of the wide one."""


@dataclass(frozen=True, slots=True)
class _Corner:
    """A narrow body: its lanes, its share in the wide one, and its schedule."""

    lanes: dict[str, int]
    weight: int
    timed: Timed

    @property
    def body(self) -> BodySchedule:
        return self.timed.result.schedules[0]


def schedule_folded(
    nest: Nest,
    maker: TaskMaker,
    outer: Mapping[str, int],
    directives: Mapping[str, LoopDirectives],
) -> Timed | None:
    """Schedule a pipelined body without laying out all of its lanes.

    Returns what :func:`pom.qor_model.leaf.schedule_leaf` does, but for the schedule's operations,
    which are those of narrow bodies (`BodySchedule.fold`). None when the lanes are not alike, or
    too few for this to be worth it.

    Raises
    ------
    PomError
        POM-Q006 the body is larger than the tool takes.
    """
    body = _lanes(nest, maker, outer)
    if body is None:
        return None
    narrow = _narrow(body, len(nest.loops) > 1)
    if not narrow:
        return None
    staying = body.staying()
    ports = _all_ports(body, staying, maker)
    if ports is None:
        return None
    corners = _corners(nest, maker, outer, directives, body, narrow)
    if corners is None:
        return None
    emitted = sum(c.weight * c.timed.emitted for c in corners)
    if emitted > DEFAULT_EFFORT.operations:
        raise refuse_size(DEFAULT_EFFORT.operations)
    first = corners[-1]
    present = _present(corners) & {site.op for site in body.sites}
    if present != staying:
        ports = _all_ports(body, present, maker)
    before = _hoisted(nest, body, narrow, corners)
    if ports is None or before is None:
        return None
    ports += _uses(first, body.private.keys())
    fold = Fold(
        tuple((c.body, c.weight) for c in corners),
        tuple((array, bank, store, n) for (array, bank, store), n in sorted(ports.items())),
    )
    schedule = replace(first.body, ops=(), instances=_instances(corners), fold=fold)
    result = replace(first.timed.result, schedules=(schedule,))
    return replace(first.timed, result=result, before=before, emitted=emitted)


def _lanes(nest: Nest, maker: TaskMaker, outer: Mapping[str, int]) -> LaneBody | None:
    if any(loop.constant_trip_count is None for loop in nest.loops):
        return None
    if any(len(loop.body) != 1 for loop in nest.loops[:-1]):
        return None
    inner = nest.loops[-1]
    levels = {loop.name: loop.step for loop in nest.loops}
    levels[inner.name] = stride_of_copies(inner, nest.unroll, maker.arrays())
    copies = Lane(copies_of(inner), nest.unroll, 0, inner.step) if nest.unroll > 1 else None
    return lane_body(inner.body, maker.banks, levels, {**outer, **levels}, copies, inner.name)


def copies_of(loop: Loop) -> str:
    """The name of the lane that the copies of an unrolled loop are."""
    return f"copies of {loop.name}"


def _narrow(body: LaneBody, is_flattened: bool) -> dict[str, int]:
    """Lanes of the smaller narrow body, per loop that is folded; empty when it is not worth it."""
    overlap = body.overlap()
    # in a flattened nest an element without neighbours is kept in a register
    least = 2 if is_flattened and any(site.is_store for site in body.sites) else 1
    narrow = {name: max(least, reach + 1) for name, reach in overlap.items()}
    return {
        name: few
        for name, few in narrow.items()
        if few < (count := body.lanes[name].count) and 2 * few + 1 <= WORTH * count
    }


def _corners(
    nest: Nest,
    maker: TaskMaker,
    outer: Mapping[str, int],
    directives: Mapping[str, LoopDirectives],
    body: LaneBody,
    narrow: Mapping[str, int],
) -> list[_Corner] | None:
    """Schedule the narrow bodies; None when something is scarce in one, or they are not alike."""
    found: list[_Corner] = []
    for choice in product((0, 1), repeat=len(narrow)):
        more = dict(zip(narrow, choice, strict=True))
        lanes = {name: least + more[name] for name, least in narrow.items()}
        weight = prod(
            body.lanes[n].count - least if more[n] else least + 1 - body.lanes[n].count
            for n, least in narrow.items()
        )
        timed = schedule_leaf(
            _with_lanes(nest, body, lanes), maker, outer, directives, is_pipelined=True
        )
        if timed is None or timed.result.ii != 1:
            return None
        corner = _Corner(lanes, weight, timed)
        if found and not _are_alike(found[0], corner):
            return None
        shared = _uses(corner, body.shared())
        if body.port_uses(maker.banks, _counts(body, lanes), _present([corner])) != shared:
            return None
        own = _uses(corner, body.private.keys())
        if found and own != _uses(found[0], body.private.keys()):
            return None
        found.append(corner)
    return found


def _are_alike(first: _Corner, other: _Corner) -> bool:
    """Whether two narrow bodies take the same time and move the same accesses out."""
    a, b = first.timed, other.timed
    return (
        replace(a.result, schedules=()) == replace(b.result, schedules=())
        and first.body.length == other.body.length
        and _elements(a.loads) == _elements(b.loads)
        and _elements(a.stores) == _elements(b.stores)
        and a.arrays == b.arrays
    )


def _elements(nodes: Iterable[Node]) -> list[object]:
    return [(node.op.id, node.element) for node in nodes]


def _uses(corner: _Corner, arrays: Set[str]) -> PortCounts:
    """Accesses of a narrow body to some arrays."""
    return Counter(
        (op.op.access.array, op.bank, op.op.kind is OpKind.STORE)
        for op in corner.body.ops
        if op.op.access is not None and op.op.access.array in arrays
    )


def _present(corners: Iterable[_Corner]) -> frozenset[int]:
    return frozenset(op.op.id for corner in corners for op in corner.body.ops)


def _counts(body: LaneBody, lanes: Mapping[str, int]) -> dict[str, int]:
    return {name: lanes.get(name, lane.count) for name, lane in body.lanes.items()}


def _all_ports(body: LaneBody, present: frozenset[int], maker: TaskMaker) -> PortCounts | None:
    """Accesses per bank of the wide body; None where a bank has fewer ports than that."""
    found = body.port_uses(maker.banks, _counts(body, {}), present)
    if found is None:
        return None
    for (array, bank, is_store), number in found.items():
        limits = maker.ports.get(array)
        if limits is None or maker.banks[array].is_register:
            continue
        other = found.get((array, bank, not is_store), 0) if limits.is_shared else 0
        if is_store and number > max(1, limits.writes):
            return None
        if (limits.is_shared or not is_store) and number + other > limits.reads:
            return None
    return found


def _instances(corners: list[_Corner]) -> tuple[tuple[OperatorKey, int], ...]:
    total: dict[OperatorKey, int] = {}
    for corner in reversed(corners):
        for key, number in corner.body.instances:
            total[key] = total.get(key, 0) + corner.weight * number
    return tuple(total.items())


def _with_lanes(nest: Nest, body: LaneBody, lanes: Mapping[str, int]) -> Nest:
    """The nest with fewer lanes along some loops of its body, or fewer copies of it."""
    old = nest.loops[-1]
    new = replace(old, body=_resized(old.body, body, lanes))
    loops = [new]
    for loop in reversed(nest.loops[:-1]):
        new = replace(loop, body=(new,))
        loops.append(new)
    fewer = lanes.get(copies_of(old), nest.fewer)
    return replace(nest, loops=tuple(reversed(loops)), fewer=fewer)


def _resized(
    regions: tuple[Region, ...], body: LaneBody, lanes: Mapping[str, int]
) -> tuple[Region, ...]:
    found: list[Region] = []
    for region in regions:
        if isinstance(region, Loop):
            inside = _resized(region.body, body, lanes)
            if region.name in lanes:
                lane = body.lanes[region.name]
                end = lane.first + lanes[region.name] * lane.step
                region = replace(region, upper=(Affine((), end),), body=inside)
            elif inside != region.body:
                region = replace(region, body=inside)
        found.append(region)
    return tuple(found)


def _hoisted(
    nest: Nest, body: LaneBody, narrow: Mapping[str, int], corners: list[_Corner]
) -> list[Node] | None:
    """What all lanes move in front of the loop, in program order."""
    widest = corners[-1].timed.before
    moved = frozenset(node.op.id for node in widest)
    if not moved:
        return []
    if moved & _present(corners):
        return None
    inner = nest.loops[-1]
    lanes = {name: 1 for name in narrow if not _moves(inner, moved, name, body)}
    found = _laid_out(nest, body, lanes, moved)
    # the same way on a narrow body must give what its schedule moved
    again = _laid_out(nest, body, {**corners[-1].lanes, **lanes}, moved)
    if [_moved(node) for node in again] != [_moved(node) for node in widest]:
        return None
    return found


def _moved(node: Node) -> object:
    return node.op.id, node.operands, node.element


def _laid_out(
    nest: Nest, body: LaneBody, lanes: Mapping[str, int], chosen: frozenset[int]
) -> list[Node]:
    expander = Expander()
    narrow = _with_lanes(nest, body, lanes)
    inner = narrow.loops[-1]
    chosen_body = _only(inner.body, chosen)
    for copy in range(narrow.copies):
        expander.walk(chosen_body, {inner.name: shifted(inner.name, copy * inner.step)}, copy)
    return [Node(n.op, n.copy, n.operands, n.element) for n in expander.nodes if n is not None]


def _only(regions: tuple[Region, ...], chosen: frozenset[int]) -> tuple[Region, ...]:
    """The regions with some of the operations only."""
    found: list[Region] = []
    for region in regions:
        if isinstance(region, Loop):
            inside = _only(region.body, chosen)
            if inside:
                found.append(replace(region, body=inside))
        elif isinstance(region, Block):
            ops = tuple(op for op in region.ops if op.id in chosen)
            if ops:
                found.append(Block(ops))
    return tuple(found)


def _moves(loop: Loop, chosen: frozenset[int], name: str, body: LaneBody) -> bool:
    """Whether one of the chosen operations differs between the lanes of a loop by itself."""
    sites = {site.op: site for site in body.sites}
    variable = loop.name if name == copies_of(loop) else name

    def differs(op: Op) -> bool:
        if op.access is not None:
            return sites[op.id].moves_with(name)
        return any(scalar.partition(":")[2] == variable for scalar in op.scalars)

    return any(op.id in chosen and differs(op) for op in _operations(loop.body))


def _operations(regions: tuple[Region, ...]) -> Iterable[Op]:
    for region in regions:
        if isinstance(region, Loop):
            yield from _operations(region.body)
        elif isinstance(region, Block):
            yield from region.ops
