"""Lifetimes of the values of a loop body, and the registers that hold them.

A register belongs to the operator or the memory port that the value comes from.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from pom.qor_model.region import Access, OpKind
from pom.qor_model.resources_sharing import FREE_KINDS, operator_keys, sequential_starts
from pom.qor_model.schedule_result import BodySchedule, OperatorKey, ScheduledOp

SHIFT_REGISTER_MIN = 2
"""Copies of a value from which on the tool makes a shift register of the chain."""


def late_starts(body: BodySchedule, ii: int, operators: Mapping[OperatorKey, int]) -> list[int]:
    """Start cycles as the tool moves loads, and what depends on nothing else.

    Without port conflicts (an interval of 1) it keeps an address waiting rather than the data:
    they start as late as their consumers allow. In a longer interval they wait for `operators`.
    """
    ops = body.ops
    starts = [op.start_cycle for op in ops]
    if not body.is_pipelined:
        return sequential_starts(body)
    if ii > 1:
        return starts if body.is_eager else _shared_starts(body, ii, operators)
    movable = [False] * len(ops)
    for index, op in enumerate(ops):
        fed = all(p < index and movable[p] for p in op.operands)
        movable[index] = fed and op.op.kind is not OpKind.STORE
    slack = [10**9] * len(ops)
    for index in range(len(ops) - 1, -1, -1):
        if movable[index] and 0 < slack[index] < 10**9:
            starts[index] += slack[index]
        shift = starts[index] - ops[index].start_cycle
        for producer in ops[index].operands:
            if producer >= index:
                continue
            gap = ops[index].start_cycle - ops[producer].end_cycle
            slack[producer] = min(slack[producer], shift + max(0, gap - 1))
    return starts


def _shared_starts(body: BodySchedule, ii: int, operators: Mapping[OperatorKey, int]) -> list[int]:
    """Start cycles in a pipeline that has no more than `operators`.

    What is fed by nothing but loads waits for a free operator, the most urgent first, so that
    products are not kept longer than they have to be.
    """
    ops = body.ops
    starts = [op.start_cycle for op in ops]
    keys = operator_keys(body)
    movable = _fed_by_loads(ops)
    late = _deadlines(ops, starts, movable)
    used = Counter(
        (key, start % ii) for key, start, m in zip(keys, starts, movable, strict=True) if not m
    )
    waiting = [index for index, is_movable in enumerate(movable) if is_movable]
    for index in sorted(waiting, key=lambda i: (late[i], i)):
        op = ops[index]
        ready = op.start_cycle
        for p in op.operands:
            length = ops[p].end_cycle - ops[p].start_cycle
            ready = max(ready, starts[p] + length + (op.start_cycle != ops[p].end_cycle))
        key = keys[index]
        places = range(ready, min(late[index] + 1, ready + ii))
        starts[index] = next((t for t in places if used[key, t % ii] < operators[key]), ready)
        used[key, starts[index] % ii] += 1
    return starts


def _fed_by_loads(ops: tuple[ScheduledOp, ...]) -> list[bool]:
    """Operations that depend on nothing but loads of the same iteration."""
    found = [False] * len(ops)
    for index, op in enumerate(ops):
        if op.op.is_memory or op.op.kind in FREE_KINDS or not op.operands:
            continue
        found[index] = len(op.operands) == len(op.op.operands) and all(
            p < index and (found[p] or ops[p].op.kind is OpKind.LOAD) for p in op.operands
        )
    return found


def _deadlines(ops: tuple[ScheduledOp, ...], starts: list[int], movable: list[bool]) -> list[int]:
    """Latest starts of what is movable, the rest starting as it does."""
    unknown = 1 << 30
    late = [unknown if is_movable else s for s, is_movable in zip(starts, movable, strict=True)]
    for index in range(len(ops) - 1, -1, -1):
        op = ops[index]
        if late[index] == unknown:
            late[index] = starts[index]
        for p in op.operands:
            if movable[p]:
                gap = op.start_cycle != ops[p].end_cycle
                length = ops[p].end_cycle - ops[p].start_cycle
                late[p] = min(late[p], late[index] - length - gap)
    return late


def bind(ops: tuple[ScheduledOp, ...], starts: list[int], ii: int) -> list[int]:
    """Instance number of every operation within its key: first free in its slot."""
    used: dict[tuple[OperatorKey, int], int] = defaultdict(int)
    bound = []
    for index, op in enumerate(ops):
        slot = (op.key, starts[index] % ii)
        bound.append(used[slot])
        used[slot] += 1
    return bound


def _held_longer(ops: tuple[ScheduledOp, ...]) -> list[int]:
    """States for which a product must stay after the sum that reads it has started.

    The tool keeps both inputs of a floating-point sum until its result exists.
    """
    longer = [0] * len(ops)
    for op in ops:
        if op.op.kind in (OpKind.ADD, OpKind.SUB):
            for producer in op.operands:
                if ops[producer].op.kind is OpKind.MUL:
                    longer[producer] = max(longer[producer], op.end_cycle - op.start_cycle)
    return longer


def last_uses(ops: tuple[ScheduledOp, ...], starts: list[int]) -> list[int]:
    last = [-1] * len(ops)
    for index, op in enumerate(ops):
        for producer in op.operands:
            last[producer] = max(last[producer], starts[index])
    return last


@dataclass(frozen=True, slots=True)
class Values:
    """Registers of values, by what they are for, and which register each value sits in."""

    bits: int
    shared_bits: dict[tuple[object, ...], int]
    shifts: int
    accumulators: int
    accumulator_bits: int
    chained: int
    identity: list[object]


def _banks_reached(body: BodySchedule, candidates: list[int]) -> dict[str, set[int]]:
    """For every array, among how many banks its loads choose."""
    found: dict[str, set[int]] = defaultdict(set)
    for op, number in zip(body.ops, candidates, strict=True):
        if op.op.kind is OpKind.LOAD and op.op.access is not None:
            found[op.op.access.array].add(number)
    return found


def value_registers(
    body: BodySchedule,
    starts: list[int],
    binding: list[int],
    last_use: list[int],
    candidates: list[int],
) -> Values:
    """Bits of value registers, shift registers, and which register each value sits in.

    Values of one operator instance (or memory port) share registers when they are not alive in
    the same slot: first fit, in program order.  Where the accesses of an array reach different
    numbers of banks, the ports of these are free at different times: a value that is selected
    among banks is then kept per bank until it is used.
    """
    ii = max(1, body.ii) if body.is_pipelined else max(1, body.length)
    bits = shifts = accumulators = carried = chained = 0
    identity: list[object] = list(range(len(body.ops)))
    pools: dict[tuple[object, ...], list[set[int]]] = defaultdict(list)
    longer = _held_longer(body.ops)
    firsts: dict[tuple[str, int], Access] = {}
    reached = _banks_reached(body, candidates)
    for index, op in enumerate(body.ops):
        kind, width = op.op.kind, op.op.dtype.width
        if kind in FREE_KINDS or kind is OpKind.STORE:
            continue
        if last_use[index] < 0:
            carried += width
            accumulators += not op.op.is_memory
            chained += any(body.ops[p].key == op.key for p in op.operands)
            continue
        end = starts[index] + op.end_cycle - op.start_cycle
        if last_use[index] <= end:
            continue
        length = last_use[index] - end
        access = op.op.access
        if body.is_pipelined and length > 1 and access and len(reached[access.array]) > 1:
            width *= candidates[index]
        chain = max(0, math.ceil(length / ii) - 1) if body.is_pipelined else 0
        if chain >= SHIFT_REGISTER_MIN:
            shifts += 1
        else:
            bits += chain * width
        if ii == 1:
            bits += width
            continue
        source: tuple[object, ...] = (op.key, binding[index], width)
        if access is not None:
            source = (firsts.setdefault((access.array, op.bank), access), op.bank, width)
        alive = min(length + longer[index], ii)
        slots = {cycle % ii for cycle in range(end + 1, end + 1 + alive)}
        pool = pools[source]
        place = next((n for n, used in enumerate(pool) if not used & slots), len(pool))
        if place == len(pool):
            pool.append(set())
            if body.is_pipelined:
                bits += width
        pool[place] |= slots
        identity[index] = (*source, place)
    shared = {} if body.is_pipelined else {s: int(str(s[-1])) * len(p) for s, p in pools.items()}
    return Values(bits, shared, shifts, accumulators, carried, chained, identity)
