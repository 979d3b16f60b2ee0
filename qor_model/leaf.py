"""Schedules one loop body: a pipelined loop (with what is flattened into it) or an innermost one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from pom.errors import PomError
from pom.qor_model.banks import stride_of_copies
from pom.qor_model.carried import Level, carried_constraints, is_kept_in_register
from pom.qor_model.expand import Body, Env, Expander, Node, shifted
from pom.qor_model.invariants import split_invariants
from pom.qor_model.memory_order import drop_implied
from pom.qor_model.modulo import (
    Carried,
    Placement,
    Task,
    earliest,
    latest,
    pipeline,
    place,
    port_bound,
    priority,
)
from pom.qor_model.region import If, Loop, LoopDirectives, Op, OpKind, Region
from pom.qor_model.schedule_result import (
    BodySchedule,
    Limit,
    LimitKind,
    LoopResult,
    OperatorKey,
    ScheduledOp,
)
from pom.qor_model.tasks import LaidOut, SwitchedSums, TaskMaker, one_key

SELECT_ID = -1
_WIDE_CHOICE = 4
_SWITCH_CYCLES = 4


@dataclass(slots=True)
class Timed:
    """A loop's timing, with what it moves in front of and behind itself.

    Parameters
    ----------
    result : LoopResult
    cycles : float
        One execution of the loop.
    is_call : bool
        Whether it becomes a function of its own.
    before, loads, stores : list of Node
        Invariant operations, first loads and last stores of accumulated elements.
    arrays : frozenset of str
        Memories that it accesses.
    emitted : int
        Operations that were laid out for its body.
    is_switched : bool
        Whether it accumulates in banks that are chosen at run time, where the tool minds.
    """

    result: LoopResult
    cycles: float
    is_call: bool
    before: list[Node]
    loads: list[Node]
    stores: list[Node]
    arrays: frozenset[str]
    emitted: int = 0
    is_switched: bool = False


@dataclass(frozen=True, slots=True)
class Nest:
    """Loops that execute as one, outermost first, with their trip counts (mean, min, max).

    `fewer` copies of the innermost loop's body are laid out, as they are among `unroll` (0: all).
    """

    loops: tuple[Loop, ...]
    trips: tuple[float, ...]
    fewest: int
    most: int
    unroll: int
    innermost_trip: float
    fewer: int = 0

    @property
    def copies(self) -> int:
        """Copies of the innermost loop's body that are laid out."""
        return self.fewer or self.unroll

    @property
    def total(self) -> float:
        """Iterations of the flattened loop after unrolling the innermost."""
        count = 1.0
        for trip in self.trips[:-1]:
            count *= trip
        if self.unroll == 1:
            return count * self.innermost_trip
        return count * ceil(self.innermost_trip / self.unroll)


