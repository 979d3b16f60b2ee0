"""List scheduling of a straight-line body, and modulo scheduling of a pipelined one.

Operations are placed in the order of their latest possible start, each in the first cycle in
which its inputs exist (chained within the clock where the delays fit), and in which a port and,
for a pipelined body, an operator is free.  A pipelined body gets as few operators as its
interval allows (uses / II, rounded up), as the tool does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pom.errors import PomError
from pom.qor_model.banks import Ports, PortTable, busiest
from pom.qor_model.settings import DEFAULT_EFFORT

RETRIES = 64
PATIENCE = 8
SINGLE_STEPS = 8
MANY_EDGES = 64
"""From so many recurrences on they are checked all at once."""
_Ints = NDArray[np.int64]


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
    array : str
        Memory accessed (empty for none), with the candidate banks in `mask` and `is_write`.
    candidates : int
        Banks among which a store chooses at run time.
    rank : int
        Dimensions of the array.
    is_switch : bool
        A store with so many candidate banks that choosing one is control flow.
    is_late : bool
        Placed as late as its users allow (a load that waits for the store of an iteration before).
    """

    preds: list[int]
    after: list[tuple[int, int]]
    latency: int
    delay_in: float
    delay_out: float
    unit: int = -1
    array: str = ""
    mask: int = 0
    is_write: bool = False
    is_late: bool = False
    candidates: int = 1
    is_switch: bool = False
    rank: int = 1

    @property
    def bank(self) -> int:
        """Bank accessed; -1 - the first candidate when it is selected at run time."""
        first = (self.mask & -self.mask).bit_length() - 1
        return first if self.mask == 1 << max(0, first) else -1 - max(0, first)


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


class Layout:
    """Tasks as `place` reads them: what it asks of each again and again, in tables.

    Parameters
    ----------
    tasks : sequence of Task
    ports : dict of str to Ports
    """

    __slots__ = ("after", "count", "delays", "latencies", "memory", "preds", "units", "uses")

    def __init__(self, tasks: Sequence[Task], ports: dict[str, Ports]) -> None:
        self.count = len(tasks)
        self.latencies = [task.latency for task in tasks]
        self.delays = [task.delay_in for task in tasks]
        self.after = [task.after for task in tasks]
        # a value that is not registered leaves when its operands have passed: known once placed
        outs = [(t.latency, t.delay_out if t.latency else -1.0) for t in tasks]
        self.preds = [[(pred, *outs[pred]) for pred in task.preds] for task in tasks]
        self.memory = [
            (task.array, ports[task.array], task.mask, task.is_write)
            if task.mask and task.array in ports
            else None
            for task in tasks
        ]
        self.units = [
            -1 if memory is not None else task.unit
            for task, memory in zip(tasks, self.memory, strict=True)
        ]
        self.uses: dict[int, int] = {}
        for task in tasks:
            if task.unit >= 0:
                self.uses[task.unit] = self.uses.get(task.unit, 0) + 1


def place(
    tasks: Sequence[Task] | Layout,
    ports: dict[str, Ports],
    budget_ns: float,
    ii: int,
    base: int = 0,
    order: Sequence[int] | None = None,
    soonest: Sequence[int] | None = None,
    tight: frozenset[int] = frozenset(),
    extra: dict[int, int] | None = None,
    patience: int = PATIENCE,
) -> Placement | None:
    """Place every task; `ii` 0 means not pipelined (no reuse of slots, operators not scarce).

    An operation in `tight` never waits for an operator, and none waits longer than `patience`:
    another operator is asked for in `extra` and the placement is given up.
    """
    layout = tasks if isinstance(tasks, Layout) else Layout(tasks, ports)
    count = layout.count
    cycles = [0] * count
    times = [0.0] * count
    table = PortTable(ii)
    units: dict[int, int] = {}
    busy: dict[int, list[int]] = {}
    if ii:
        units = {
            unit: ceil(number / ii) + (extra.get(unit, 0) if extra else 0)
            for unit, number in layout.uses.items()
        }
        busy = {unit: [0] * ii for unit in units}
    length = base
    limit = 4 * ii if ii else 1 << 30
    all_preds, all_after, delays = layout.preds, layout.after, layout.delays
    for index in range(count) if order is None else order:
        # as `_ready` and `_fit`; most of the time of a wide body is spent here
        cycle, time = base, 0.0
        for pred, latency, out in all_preds[index]:
            end = cycles[pred] + latency
            if end >= cycle:
                if out < 0.0:
                    out = times[pred] + delays[pred]
                if end > cycle:
                    cycle, time = end, out
                elif out > time:
                    time = out
        for pred, gap in all_after[index]:
            if cycles[pred] + gap > cycle:
                cycle, time = cycles[pred] + gap, 0.0
        if time > 0.0 and time + delays[index] > budget_ns:
            cycle, time = cycle + 1, 0.0
        if soonest is not None and soonest[index] > cycle:
            cycle, time = soonest[index], 0.0
        memory = layout.memory[index]
        if memory is not None:
            free = table.take_first(*memory, cycle, limit)
            if free < 0:
                return None
            if free > cycle:
                cycle, time = free, 0.0
        elif ii and layout.units[index] >= 0:
            unit, first = layout.units[index], cycle
            taken, most = busy[unit], units[unit]
            while taken[cycle % ii] >= most:
                cycle, time = cycle + 1, 0.0
                is_patient = cycle - first <= patience and index not in tight
                if extra is not None and not is_patient:
                    extra[unit] = extra.get(unit, 0) + 1
                    return None
                if cycle - first > limit:
                    return None
            taken[cycle % ii] += 1
        cycles[index] = cycle
        times[index] = time
        if cycle + layout.latencies[index] > length:
            length = cycle + layout.latencies[index]
    return Placement(cycles, times, length + 1 if count else base, ii)


