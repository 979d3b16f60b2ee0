"""Sequential execution: which state of a body's state machine each stretch of code occupies.

A body runs through states.  Straight-line code is placed as early as its operands allow.  A
loop that is not pipelined starts in the state after everything before it, and leaves through one
state in which the code behind it begins.  A pipelined loop is a function of its own: it is
called in the state in which its inputs exist, and code that does not need its result may begin
in the last state of the call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from pom.qor_model.banks import Ports, PortTable
from pom.qor_model.expand import Element, Env, Expander, Node, shifted
from pom.qor_model.modulo import Task
from pom.qor_model.region import OpKind, ScalarType
from pom.qor_model.schedule_result import (
    BodySchedule,
    Limit,
    LimitKind,
    OperatorKey,
    ScheduledOp,
)

TaskMaker = Callable[[Node], Task]


@dataclass(slots=True)
class Sequencer:
    """Places the code of one body copy after copy; `states` is its length at the end.

    `state` is where the current basic block begins: code may move up to it, past calls that it
    does not depend on.  Loops and stores that choose a bank by control flow end a block.
    """

    make_task: TaskMaker
    ports: dict[str, Ports]
    budget_ns: float
    call_input_ns: float = 1.0
    operator_limit: int = 0
    state: int = 0
    last: int = 0
    expander: Expander = field(default_factory=Expander)
    placed: list[tuple[Task, int, float]] = field(default_factory=list)
    _own: list[int] = field(default_factory=list)
    _elsewhere: int = 0
    _done: int = 0
    _call_end: int = -1
    _after_loop: int = -1
    _switch_end: int = -1
    _table: PortTable = field(default_factory=lambda: PortTable(0))
    _access_end: dict[str, int] = field(default_factory=dict)
    _busy_until: dict[str, int] = field(default_factory=dict)
    _started: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def states(self) -> int:
        """Number of states so far."""
        return self.last + 1

    def flush(self, *, after_call: bool = False) -> None:
        """Place what the expander has collected since the last time."""
        nodes = self.expander.nodes
        for index in range(self._done, len(nodes)):
            node = nodes[index]
            if node is None:
                self.placed.append((Task([], [], 0, 0.0, 0.0), self.state, 0.0))
                self._own.append(0)
                continue
            task = self.make_task(node)
            floor = self._call_end + 1 if after_call else self.state
            cycle, time = self._ready(task, max(floor, self.state))
            if task.is_write and cycle < self._switch_end:
                cycle, time = self._switch_end, 0.0
            if task.mask:
                cycle, time = self._claim(task, cycle, time)
            cycle, time = self._operator(task, cycle, time)
            self.placed.append((task, cycle, time))
            self._own.append(cycle - self._elsewhere)
            self.last = max(self.last, cycle + task.latency)
            if task.is_write and task.candidates > 1:
                self._branch(task, cycle)
        self._done = len(nodes)

    def _ready(self, task: Task, cycle: int) -> tuple[int, float]:
        time = 0.0
        for pred in task.preds:
            producer, start, begin = self.placed[pred]
            end = start + producer.latency
            out = producer.delay_out if producer.latency else begin + producer.delay_in
            if end > cycle:
                cycle, time = end, out
            elif end == cycle:
                time = max(time, out)
        for pred, gap in task.after:
            if self.placed[pred][1] + gap > cycle:
                cycle, time = self.placed[pred][1] + gap, 0.0
        if time > 0.0 and time + task.delay_in > self.budget_ns:
            return cycle + 1, 0.0
        return cycle, time

    def _operator(self, task: Task, cycle: int, time: float) -> tuple[int, float]:
        """Wait while `operator_limit` operations of the kind begin in the cycle (0: never)."""
        if task.unit < 0 or not self.operator_limit:
            return cycle, time
        while self._started[task.unit, cycle] >= self.operator_limit:
            cycle, time = cycle + 1, 0.0
        self._started[task.unit, cycle] += 1
        return cycle, time

    def _claim(self, task: Task, cycle: int, time: float) -> tuple[int, float]:
        busy = self._busy_until.get(task.array, -1)
        if busy >= cycle:
            cycle, time = busy + 1, 0.0
        limits = self.ports[task.array]
        first = self._table.take_first(task.array, limits, task.mask, task.is_write, cycle)
        if first > cycle:
            cycle, time = first, 0.0
        end = cycle + task.latency
        self._access_end[task.array] = max(end, self._access_end.get(task.array, -1))
        return cycle, time

    def _branch(self, task: Task, cycle: int) -> None:
        """A store that selects its bank ends the basic block.

        With many banks the choice takes a state of its own behind a loop, during which code of
        the next block may already run.
        """
        self.state = max(self.state, cycle)
        if task.is_switch and self._after_loop == cycle:
            self.last = max(self.last, cycle + 1)
            if task.rank > 1:
                self._switch_end = self._after_loop = cycle + 1

    def schedules(self) -> tuple[BodySchedule, ...]:
        """The straight-line code of the body, as one schedule.

        Its cycles are states of the body's own controller: those spent inside loops that are
        not pipelined do not count, a call of a pipelined loop is two states.

        With an `operator_limit` (Vivado HLS 2018), what is computed in front of a pipeline is
        loaded as early as ports allow, although few operators take it (ml4accel_postroute.csv:
        both ports of the banks of A are used where gemm scales its rows for a pipeline).
        """
        ops: list[ScheduledOp] = []
        place: dict[int, int] = {}
        counts: dict[OperatorKey, dict[int, int]] = {}
        for index, (node, placed) in enumerate(zip(self.expander.nodes, self.placed, strict=True)):
            if node is None:
                continue
            task, _, time = placed
            cycle = self._own[index]
            op = node.op
            if node.element is not None or op.kind is OpKind.CALL:
                key = _operator(op.kind, op.dtype, (), 0, "")
            else:
                types, constants = op.operand_types, op.constant_operands
                key = _operator(op.kind, op.dtype, types, constants, op.impl)
                slots = counts.setdefault(key, {})
                slots[cycle] = slots.get(cycle, 0) + 1
            place[index] = len(ops)
            operands = tuple(place[p] for p in node.operands if p in place)
            end = cycle + task.latency
            ops.append(ScheduledOp(op, node.copy, cycle, end, time, key, task.bank, operands))
        limit = Limit(LimitKind.NOT_PIPELINED)
        instances = tuple((k, max(v.values())) for k, v in counts.items())
        states = max(1, self.states - self._elsewhere)
        is_eager = self.operator_limit > 0 and self._call_end >= 0
        return (BodySchedule(tuple(ops), states, states, limit, instances, is_eager=is_eager),)

    def run_loop(self, cycles: float) -> None:
        """A loop that is not pipelined (or one that is part of this state machine)."""
        self.flush()
        self.state = self.last + 1 + round(cycles)
        self._elsewhere += round(cycles)
        self.last = self.state
        self._after_loop = self.state

    def call(self, states: float, inputs: list[int], arrays: frozenset[str]) -> None:
        """A function of `states` states, or a pipelined loop that became one.

        It starts when the nodes `inputs` are there, not while one of its `arrays` is accessed,
        and not before the call before it has ended.
        """
        self.flush()
        start = max(self.state, self._call_end + 1)
        for array in arrays:
            start = max(start, self._access_end.get(array, -1) + 1)
        for index in inputs:
            task, begin, time = self.placed[index]
            end = begin + task.latency
            out = task.delay_out if task.latency else time + task.delay_in
            if task.is_write:
                start = max(start, begin)
            elif end >= start:
                start = end + (1 if out + self.call_input_ns > self.budget_ns else 0)
        self._call_end = start + round(states)
        self._elsewhere += round(states) - 2
        self.last = max(self.last, self._call_end)
        for array in arrays:
            self._busy_until[array] = self._call_end


@lru_cache(maxsize=4096)
def _operator(
    kind: OpKind, dtype: ScalarType, types: tuple[ScalarType, ...], constants: int, impl: str
) -> OperatorKey:
    return OperatorKey(kind, dtype, types, constants, impl)


def shift_element(element: Element, env: Env) -> Element:
    """The element with induction variables shifted by the constants in `env`."""
    if element.linear is None:
        return element
    const = list(element.const)
    for dim, part in enumerate(element.linear):
        for iv, coef in part:
            shift = env.get(iv)
            if shift is not None:
                const[dim] += coef * shift.const
    return Element(element.array, element.linear, tuple(const))


def copy_env(env: Env, iv: str, offset: int) -> Env:
    """`env` with one induction variable shifted."""
    result = dict(env)
    result[iv] = shifted(iv, offset)
    return result


__all__ = ["Sequencer", "copy_env", "shift_element"]
