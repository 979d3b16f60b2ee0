"""List scheduling of a straight-line body, and modulo scheduling of a pipelined one.

Operations are placed in the order of their latest possible start, each in the first cycle in
which its inputs exist (chained within the clock where the delays fit), and in which a port and,
for a pipelined body, an operator is free.  A pipelined body gets as few operators as its
interval allows (uses / II, rounded up), as the tool does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pom.qor_model.banks import Ports

PortKey = tuple[str, tuple[int | None, ...]]


@dataclass(slots=True)
class Task:
    """An operation as the scheduler sees it.

    Parameters
    ----------
    preds : list of (int, bool)
        Producers whose result is needed.
    after : list of (int, int)
        Earlier tasks and the cycles between the starts.
    latency : int
        Cycles until the result exists.
    delay_in, delay_out : float
        Nanoseconds before the first and after the last register.
    unit : int
        Shared operator class, -1 for none.
    port : PortKey or None
        Memory bank used, with `is_write`.
    """

    preds: list[int]
    after: list[tuple[int, int]]
    latency: int
    delay_in: float
    delay_out: float
    unit: int = -1
    port: PortKey | None = None
    is_write: bool = False
    is_late: bool = False


@dataclass(slots=True)
class Carried:
    """A loop-carried constraint: start(sink) + II·distance >= start(source) + cycles."""

    source: int
    sink: int
    cycles: int
    distance: int
    array: str


@dataclass(slots=True)
class Placement:
    """Start cycle and time within it of each task; `length` is the number of states."""

    cycles: list[int]
    times: list[float]
    length: int
    ii: int


class PortTable:
    """Reservation of memory ports per slot, aware of banks that are selected at run time."""

    def __init__(self, ports: dict[str, Ports], ii: int) -> None:
        self._ports = ports
        self._ii = ii
        self._used: dict[tuple[str, bool, int], list[tuple[tuple[int | None, ...], int]]] = {}

    def _conflicts(
        self, array: str, where: tuple[int | None, ...], is_write: bool, slot: int
    ) -> int:
        count = 0
        for other, number in self._used.get((array, is_write, slot), ()):
            if other == where:
                count += number
                continue
            for mine, theirs in zip(where, other, strict=True):
                if mine is not None and theirs is not None and mine != theirs:
                    break
            else:
                count += number
        return count

    def is_free(self, key: PortKey, is_write: bool, cycle: int) -> bool:
        """Whether a port is free in this cycle."""
        array, where = key
        ports = self._ports.get(array)
        if ports is None:
            return True
        slot = cycle % self._ii if self._ii else cycle
        if ports.is_shared:
            used = self._conflicts(array, where, True, slot)
            if is_write and used >= ports.writes:
                return False
            total = used + self._conflicts(array, where, False, slot)
            return total < ports.reads
        limit = ports.writes if is_write else ports.reads
        return self._conflicts(array, where, is_write, slot) < limit

    def take(self, key: PortKey, is_write: bool, cycle: int) -> None:
        """Reserve a port."""
        array, where = key
        slot = cycle % self._ii if self._ii else cycle
        entries = self._used.setdefault((array, is_write, slot), [])
        for position, (other, number) in enumerate(entries):
            if other == where:
                entries[position] = (other, number + 1)
                return
        entries.append((where, 1))


def earliest(tasks: Sequence[Task], budget_ns: float) -> tuple[list[int], list[float]]:
    """Earliest start of each task when nothing is scarce."""
    cycles: list[int] = []
    times: list[float] = []
    for task in tasks:
        cycle, time = _ready(task, tasks, cycles, times, 0)
        cycle, time = _fit(task, cycle, time, budget_ns)
        cycles.append(cycle)
        times.append(time)
    return cycles, times


def _ready(
    task: Task, tasks: Sequence[Task], cycles: list[int], times: list[float], base: int
) -> tuple[int, float]:
    cycle, time = base, 0.0
    for pred in task.preds:
        producer = tasks[pred]
        end = cycles[pred] + producer.latency
        if producer.latency:
            out = producer.delay_out
        else:
            out = times[pred] + producer.delay_in
        if end > cycle:
            cycle, time = end, out
        elif end == cycle and out > time:
            time = out
    for pred, gap in task.after:
        if cycles[pred] + gap > cycle:
            cycle, time = cycles[pred] + gap, 0.0
    return cycle, time


def _fit(task: Task, cycle: int, time: float, budget_ns: float) -> tuple[int, float]:
    if time > 0.0 and time + task.delay_in > budget_ns:
        return cycle + 1, 0.0
    return cycle, time


def latest(tasks: Sequence[Task], cycles: Sequence[int], budget_ns: float) -> list[int]:
    """Latest start of each task that does not make the body longer (chaining ignored upward)."""
    end = max((c + t.latency for c, t in zip(cycles, tasks, strict=True)), default=0)
    late = [end - t.latency for t in tasks]
    for index in range(len(tasks) - 1, -1, -1):
        task = tasks[index]
        start = late[index]
        for pred in task.preds:
            producer = tasks[pred]
            out = producer.delay_out if producer.latency else producer.delay_in
            gap = producer.latency + (1 if out + task.delay_in > budget_ns else 0)
            if start - gap < late[pred]:
                late[pred] = start - gap
        for pred, gap in task.after:
            if start - gap < late[pred]:
                late[pred] = start - gap
    return late


def place(
    tasks: Sequence[Task],
    ports: dict[str, Ports],
    budget_ns: float,
    ii: int,
    base: int = 0,
    order: Sequence[int] | None = None,
    soonest: Sequence[int] | None = None,
) -> Placement | None:
    """Place every task; `ii` 0 means not pipelined (no reuse of slots, operators not scarce)."""
    count = len(tasks)
    cycles = [0] * count
    times = [0.0] * count
    table = PortTable(ports, ii)
    units: dict[int, int] = {}
    busy: dict[tuple[int, int], int] = {}
    if ii:
        uses: dict[int, int] = {}
        for task in tasks:
            if task.unit >= 0:
                uses[task.unit] = uses.get(task.unit, 0) + 1
        units = {unit: ceil(number / ii) for unit, number in uses.items()}
    length = base
    limit = 4 * ii if ii else 1 << 30
    for index in range(count) if order is None else order:
        task = tasks[index]
        cycle, time = _ready(task, tasks, cycles, times, base)
        cycle, time = _fit(task, cycle, time, budget_ns)
        if soonest is not None and soonest[index] > cycle:
            cycle, time = soonest[index], 0.0
        if task.port is not None or (ii and task.unit >= 0):
            first = cycle
            while not (
                (task.port is None or table.is_free(task.port, task.is_write, cycle))
                and (
                    task.unit < 0
                    or not ii
                    or busy.get((task.unit, cycle % ii), 0) < units[task.unit]
                )
            ):
                cycle, time = cycle + 1, 0.0
                if cycle - first > limit:
                    return None
            if task.port is not None:
                table.take(task.port, task.is_write, cycle)
            if ii and task.unit >= 0:
                slot = (task.unit, cycle % ii)
                busy[slot] = busy.get(slot, 0) + 1
        cycles[index] = cycle
        times[index] = time
        if cycle + task.latency > length:
            length = cycle + task.latency
    return Placement(cycles, times, length + 1 if count else base, ii)


def priority(late: Sequence[int]) -> list[int]:
    """Order of placement: by latest start, then program order."""
    return sorted(range(len(late)), key=lambda i: (late[i], i))


def port_bound(tasks: Sequence[Task], ports: dict[str, Ports]) -> tuple[int, str]:
    """Smallest interval that the memory ports allow, with the array that says so."""
    reads: dict[PortKey, int] = {}
    writes: dict[PortKey, int] = {}
    for task in tasks:
        if task.port is not None:
            table = writes if task.is_write else reads
            table[task.port] = table.get(task.port, 0) + 1
    bound, who = 1, ""
    for key in sorted(set(reads) | set(writes), key=repr):
        limits = ports.get(key[0])
        if limits is None:
            continue
        loaded = sum(n for k, n in reads.items() if _overlap(k, key))
        stored = sum(n for k, n in writes.items() if _overlap(k, key))
        if limits.is_shared:
            need = max(ceil((loaded + stored) / limits.reads), ceil(stored / max(1, limits.writes)))
        else:
            need = max(ceil(loaded / limits.reads), ceil(stored / max(1, limits.writes)))
        if need > bound:
            bound, who = need, key[0]
    return bound, who


def _overlap(a: PortKey, b: PortKey) -> bool:
    if a[0] != b[0]:
        return False
    return all(x is None or y is None or x == y for x, y in zip(a[1], b[1], strict=True))


def pipeline(
    tasks: Sequence[Task],
    ports: dict[str, Ports],
    carried: Sequence[Carried],
    budget_ns: float,
    wanted_ii: int,
    max_ii: int = 1 << 20,
) -> tuple[Placement, Carried | None]:
    """Smallest interval not below `wanted_ii` that works, and the dependence that raised it."""
    cycles, _ = earliest(tasks, budget_ns)
    late = latest(tasks, cycles, budget_ns)
    order = priority(late)
    sinks = {c.sink for c in carried}
    soonest = [late[i] if i in sinks and t.is_late else 0 for i, t in enumerate(tasks)]
    ii, reason = wanted_ii, None
    while ii <= max_ii:
        found = place(tasks, ports, budget_ns, ii, order=order, soonest=soonest)
        if found is None:
            ii += 1
            continue
        worst = ii
        for edge in carried:
            span = found.cycles[edge.source] + edge.cycles - found.cycles[edge.sink]
            need = ceil(span / edge.distance)
            if need > worst:
                worst, reason = need, edge
        if worst == ii:
            return found, reason
        ii += 1
    raise ValueError(f"no schedule up to an interval of {max_ii}")