def priority(late: Sequence[int]) -> list[int]:
    """Order of placement: by latest start, then program order."""
    return sorted(range(len(late)), key=lambda i: (late[i], i))


def port_bound(tasks: Sequence[Task], ports: dict[str, Ports]) -> tuple[int, str]:
    """Smallest interval that the memory ports allow, with the array that says so."""
    accesses: dict[str, tuple[list[int], list[int]]] = {}
    for task in tasks:
        if task.mask and task.array:
            accesses.setdefault(task.array, ([], []))[task.is_write].append(task.mask)
    bound, who = 1, ""
    for array, (reads, writes) in sorted(accesses.items()):
        limits = ports[array]
        need = ceil(busiest(writes) / max(1, limits.writes))
        if limits.is_shared:
            need = max(need, ceil(busiest(reads + writes) / limits.reads))
        else:
            need = max(need, ceil(busiest(reads) / limits.reads))
        if need > bound:
            bound, who = need, array
    return bound, who


def pipeline(
    tasks: Sequence[Task],
    ports: dict[str, Ports],
    carried: Sequence[Carried],
    budget_ns: float,
    wanted_ii: int,
    max_ii: int = 1 << 20,
    patience: int = PATIENCE,
    most_placements: int = DEFAULT_EFFORT.placements,
) -> tuple[Placement, Carried | None]:
    """Smallest interval not below `wanted_ii` that works, and the dependence that raised it.

    Raises
    ------
    PomError
        POM-Q007 operations were placed `most_placements` times without finding it.
    """
    cycles, _ = earliest(tasks, budget_ns)
    late = latest(tasks, cycles, budget_ns)
    order = priority(late)
    sinks = {c.sink for c in carried}
    first = [late[i] if i in sinks and t.is_late else 0 for i, t in enumerate(tasks)]
    ii = wanted_ii
    reason: Carried | None = None
    chains = _chains(tasks, carried)
    last = _last_sources(carried)
    paths = {sink: _paths(tasks, sink, end, budget_ns) for sink, end in last.items()}
    for edge in carried:
        path = paths[edge.sink].get(edge.source, 0) if edge.source > edge.sink else 0
        need = ceil((path + edge.cycles) / edge.distance)
        if need > ii:
            ii, reason = need, edge
    search = _IntervalSearch(
        tasks, ports, carried, budget_ns, order, first, chains, patience, most_placements
    )
    while ii <= max_ii:
        placement, broken = search.attempt(ii)
        if placement is not None:
            return placement, broken or reason
        ii, reason = ii + 1, broken or reason
    raise PomError("POM-Q005", f"no schedule up to an interval of {max_ii}")