def schedule_leaf(
    nest: Nest,
    maker: TaskMaker,
    outer: Mapping[str, int],
    directives: Mapping[str, LoopDirectives],
    *,
    is_pipelined: bool,
    is_kept: bool = False,
) -> Timed | None:
    """Schedule the body of `nest`; None when a loop inside cannot be unrolled.

    With `is_kept`, the copies that were laid out are kept for other banks and directives.
    """
    loop = nest.loops[-1]
    strides = dict(outer)
    strides.update({item.name: item.step for item in nest.loops})
    strides[loop.name] = stride_of_copies(loop, nest.unroll, maker.arrays())
    ivs = [item.name for item in nest.loops]
    inner = frozenset(item.name for item in all_loops(loop.body))
    laid_out = _laid_out(nest, maker, ivs, inner, is_kept=is_kept)
    if laid_out is None:
        return None
    body, emitted = laid_out
    is_eager = is_pipelined and not maker.machine.settings.pipelines_switched_sums
    switched = SwitchedSums()
    if is_eager:
        around = (*(n for n in outer if n not in ivs), *ivs, *sorted(inner))
        switched = maker.switched_sums(body, loop.name, around, strides)
        is_pipelined = not switched.by_inner
        is_eager = is_pipelined or switched.widest < _WIDE_CHOICE
    muxes = maker.select_banks(body, set(ivs), strides)
    maker.order_banks(body, strides)
    if not is_pipelined and not muxes:
        maker.order_branches(body, strides, loop.name)
    drop_implied(body.nodes)
    mux_ns = maker.machine.settings.bank_mux_ns
    tasks = [
        Task(n.operands, n.after, 0, mux_ns, mux_ns) if i in muxes else maker.task(n, strides)
        for i, n in enumerate(body.nodes)
    ]
    if len(nest.loops) > 1:
        for node, task in zip(body.nodes, tasks, strict=True):
            if node.element is None or not task.mask:
                continue
            if is_kept_in_register(node.element, body.nodes, nest.loops):
                task.mask, task.array = _kept(node, body, task)
        maker.late_select(body, tasks, loop.name, strides)
    arrays = frozenset(t.array for t in tasks if t.mask)
    if is_pipelined:
        for task in tasks if is_eager else ():
            if task.is_write and task.candidates > 1:
                task.array = ""
        least = _SWITCH_CYCLES * nest.unroll if switched.by_others else 1
        placement, limit = _pipelined(nest, body, tasks, maker, strides, directives, least)
        states = max(1, placement.length)
        cycles = max(0.0, (nest.total - 1) * placement.ii + states)
        ii, iteration = placement.ii, states - 1
    else:
        placement = _sequential(tasks, maker)
        limit = Limit(LimitKind.NOT_PIPELINED)
        states = max(1, placement.length)
        cycles, ii, iteration = nest.total * states, None, states
    result = LoopResult(
        tuple(ivs), nest.total, ii, iteration, cycles, limit,
        ceil(nest.fewest / nest.unroll), ceil(nest.most / nest.unroll), nest.unroll,
        schedules=(_record(body, tasks, placement, maker, ii, limit, is_eager),), loc=loop.loc,
    )  # fmt: skip
    return Timed(
        result, cycles, is_pipelined, body.hoisted,
        [a.load for a in body.accumulators if a.load is not None],
        [a.store for a in body.accumulators],
        arrays, emitted, bool(switched),
    )  # fmt: skip


def _laid_out(
    nest: Nest, maker: TaskMaker, ivs: list[str], inner: frozenset[str], *, is_kept: bool
) -> tuple[Body, int] | None:
    """The copies of the body without what does not change, and how many operations there were."""
    key = (nest.copies, *map(id, nest.loops))
    known = maker.bodies.get(key) if is_kept else None
    if known is not None:
        return known.body.copied(), known.emitted
    expander = _expand(nest, maker.machine.effort.operations)
    if expander is None:
        return None
    emitted = len(expander.nodes)
    body = split_invariants(expander.finish(), ivs, promote=True, inner=inner)
    if is_kept:
        maker.bodies[key] = LaidOut(nest.loops, body.copied(), emitted)
    return body, emitted


def _expand(nest: Nest, most_operations: int) -> Expander | None:
    """All copies of the body; code around the inner loops of the nest comes before and behind."""
    expander = Expander(most_operations)
    for depth, loop in enumerate(nest.loops[:-1]):
        position = _inner_position(loop, nest.loops[depth + 1])
        expander.walk(loop.body[:position], {}, 0)
    if any(n is not None for n in expander.nodes):
        expander.restart_values(_select)
    innermost = nest.loops[-1]
    for copy in range(nest.copies):
        env: Env = {innermost.name: shifted(innermost.name, copy * innermost.step)}
        if not expander.walk(innermost.body, env, copy):
            return None
    expander.close_values()
    for depth in range(len(nest.loops) - 2, -1, -1):
        loop = nest.loops[depth]
        position = _inner_position(loop, nest.loops[depth + 1])
        expander.walk(loop.body[position + 1 :], {}, 0)
    return expander


def _kept(node: Node, body: Body, task: Task) -> tuple[int, str]:
    """An element that the nest loads and stores again stays in a register: no port is used."""
    kinds = {n.op.kind for n in body.nodes if n.element == node.element}
    if OpKind.STORE in kinds and OpKind.LOAD in kinds:
        return 0, ""
    return task.mask, task.array


def _inner_position(loop: Loop, inner: Loop) -> int:
    return next(n for n, region in enumerate(loop.body) if region is inner)


def _select(template: Op) -> Op:
    """The choice between an initial value and the value of the iteration before."""
    return Op(SELECT_ID - template.id, OpKind.SELECT, template.dtype, loc=template.loc)


