"""Loop-carried constraints of a pipelined body, with exact distances where subscripts allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pom.qor_model.banks import ArrayBanks
from pom.qor_model.conflict import may_conflict
from pom.qor_model.expand import Body, Element, Linear, Node
from pom.qor_model.modulo import Carried, Task
from pom.qor_model.region import Loop, OpKind
from pom.qor_model.settings import ToolSettings


@dataclass(frozen=True, slots=True)
class Level:
    """One loop of the pipelined (flattened) nest.

    Parameters
    ----------
    name : str
    stride : int
        Step of the induction variable from one hardware iteration to the next.
    trips, most : int
        Fewest and most iterations.
    """

    name: str
    stride: int
    trips: int
    most: int

    @property
    def is_variable(self) -> bool:
        """Whether the number of iterations is not a constant."""
        return self.trips != self.most


def carried_constraints(
    body: Body,
    tasks: Sequence[Task],
    levels: Sequence[Level],
    loops: Sequence[Loop],
    banks: dict[str, ArrayBanks],
    budget_ns: float,
    settings: ToolSettings,
) -> list[Carried]:
    """Constraints between iterations: registers that accumulate, and memory.

    In a flattened nest only accesses with equal linear parts are related, and an element that is
    found again after a varying number of iterations is forwarded beside the memory.
    """
    edges: list[Carried] = []
    shortens_self = settings.shortens_self_recurrence
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
    loads = _Loads(body.nodes, levels)
    for i, store in enumerate(body.nodes):
        if store.op.kind is not OpKind.STORE or store.element is None:
            continue
        is_kept: bool | None = None
        for j in loads.of(store.element):
            node = body.nodes[j]
            assert node.element is not None
            if len(loops) > 1 and store.element.linear != node.element.linear:
                continue
            if _in_other_banks(tasks[i], tasks[j]):
                continue
            apart = distance(levels, store.element, node.element)
            if apart is None:
                continue
            if is_kept is None:
                is_kept = is_kept_in_register(store.element, body.nodes, loops)
            is_forwarded = len(loops) > 1 and levels[-1].is_variable and not is_kept
            if not banks[node.element.array].is_register and not is_kept and not is_forwarded:
                tasks[j].is_late = True
                wait = 1 if len(store.element.const) < 2 else settings.matrix_store_gap
                edges.append(Carried(i, j, wait, apart, node.element.array))
                continue
            source = store.operands[0] if store.operands else i
            for k in users.get(j, ()):
                cycles = register_gap(tasks, source, k, budget_ns, shortens_self=shortens_self)
                cycles += is_forwarded
                edges.append(Carried(source, k, cycles, apart, node.element.array))
    return edges


def _in_other_banks(first: Task, second: Task) -> bool:
    """Whether no iteration lets them meet in one bank; each bank is a memory of its own."""
    return bool(first.mask and second.mask and not first.mask & second.mask)


class _Loads:
    """The loads of a body, found by what they may have in common with a store."""

    def __init__(self, nodes: Sequence[Node], levels: Sequence[Level]) -> None:
        self._strides = {level.name: level.stride for level in levels}
        self._is_variable = levels[-1].is_variable
        self._moduli: dict[Linear, tuple[int, ...]] = {}
        self._by_linear: dict[tuple[str, object], list[int]] = {}
        self._by_residue: dict[tuple[str, object, object], list[int]] = {}
        for index, node in enumerate(nodes):
            element = node.element
            if node.op.kind is not OpKind.LOAD or element is None:
                continue
            self._by_linear.setdefault((element.array, element.linear), []).append(index)
            key = (element.array, element.linear, self._residues(element))
            self._by_residue.setdefault(key, []).append(index)

    def _residues(self, element: Element) -> tuple[int, ...]:
        """Equal for two elements with equal linear parts unless :func:`distance` is None."""
        if element.linear is None:
            return ()
        moduli = self._moduli.get(element.linear)
        if moduli is None:
            moduli = self._moduli[element.linear] = self._moduli_of(element.linear)
        return tuple([c % m if m else c for c, m in zip(element.const, moduli, strict=False)])

    def _moduli_of(self, linear: Linear) -> tuple[int, ...]:
        """By what constants of the first dimensions are compared, 0 where they have to be equal."""
        found: list[int] = []
        for part in linear:
            moving = [(iv, c) for iv, c in part if iv in self._strides]
            if len(moving) > 1 or (not moving and self._is_variable):
                break
            found.append(moving[0][1] * self._strides[moving[0][0]] if moving else 0)
        return tuple(found)

    def of(self, store: Element) -> list[int]:
        """Loads, in program order, that may read what `store` writes in another iteration."""
        found: list[int] = []
        for (array, linear), indices in self._by_linear.items():
            if array != store.array:
                continue
            if linear != store.linear or linear is None:
                found += indices
            else:
                key = (array, linear, self._residues(store))
                found += self._by_residue.get(key, [])
        return sorted(found)


def is_kept_in_register(element: Element, nodes: Sequence[Node], loops: Sequence[Loop]) -> bool:
    """Whether a flattened nest keeps the element in a register while the inner loop runs."""
    if len(loops) < 2 or element.depends_on((loops[-1].name,)):
        return False
    for node in nodes:
        other = node.element
        if other is None or other.array != element.array or other == element:
            continue
        if other.linear == element.linear or may_conflict(loops, element, other):
            return False
    return True


def register_gap(
    tasks: Sequence[Task], source: int, sink: int, budget_ns: float, *, shortens_self: bool
) -> int:
    """Cycles from the start of a producer to the start of a user in a later iteration."""
    producer, consumer = tasks[source], tasks[sink]
    if source == sink and shortens_self:
        return producer.latency
    if not producer.latency:
        return 1
    return producer.latency + (producer.delay_out + consumer.delay_in > budget_ns)


def distance(levels: Sequence[Level], source: Element, sink: Element) -> int | None:
    """Iterations of the flattened loop from a store to the next load of the element.

    None means never.  Subscripts whose linear parts differ are taken to meet in the next
    iteration unless a dimension separates them; so are different rows when the number of
    iterations is unknown, as the tool compares linear addresses.
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
                return 1 if levels[-1].is_variable else None
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
    """Whether different subscripts are taken to meet: in one row, not in different ones."""
    if source.linear is None or sink.linear is None:
        return True
    rows = zip(source.linear, sink.linear, source.const, sink.const, strict=True)
    return all(mine == theirs and a == b for mine, theirs, a, b in list(rows)[:-1])


def _smallest(levels: Sequence[Level], delta: dict[str, int]) -> int | None:
    """Smallest lexicographically positive distance with some components fixed."""
    weights: list[int] = []
    weight = 1
    for level in reversed(levels):
        weights.append(weight)
        weight *= max(level.trips, 1)
    weights.reverse()
    for level in levels:
        if abs(delta.get(level.name, 0)) >= max(level.most, 1):
            return None
    base = sum(delta.get(v.name, 0) * w for v, w in zip(levels, weights, strict=True))
    if base > 0:
        return base
    for level, own in reversed(list(zip(levels, weights, strict=True))):
        if level.name not in delta and level.most > 1 and base + own > 0:
            return base + own
    return None
