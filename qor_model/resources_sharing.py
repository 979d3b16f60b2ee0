"""How many operators a loop body needs after the tool has shared them between its states."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace

from pom.qor_model.region import OpKind
from pom.qor_model.schedule_result import (
    BodySchedule,
    LimitKind,
    OperatorKey,
    ScheduledOp,
    key_text,
)

FREE_KINDS = frozenset({OpKind.CONST, OpKind.INDEX, OpKind.CALL})

WAITING_CYCLES = 10
"""How long, beyond its own path, a value may wait for a sequential chain (fitted, see Notes)."""

SELECTED_CYCLES = 4
"""How much longer when an operand is selected among memory banks."""

_FULL_INTERVAL = 16
_READ_PORTS = 2


def shared_key(op: ScheduledOp) -> OperatorKey:
    """Return the operator that executes `op`: floating-point sums and differences are one."""
    key = op.key
    if key.kind is OpKind.SUB and key.dtype.is_float:
        return replace(key, kind=OpKind.ADD)
    return key


def is_multiplier(key: OperatorKey) -> bool:
    """Whether this multiplies integers or fixed-point numbers."""
    return key.kind is OpKind.MUL and not key.dtype.is_float


def is_divider(key: OperatorKey) -> bool:
    """Whether this divides integers or fixed-point numbers, with an input in every cycle."""
    return key.kind in (OpKind.DIV, OpKind.REM) and key.impl == "pipelined"


def operator_keys(body: BodySchedule) -> list[OperatorKey]:
    """Return the operator that executes each operation of `body`.

    A fixed-point product is computed to as many bits as the casts behind it keep, also through
    sums.  An integer divider in a pipeline takes an input in every cycle, elsewhere it works bit
    by bit.
    """
    keys = [shared_key(op) for op in body.ops]
    if all(key.dtype.is_float for key in keys):
        return keys
    kept = _kept_integer_bits(body)
    for index, key in enumerate(keys):
        if key.dtype.is_float:
            continue
        if key.kind is OpKind.MUL and key.dtype.is_fixed:
            width = min(key.dtype.width, key.dtype.fraction_bits + kept[index])
            keys[index] = replace(key, dtype=replace(key.dtype, width=width))
        elif body.is_pipelined and key.kind in (OpKind.DIV, OpKind.REM) and not key.impl:
            keys[index] = replace(key, impl="pipelined")
    return keys


def _kept_integer_bits(body: BodySchedule) -> list[int]:
    """Integer bits of every fixed-point value that reach a result."""
    kept = [0] * len(body.ops)
    read = {p for op in body.ops for p in op.operands}
    for index in range(len(body.ops) - 1, -1, -1):
        op = body.ops[index].op
        own = op.dtype.int_bits if op.dtype.is_fixed else op.dtype.width
        if index not in read:
            kept[index] = own
        passed = own
        if op.kind in (OpKind.ADD, OpKind.SUB, OpKind.CAST) and op.dtype.is_fixed:
            passed = min(own, kept[index])
        elif op.kind is not OpKind.STORE:
            passed = 1 << 16
        for p in body.ops[index].operands:
            kept[p] = max(kept[p], passed)
    return kept


def operator_instances(body: BodySchedule) -> tuple[tuple[OperatorKey, int], ...]:
    """Return how many of each operator `body` needs.

    Notes
    -----
    A pipelined body gets ceil(uses / II) of each; operations inside a recurrence have operators
    of their own.  One that would be busy in every slot gets a second: a multiplier of integers
    where memory is updated in place (syr2k and gemm in fixed point, hlsfactory_polybench.csv),
    others in a long interval with a recurrence.  Where a recurrence sets the interval of a body
    with more operations than that, as many are needed as the schedule has in one slot (seidel-2d).

    In a body that is not pipelined all operations of one state need an operator each.  What feeds
    an accumulation starts early only as far as its value need not wait long: a lane starts at
    most `WAITING_CYCLES` + its own path (and `SELECTED_CYCLES` if a bank is selected) before it is
    needed, divided by the number of accumulations that go on at the same time; without an accumulation everything starts as late
    as possible.  Found in hgnn_designs.csv (unrolled reductions of six kernels).
    """
    used = _pipelined(body) if body.is_pipelined else _sequential(body)
    return tuple(sorted(used.items(), key=lambda item: key_text(item[0])))


def _pipelined(body: BodySchedule) -> dict[OperatorKey, int]:
    ii = max(1, body.ii)
    keys = operator_keys(body)
    uses = Counter(
        key
        for op, key in zip(body.ops, keys, strict=True)
        if not op.op.is_memory and op.op.kind not in FREE_KINDS
    )
    if ii == 1:
        return dict(uses)
    circular = _circular(body)
    bursts = _bursts(body, keys)
    updates = _updates_memory(body)
    placed = _placed(body, keys)
    needed: dict[OperatorKey, int] = {}
    for key, count in uses.items():
        inside = circular[key]
        needed[key] = math.ceil(inside / ii) + math.ceil((count - inside) / ii)
        if key.dtype.is_float and not body.is_eager:
            needed[key] = max(needed[key], bursts[key])
        if key.dtype.is_float and count > ii and body.limit.kind is LimitKind.RECURRENCE:
            needed[key] = max(needed[key], placed[key])
        is_full = ii > 1 and count % ii == 0 and not inside
        if is_full and (updates if is_multiplier(key) else circular and ii >= _FULL_INTERVAL):
            needed[key] += 1
    return needed


def _placed(body: BodySchedule, keys: list[OperatorKey]) -> Counter[OperatorKey]:
    """Most operations of one operator that start in the same slot of the interval."""
    slots = Counter(
        (key, op.start_cycle % max(1, body.ii)) for op, key in zip(body.ops, keys, strict=True)
    )
    most: Counter[OperatorKey] = Counter()
    for (key, _), count in slots.items():
        most[key] = max(most[key], count)
    return most


def _updates_memory(body: BodySchedule) -> bool:
    """Whether an array that is read and written sets the interval: a full schedule has no slack."""
    places: dict[OpKind, set[str]] = {OpKind.LOAD: set(), OpKind.STORE: set()}
    for op in body.ops:
        if op.op.is_memory and op.op.access is not None:
            places[op.op.kind].add(op.op.access.array)
    return body.limit.subject in places[OpKind.LOAD] & places[OpKind.STORE]


def _bursts(body: BodySchedule, keys: list[OperatorKey]) -> Counter[OperatorKey]:
    """Most operations of one kind in a slot where some become ready by waiting for one value.

    The other operands of these are there before, loaded as early as the ports allow: delaying
    them would only keep those alive, so that the tool starts all of them at once, beside what
    starts in that slot of the interval anyway.
    """
    ops = body.ops
    readers = Counter(p for op in ops for p in set(op.operands))
    starts = _earliest(body)
    ready: list[bool] = [False] * len(ops)
    slots: Counter[tuple[OperatorKey, int]] = Counter()
    together: Counter[tuple[OperatorKey, int]] = Counter()
    ends = [start + op.end_cycle - op.start_cycle for start, op in zip(starts, ops, strict=True)]
    for index, op in enumerate(ops):
        if op.op.is_memory or op.op.kind in FREE_KINDS or not op.operands:
            continue
        slot = (keys[index], starts[index] % body.ii)
        slots[slot] += 1
        last = max(op.operands, key=lambda p: ends[p])
        is_common = not ops[last].op.is_memory and readers[last] > 1
        if not (is_common or ready[last]):
            continue
        if any(ends[p] > ends[last] and not ready[p] for p in op.operands):
            continue
        ready[index] = True
        together[keys[index], starts[index]] += 1
    most: Counter[OperatorKey] = Counter()
    for (key, start), count in together.items():
        if count > 1:
            most[key] = max(most[key], slots[key, start % body.ii])
    return most


def _earliest(body: BodySchedule) -> list[int]:
    """Earliest start of every operation, where only the ports of memories are scarce.

    Loads of an array whose updates use every port in every cycle of the interval directly precede
    the first store.
    """
    first = _with_ports(body, {})
    if not _updates_memory(body):
        return first
    ops = body.ops
    array = body.limit.subject
    own = [i for i, op in enumerate(ops) if op.op.access and op.op.access.array == array]
    loads = Counter(ops[i].bank for i in own if ops[i].op.kind is OpKind.LOAD)
    stores = Counter(ops[i].bank for i in own if ops[i].op.kind is OpKind.STORE)
    delays: dict[tuple[str, int], int] = {}
    for bank, count in loads.items():
        if stores[bank] and count + stores[bank] >= _READ_PORTS * body.ii:
            earliest = min(
                first[i] for i in own if (ops[i].op.kind, ops[i].bank) == (OpKind.STORE, bank)
            )
            delays[array, bank] = earliest + count // -_READ_PORTS
    return _with_ports(body, delays)


def _with_ports(body: BodySchedule, delays: dict[tuple[str, int], int]) -> list[int]:
    """Earliest starts; loads of a bank begin with its delay."""
    ops = body.ops
    starts: list[int] = []
    loaded: Counter[tuple[str, int]] = Counter()
    for op in ops:
        start = 0
        for p in op.operands:
            gap = 0 if op.start_cycle == ops[p].end_cycle else 1
            start = max(start, starts[p] + ops[p].end_cycle - ops[p].start_cycle + gap)
        if op.op.kind is OpKind.LOAD and op.op.access is not None:
            port = (op.op.access.array, op.bank)
            start = max(start, delays.get(port, 0) + loaded[port] // _READ_PORTS)
            loaded[port] += 1
        starts.append(start)
    return starts


def _circular(body: BodySchedule) -> Counter[OperatorKey]:
    """Operations on a loop-carried chain that is also fed by operations of the same kind."""
    numbers: dict[OperatorKey, int] = {}
    kinds = [numbers.setdefault(shared_key(op), len(numbers)) for op in body.ops]
    mixed: set[int] = set()
    chain = [False] * len(body.ops)
    for index, op in enumerate(body.ops):
        kind = kinds[index]
        same = {chain[p] for p in op.operands if kinds[p] == kind}
        chain[index] = len(op.operands) < len(op.op.operands) or True in same
        if len(same) == 2:
            mixed.add(kind)
    on_chain = Counter(kind for kind, on in zip(kinds, chain, strict=True) if on and kind in mixed)
    keys = list(numbers)
    return Counter({keys[kind]: count for kind, count in on_chain.items()})


def _sequential(body: BodySchedule) -> dict[OperatorKey, int]:
    starts = sequential_starts(body)
    busy = Counter(
        (key, start)
        for op, key, start in zip(body.ops, operator_keys(body), starts, strict=True)
        if not op.op.is_memory and op.op.kind not in FREE_KINDS
    )
    needed: dict[OperatorKey, int] = defaultdict(int)
    for (key, _), count in busy.items():
        needed[key] = max(needed[key], count)
    return dict(needed)


def sequential_starts(body: BodySchedule) -> list[int]:
    """Start states in a body that is not pipelined, with early operations held back."""
    ops = body.ops
    if body.is_eager:
        return [op.start_cycle for op in ops]
    late, users = _latest(ops)
    finals = [
        shared_key(op)
        for op, mine in zip(ops, users, strict=True)
        if not op.op.is_memory
        and op.op.kind not in FREE_KINDS
        and (not mine or _ends_sum(op, mine, ops))
    ]
    starts = [op.start_cycle for op in ops]
    for index, op in enumerate(ops):
        start, is_first = op.start_cycle, not op.op.is_memory
        for p in op.operands:
            if p < index:
                length = ops[p].end_cycle - ops[p].start_cycle
                start = max(start, starts[p] + length + min(1, op.start_cycle - ops[p].end_cycle))
                is_first = is_first and ops[p].op.is_memory
        if is_first and late[index] > start:
            window = 0.0
            if finals:
                path = _path(index, ops, users, late, frozenset(finals))
                selected = sum(ops[p].op.is_memory and ops[p].bank < 0 for p in op.operands)
                waiting = WAITING_CYCLES + SELECTED_CYCLES * selected
                window = (waiting + path) / len(finals)
            start = max(start, math.ceil(late[index] - window))
        starts[index] = start
    return starts


def _ends_sum(op: ScheduledOp, users: list[int], ops: tuple[ScheduledOp, ...]) -> bool:
    """Whether an operation is the last of a chain of sums that is only stored."""
    if any(ops[u].op.kind is not OpKind.STORE for u in users):
        return False
    return any(shared_key(ops[p]) == shared_key(op) for p in op.operands)


def _latest(ops: tuple[ScheduledOp, ...]) -> tuple[list[int], list[list[int]]]:
    """Latest start of every operation, and who reads its result."""
    unknown = 1 << 30
    late = [unknown] * len(ops)
    users: list[list[int]] = [[] for _ in ops]
    for index in range(len(ops) - 1, -1, -1):
        op = ops[index]
        if op.op.kind is OpKind.STORE or late[index] == unknown:
            late[index] = op.start_cycle
        for p in op.operands:
            users[p].append(index)
            gap = 0 if op.start_cycle == ops[p].end_cycle else 1
            length = ops[p].end_cycle - ops[p].start_cycle
            late[p] = min(late[p], late[index] - length - gap)
    return late, users


def _path(
    first: int,
    ops: tuple[ScheduledOp, ...],
    users: list[list[int]],
    late: list[int],
    finals: frozenset[OperatorKey],
) -> int:
    """States from an operation to the end of what follows without waiting, sums left out."""
    index = first
    while users[index]:
        follower = min(users[index], key=lambda u: ops[u].start_cycle)
        waits = ops[follower].start_cycle - ops[index].end_cycle > 1
        is_sum = shared_key(ops[follower]) in finals
        if waits or is_sum or late[follower] <= ops[follower].start_cycle:
            break
        index = follower
    return ops[index].end_cycle - ops[first].start_cycle + 1
