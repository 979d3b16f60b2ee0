"""Loop-carried constraints of a pipelined body, with exact distances where subscripts allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pom.qor_model.banks import ArrayBanks
from pom.qor_model.expand import Body, Element
from pom.qor_model.modulo import Carried, Task
from pom.qor_model.region import OpKind


@dataclass(frozen=True, slots=True)
class Level:
    """One loop of the pipelined (flattened) nest: name, hardware stride and iterations."""

    name: str
    stride: int
    trips: int


def carried_constraints(
    body: Body,
    tasks: Sequence[Task],
    levels: Sequence[Level],
    banks: dict[str, ArrayBanks],
    budget_ns: float,
    *,
    shortens_self: bool,
) -> list[Carried]:
    """Constraints between iterations: registers that accumulate, and memory."""
    edges: list[Carried] = []
    for acc in body.accumulators:
        if acc.final < 0:
            continue
        for user in acc.users:
            gap = register_gap(tasks, acc.final, user, budget_ns, shortens_self=shortens_self)
            edges.append(Carried(acc.final, user, gap, 1, acc.element.array))
    users: dict[int, list[int]] = {}
    for index, node in enumerate(body.nodes):
        for operand in node.operands:
            users.setdefault(operand, []).append(index)
    for i, store in enumerate(body.nodes):
        if store.op.kind is not OpKind.STORE or store.element is None:
            continue
        for j, node in enumerate(body.nodes):
            if node.op.kind is not OpKind.LOAD or node.element is None:
                continue
            if node.element.array != store.element.array:
                continue
            gap = distance(levels, store.element, node.element)
            if gap is None:
                continue
            if not banks[node.element.array].is_register:
                tasks[j].is_late = True
                edges.append(Carried(i, j, 1, gap, node.element.array))
                continue
            source = store.operands[0] if store.operands else i
            for k in users.get(j, ()):
                cycles = register_gap(tasks, source, k, budget_ns, shortens_self=shortens_self)
                edges.append(Carried(source, k, cycles, gap, node.element.array))
    return edges


def register_gap(
    tasks: Sequence[Task], source: int, sink: int, budget_ns: float, *, shortens_self: bool
) -> int:
    """Cycles from the start of a producer to the start of a user in a later iteration."""
    producer, consumer = tasks[source], tasks[sink]
    if source == sink and shortens_self:
        return producer.latency
    out = producer.delay_out if producer.latency else producer.delay_in
    if source == sink and not producer.latency:
        return 1
    return producer.latency + (1 if out + consumer.delay_in > budget_ns else 0)


def distance(levels: Sequence[Level], source: Element, sink: Element) -> int | None:
    """Iterations of the flattened loop from a store to the next load of the element.

    None means never.  Subscripts whose linear parts differ are taken to meet in the next
    iteration unless a dimension separates them.
    """
    if source.linear is None or sink.linear is None:
        return 1
    if source.linear != sink.linear:
        return 1 if _may_meet(source, sink) else None
    strides = {level.name: level.stride for level in levels}
    delta: dict[str, int] = {}
    for part, a, b in zip(source.linear, source.const, sink.const, strict=True):
        moving = [(iv, c) for iv, c in part if iv in strides]
        if not moving:
            if a != b:
                return None
            continue
        if len(moving) > 1:
            return 1
        iv, coef = moving[0]
        step = coef * strides[iv]
        if (a - b) % step:
            return None
        value = (a - b) // step
        if delta.setdefault(iv, value) != value:
            return None
    return _smallest(levels, delta)


def _may_meet(source: Element, sink: Element) -> bool:
    assert source.linear is not None and sink.linear is not None
    for mine, theirs, a, b in zip(
        source.linear, sink.linear, source.const, sink.const, strict=True
    ):
        if not mine and not theirs and a != b:
            return False
    return True


def _smallest(levels: Sequence[Level], delta: dict[str, int]) -> int | None:
    """Smallest lexicographically positive distance with some components fixed."""
    weights: list[int] = []
    weight = 1
    for level in reversed(levels):
        weights.append(weight)
        weight *= max(level.trips, 1)
    weights.reverse()
    for level in levels:
        if abs(delta.get(level.name, 0)) >= max(level.trips, 1):
            return None
    base = sum(delta.get(v.name, 0) * w for v, w in zip(levels, weights, strict=True))
    if base > 0:
        return base
    for level, own in reversed(list(zip(levels, weights, strict=True))):
        if level.name not in delta and level.trips > 1 and base + own > 0:
            return base + own
    return None