@dataclass(slots=True)
class _IntervalSearch:
    """Tries intervals; `left` is how many more operations may be placed."""

    tasks: Sequence[Task]
    ports: dict[str, Ports]
    carried: Sequence[Carried]
    budget_ns: float
    order: Sequence[int]
    first: Sequence[int]
    chains: frozenset[int]
    patience: int
    left: int
    _columns: _Ints = field(init=False)
    _layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        self._layout = Layout(self.tasks, self.ports)
        many = self.carried if len(self.carried) >= MANY_EDGES else ()
        edges = [(e.source, e.sink, e.cycles, e.distance) for e in many]
        self._columns = np.array(edges, dtype=np.int64).reshape(-1, 4).T

    def attempt(self, ii: int) -> tuple[Placement | None, Carried | None]:
        """Try one interval: with more operators or a later recurrence where that helps."""
        soonest = list(self.first)
        tight: frozenset[int] = frozenset()
        extra: dict[int, int] = {}
        edge: Carried | None = None
        late_tries = 4
        for _ in range(min(2 * ii, RETRIES) + 2):
            found = self._with_operators(ii, soonest, tight, extra)
            if found is None:
                return None, edge
            broken = self._broken(found, ii)
            if not broken:
                return found, edge
            edge, _ = max(broken, key=lambda item: item[1])
            if edge.source == edge.sink:
                return None, edge
            if self.tasks[edge.sink].is_late:
                late_tries -= 1
                if not late_tries:
                    return None, edge
            if not tight:
                tight = self.chains
                continue
            for item, excess in broken:
                later = found.cycles[item.sink] + excess
                soonest[item.sink] = max(soonest[item.sink], later)
        return None, edge

    def _broken(self, found: Placement, ii: int) -> list[tuple[Carried, int]]:
        """Constraints that a placement breaks, with the cycles that are missing."""
        if len(self.carried) < MANY_EDGES:
            excesses = [(edge, _excess(edge, found, ii)) for edge in self.carried]
            return [(edge, excess) for edge, excess in excesses if excess > 0]
        source, sink, gap, distance = self._columns
        start = np.array(found.cycles)
        excess = start[source] + gap - start[sink] - ii * distance
        return [(self.carried[i], int(excess[i])) for i in np.flatnonzero(excess > 0).tolist()]

    def _with_operators(
        self, ii: int, soonest: Sequence[int], tight: frozenset[int], extra: dict[int, int]
    ) -> Placement | None:
        """Place with as many operators more as are asked for on the way.

        One at a time at first. Where many are missing in a wide body the steps double, and the
        last one is halved again until one operator less would not do.
        """
        streak: dict[int, int] = {}
        too_few: dict[int, int] = {}
        while True:
            before = dict(extra)
            found = self._place(ii, soonest, tight, extra)
            if found is not None:
                break
            short = next((u for u, n in extra.items() if n != before.get(u, 0)), None)
            if short is None:
                return None
            streak[short] = streak.get(short, 0) + 1
            if streak[short] > SINGLE_STEPS:
                too_few[short] = before.get(short, 0)
                extra[short] = too_few[short] + (1 << streak[short] - SINGLE_STEPS)
        for unit, low in too_few.items():
            while extra[unit] - low > 1:
                middle = (extra[unit] + low) // 2
                fewer = self._place(ii, soonest, tight, {**extra, unit: middle})
                if fewer is None:
                    low = middle
                else:
                    found, extra[unit] = fewer, middle
        return found

    def _place(
        self, ii: int, soonest: Sequence[int], tight: frozenset[int], extra: dict[int, int]
    ) -> Placement | None:
        self.left -= len(self.tasks)
        if self.left < 0:
            raise PomError(
                "POM-Q007",
                f"no interval was found for a loop body of {len(self.tasks)} operations within "
                "the work that one estimate may take",
                hint="unroll less, or split arrays so that the lanes do not share banks",
            )
        return place(
            self._layout,
            self.ports,
            self.budget_ns,
            ii,
            order=self.order,
            soonest=soonest,
            tight=tight,
            extra=extra,
            patience=self.patience,
        )


def _last_sources(carried: Sequence[Carried]) -> dict[int, int]:
    """For every sink the last source behind it."""
    last: dict[int, int] = {}
    for edge in carried:
        if edge.source > edge.sink:
            last[edge.sink] = max(edge.source, last.get(edge.sink, 0))
    return last


def _paths(tasks: Sequence[Task], sink: int, end: int, budget_ns: float) -> dict[int, int]:
    """Cycles from the start of `sink` to the start of what depends on it, up to task `end`."""
    distance = {sink: 0}
    for index in range(sink + 1, end + 1):
        task = tasks[index]
        best = -1
        for pred in task.preds:
            if pred in distance:
                producer = tasks[pred]
                out = producer.delay_out if producer.latency else producer.delay_in
                gap = producer.latency + (1 if out + task.delay_in > budget_ns else 0)
                best = max(best, distance[pred] + gap)
        for pred, gap in task.after:
            if pred in distance:
                best = max(best, distance[pred] + gap)
        if best >= 0:
            distance[index] = best
    return distance


def _chains(tasks: Sequence[Task], carried: Sequence[Carried]) -> frozenset[int]:
    """Tasks through which the values of recurrences pass, from a sink to a source behind it."""
    sources: dict[int, int] = {}
    for edge in carried:
        if edge.source > edge.sink:
            sources[edge.sink] = sources.get(edge.sink, 0) | 1 << edge.source
    if not sources:
        return frozenset()
    # sets of tasks as bits
    last = max(marks.bit_length() for marks in sources.values())
    needs = [0] * last
    for index in range(min(sources), last):
        found = 1 << index
        for pred in tasks[index].preds:
            found |= needs[pred]
        needs[index] = found
    chains = 0
    for sink, marks in sources.items():
        reached = 0
        while marks:
            source = marks.bit_length() - 1
            marks ^= 1 << source
            if needs[source] >> sink & 1:
                reached |= needs[source]
        chains |= _behind(needs, sink, reached)
    return _members(chains)


def _behind(needs: Sequence[int], sink: int, within: int) -> int:
    """Of the tasks in `within`, those that need the value of `sink`."""
    found = 0
    for index in _members(within >> sink):
        if needs[sink + index] >> sink & 1:
            found |= 1 << sink + index
    return found


def _members(bits: int) -> frozenset[int]:
    return frozenset(i for i, bit in enumerate(reversed(f"{bits:b}")) if bit == "1")


def _excess(edge: Carried, found: Placement, ii: int) -> int:
    span = found.cycles[edge.source] + edge.cycles - found.cycles[edge.sink]
    return span - ii * edge.distance