def _pipelined(
    nest: Nest,
    body: Body,
    tasks: list[Task],
    maker: TaskMaker,
    strides: Mapping[str, int],
    directives: Mapping[str, LoopDirectives],
    least: int,
) -> tuple[Placement, Limit]:
    machine = maker.machine
    levels = []
    for loop in nest.loops:
        unroll = nest.unroll if loop is nest.loops[-1] else 1
        count = loop.constant_trip_count
        trips, most = (count, count) if count is not None else (1, 1 << 30)
        levels.append(
            Level(loop.name, strides[loop.name], ceil(trips / unroll), ceil(most / unroll))
        )
    carried = carried_constraints(
        body, tasks, levels, nest.loops, maker.banks, machine.budget_ns, machine.settings
    )  # fmt: skip
    carried += restart_constraints(body, tasks, machine.budget_ns)
    bound, who = port_bound(tasks, maker.ports)
    requested = directives.get(nest.loops[-1].name, nest.loops[-1].directives).ii or 1
    calls = [maker.call_states.get(n.op.callee, 1.0) for n in body.nodes if n.op.callee]
    wanted = max(bound, requested, round(sum(calls)), least)
    placement, edge = pipeline(
        tasks, maker.ports, carried, machine.budget_ns, wanted,
        patience=machine.settings.operator_patience,
        most_placements=machine.effort.placements,
    )  # fmt: skip
    if edge is not None and placement.ii > wanted:
        return placement, Limit(LimitKind.RECURRENCE, edge.array)
    if placement.ii == bound and bound > 1:
        return placement, Limit(LimitKind.PORTS, who)
    if placement.ii == requested and requested > 1:
        return placement, Limit(LimitKind.REQUESTED)
    return placement, Limit(LimitKind.NONE)


def restart_constraints(body: Body, tasks: list[Task], budget_ns: float) -> list[Carried]:
    """Accumulators of a flattened nest: the last value feeds the choice of the next iteration."""
    edges: list[Carried] = []
    for index, node in enumerate(body.nodes):
        if node.final is None or node.final < 0:
            continue
        producer, consumer = tasks[node.final], tasks[index]
        out = producer.delay_out if producer.latency else producer.delay_in
        gap = producer.latency + (1 if out + consumer.delay_in > budget_ns else 0)
        edges.append(Carried(node.final, index, max(gap, 1), 1, node.register))
    return edges


def _sequential(tasks: list[Task], maker: TaskMaker) -> Placement:
    budget = maker.machine.budget_ns
    cycles, _ = earliest(tasks, budget)
    order = priority(latest(tasks, cycles, budget))
    found = place(tasks, maker.ports, budget, 0, order=order)
    if found is None:
        raise PomError("POM-Q005", "a straight-line body has no schedule")
    return found


def _record(
    body: Body,
    tasks: list[Task],
    placement: Placement,
    maker: TaskMaker,
    ii: int | None,
    limit: Limit,
    is_eager: bool,
) -> BodySchedule:
    ops: list[ScheduledOp] = []
    counts: dict[OperatorKey, dict[int, int]] = {}
    accesses: dict[int, OperatorKey] = {}
    placed = zip(body.nodes, tasks, placement.cycles, placement.times, strict=True)
    for node, task, cycle, time in placed:
        if node.element is None and node.op.kind is not OpKind.CALL:
            key, timing = maker.operator(node)
            latency = timing.latency_cycles
            slots = counts.setdefault(key, {})
            slot = cycle % ii if ii else cycle
            slots[slot] = slots.get(slot, 0) + 1
        else:
            key = accesses.get(node.op.id) or one_key(OperatorKey(node.op.kind, node.op.dtype))
            accesses[node.op.id] = key
            latency = maker.machine.load_stages - 1 if node.op.kind is OpKind.LOAD else 0
        bank = task.bank if task.mask else -1
        operands = tuple(node.operands)
        ops.append(
            ScheduledOp(node.op, node.copy, cycle, cycle + latency, time, key, bank, operands)
        )
    instances = tuple((k, max(v.values())) for k, v in counts.items())
    length = placement.length
    return BodySchedule(
        tuple(ops), length, ii or length, limit, instances, ii is not None, is_eager=is_eager
    )


def has_loops(regions: tuple[Region, ...]) -> bool:
    """Whether a loop is somewhere inside."""
    for region in regions:
        if isinstance(region, Loop):
            return True
        if isinstance(region, If) and (has_loops(region.then_body) or has_loops(region.else_body)):
            return True
    return False


def all_loops(regions: tuple[Region, ...]) -> list[Loop]:
    """Every loop inside, outermost first."""
    result: list[Loop] = []
    for region in regions:
        match region:
            case Loop():
                result += [region, *all_loops(region.body)]
            case If():
                result += all_loops(region.then_body) + all_loops(region.else_body)
    return result
