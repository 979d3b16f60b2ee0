"""Latency of a design: every loop scheduled, then put together as the tool's state machines do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, gcd

from pom.qor_model.banks import ArrayBanks, PortTable, Ports, array_banks, is_distinct_by_compiler, reach
from pom.qor_model.expand import Body, Element, Env, Expander, Node, split_invariants
from pom.qor_model.modulo import (
    Carried,
    Task,
    earliest,
    latest,
    pipeline,
    place,
    port_bound,
    priority,
)
from pom.qor_model.region import (
    Array,
    Block,
    Design,
    Function,
    If,
    Loop,
    LoopDirectives,
    OpKind,
    Region,
)
from pom.qor_model.schedule_result import (
    BodySchedule,
    DesignResult,
    FunctionResult,
    Limit,
    LimitKind,
    LoopResult,
    OperatorKey,
    OperatorTimes,
    ScheduledOp,
)
from pom.qor_model.sequence import Sequencer, copy_env, shift_element
from pom.qor_model.settings import ToolSettings


MUX_NS = 2.0
SWITCH_BANKS = 8


@dataclass(slots=True)
class Timed:
    """A loop's timing with what it moved in front of and behind itself."""

    result: LoopResult
    cycles: int
    is_call: bool
    before: list[Node]
    loads: list[Node]
    stores: list[Node]
    arrays: frozenset[str]


@dataclass
class Estimator:
    """Schedules the loops of one function."""

    function: Function
    times: OperatorTimes
    budget_ns: float
    load_out_ns: float
    settings: ToolSettings
    banks: dict[str, ArrayBanks] = field(default_factory=dict)
    ports: dict[str, Ports] = field(default_factory=dict)
    _units: dict[OperatorKey, int] = field(default_factory=dict)
    _keys: dict[int, OperatorKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in self.function.arrays:
            prepared = array_banks(array, self.settings.default_ram)
            self.banks[array.name] = prepared
            if not prepared.is_register:
                self.ports[array.name] = prepared.ports

    # ---- tasks -------------------------------------------------------------------------

    def key(self, node: Node) -> OperatorKey:
        op = node.op
        found = self._keys.get(op.id)
        if found is None:
            found = OperatorKey(op.kind, op.dtype, op.operand_types, op.constant_operands, op.impl)
            self._keys[op.id] = found
        return found

    def task(self, node: Node, strides: dict[str, int]) -> Task:
        op = node.op
        if node.element is not None:
            banks = self.banks[node.element.array]
            if banks.is_register:
                return Task(node.operands, node.after, 0, 0.0, 0.0)
            where = reach(banks, node.element, strides)
            name = node.element.array
            if op.kind is OpKind.STORE:
                return Task(
                    node.operands, node.after, 0, 1.2, 1.2, -1, name, where.mask, is_write=True,
                    candidates=where.candidates, is_switch=is_switch(banks, node.element, strides),
                    rank=len(banks.splits),
                )  # fmt: skip
            return Task(
                node.operands, node.after, 1, 1.2, self.load_out_ns, -1, name, where.mask
            )
        key = self.key(node)
        timing = self.times.timing(key)
        unit = -1
        if timing.is_shared and timing.latency_cycles:
            unit = self._units.setdefault(key, len(self._units))
        return Task(
            node.operands,
            node.after,
            timing.latency_cycles,
            timing.delay_in_ns,
            timing.delay_out_ns,
            unit,
        )

    # ---- leaves ------------------------------------------------------------------------

    def leaf(
        self, chain: list[Loop], is_pipelined: bool, outer: dict[str, int]
    ) -> Timed | None:
        """Schedule a loop without inner loops left (or a chain of loops flattened into one)."""
        loop = chain[-1]
        count = loop.constant_trip_count
        unroll = loop.directives.unroll or (count or 1)
        if count is not None:
            unroll = min(unroll, count)
        expander = Expander()
        for copy in range(unroll):
            env = copy_env({}, loop.name, copy * loop.step)
            if not expander.walk(loop.body, env, copy):
                return None
        nodes = expander.finish()
        ivs = [l.name for l in chain]
        strides = dict(outer)
        strides.update({l.name: l.step for l in chain})
        strides[loop.name] = loop.step * unroll
        body = split_invariants(nodes, ivs, promote=True)
        muxes = self._select_banks(body, ivs, strides)
        self._order_banks(body, strides)
        if not is_pipelined and not muxes:
            self._branches(body, strides)
        tasks = [
            Task(n.operands, n.after, 0, MUX_NS, MUX_NS) if i in muxes else self.task(n, strides)
            for i, n in enumerate(body.nodes)
        ]
        if len(chain) > 1:
            self._late_select(body, tasks, chain, strides)
        trip = ceil((count or 0) / unroll)
        for outer in chain[:-1]:
            trip *= outer.constant_trip_count or 0
        if is_pipelined:
            placement, ii, limit = self._pipelined(chain, body, tasks, strides)
            states = max(1, placement.length)
            cycles = (trip - 1) * ii + states if trip else 0
            iteration = states - 1
        else:
            cyc, _ = earliest(tasks, self.budget_ns)
            order = priority(latest(tasks, cyc, self.budget_ns))
            found = place(tasks, self.ports, self.budget_ns, 0, order=order)
            if found is None:
                return None
            placement, ii, limit = found, None, Limit(LimitKind.NOT_PIPELINED)
            states = max(1, placement.length)
            cycles = trip * states
            iteration = states
        schedule = self._schedule(body, placement, ii)
        result = LoopResult(
            tuple(ivs), trip, ii, iteration, cycles, limit, trip, trip, unroll,
            schedules=(schedule,), loc=loop.loc,
        )  # fmt: skip
        arrays = frozenset(t.array for t in tasks if t.mask)
        loads = [a.load for a in body.accumulators if a.load is not None]
        stores = [a.store for a in body.accumulators]
        return Timed(result, cycles, is_pipelined, body.hoisted, loads, stores, arrays)

    def _select_banks(self, body: Body, ivs, strides) -> set[int]:
        """Loads of fully split dimensions: all banks are read before the loop, one is selected."""
        muxes = set()
        stored = {n.element.array for n in body.nodes if n.element and n.op.kind is OpKind.STORE}
        for index, node in enumerate(body.nodes):
            element = node.element
            if element is None or node.op.kind is not OpKind.LOAD or element.linear is None:
                continue
            banks = self.banks[element.array]
            if banks.is_register or element.array in stored:
                continue
            where = reach(banks, element, strides)
            moving = [
                d for d, p in enumerate(element.linear) if any(iv in ivs for iv, _ in p)
            ]
            if not moving or not all(
                banks.splits[d].is_complete and d in where.dynamic_dims for d in moving
            ):
                continue
            muxes.add(index)
            fixed = tuple(() if d in moving else p for d, p in enumerate(element.linear))
            const = tuple(0 if d in moving else c for d, c in enumerate(element.const))
            body.hoisted.append(Node(node.op, node.copy, [], Element(element.array, fixed, const)))
        return muxes

    def _order_banks(self, body: Body, strides) -> None:
        stores: list[tuple[int, Element]] = []
        for index, node in enumerate(body.nodes):
            if node.element is None:
                continue
            if node.op.kind is OpKind.STORE:
                stores.append((index, node.element))
                continue
            banks = self.banks[node.element.array]
            if banks.banks == 1 or banks.is_register:
                continue
            for position, element in stores:
                if element.array == node.element.array and not is_distinct_by_compiler(
                    banks, element, node.element, strides
                ):
                    node.after.append((position, 1))

    def _late_select(self, body: Body, tasks, chain, strides) -> None:
        inner = chain[-1].name
        for node, task in zip(body.nodes, tasks, strict=True):
            if node.op.kind is OpKind.LOAD and node.element is not None and task.mask:
                if node.element.depends_on((inner,)):
                    continue
                where = reach(self.banks[node.element.array], node.element, strides)
                if where.candidates > 1:
                    task.latency += 1

    def _branches(self, body: Body, strides) -> None:
        """Without a pipeline, a store to a bank selected at run time is a branch.

        What follows it in the program stays behind it, except loads of arrays that are split in
        no other dimension, which the compiler moves in front of the first branch.
        """
        branches = []
        early: list[int] = []
        for index, node in enumerate(body.nodes):
            if node.element is None or self.banks[node.element.array].is_register:
                continue
            banks = self.banks[node.element.array]
            where = reach(banks, node.element, strides)
            if node.op.kind is OpKind.STORE:
                if where.candidates > 1:
                    branches.append(index)
            elif not node.operands and not node.after:
                if where.dynamic_dims == tuple(
                    d for d, s in enumerate(banks.splits) if s.factor > 1
                ):
                    early.append(index)
        if not branches:
            return
        first = branches[0]
        moved = [i for i in early if i > first]
        order = [*range(first), *moved]
        taken = set(order)
        order += [i for i in range(first, len(body.nodes)) if i not in taken]
        place = {old: new for new, old in enumerate(order)}
        nodes = [body.nodes[i] for i in order]
        for node in nodes:
            node.operands = [place[o] for o in node.operands]
            node.after = [(place[i], g) for i, g in node.after]
        barrier = -1
        marks = {place[i] for i in branches}
        for index, node in enumerate(nodes):
            if barrier >= 0 and (index in marks or not moved):
                node.after.append((barrier, 0))
            elif barrier >= 0:
                node.after += [(place[i], 2) for i in moved]
            if index in marks:
                barrier = index
        for acc in body.accumulators:
            acc.users = [place[u] for u in acc.users]
            acc.final = place[acc.final] if acc.final >= 0 else -1
        body.nodes = nodes

    def _pipelined(self, chain, body, tasks, strides):
        loop = chain[-1]
        carried = self._carried(chain, body, tasks, strides)
        bound, who = port_bound(tasks, self.ports)
        wanted = max(bound, loop.directives.ii or 1)
        for edge in carried:
            if edge.sink == edge.source:
                wanted = max(wanted, ceil(edge.cycles / edge.distance))
        placement, edge = pipeline(tasks, self.ports, carried, self.budget_ns, wanted)
        ii = placement.ii
        if edge is not None and ii > bound:
            limit = Limit(LimitKind.RECURRENCE, edge.array)
        elif ii == bound and bound > 1:
            limit = Limit(LimitKind.PORTS, who)
        else:
            limit = Limit(LimitKind.NONE)
        return placement, ii, limit

    def _carried(self, chain, body, tasks, strides) -> list[Carried]:
        edges: list[Carried] = []
        for acc in body.accumulators:
            if acc.final < 0:
                continue
            for user in acc.users:
                producer, consumer = tasks[acc.final], tasks[user]
                gap = producer.latency
                if user != acc.final and producer.delay_out + consumer.delay_in > self.budget_ns:
                    gap += 1
                edges.append(Carried(acc.final, user, gap, 1, acc.element.array))
        stores = [
            (i, n) for i, n in enumerate(body.nodes)
            if n.op.kind is OpKind.STORE and n.element is not None
        ]  # fmt: skip
        for i, store in stores:
            for j, node in enumerate(body.nodes):
                if node.element is None or node.element.array != store.element.array:
                    continue
                if node.op.kind is OpKind.LOAD:
                    d = self._distance(chain, store.element, node.element, strides)
                    if d is not None:
                        if self.banks[node.element.array].is_register:
                            users = [k for k, n in enumerate(body.nodes) if j in n.operands]
                            src = store.operands[0] if store.operands else i
                            for k in users:
                                gap = tasks[src].latency
                                if k != src and tasks[src].delay_out + tasks[k].delay_in > self.budget_ns:
                                    gap += 1
                                edges.append(Carried(src, k, gap, d, node.element.array))
                        else:
                            tasks[j].is_late = True
                            edges.append(Carried(i, j, 1, d, node.element.array))
        return edges

    def _distance(self, chain, source: Element, sink: Element, strides) -> int | None:
        """Iterations of the (flattened) loop from a store to the next load of the element."""
        if source.linear is None or sink.linear is None:
            return 1
        if source.linear != sink.linear:
            return 1 if source.may_alias(sink) else None
        # coef·(iv_sink) + c_sink = coef·(iv_source) + c_source, dimension by dimension
        trips = []
        for n, l in enumerate(chain):
            t = l.constant_trip_count or 1
            if n == len(chain) - 1:
                t = ceil(t / (strides[l.name] // l.step))
            trips.append(t)
        delta: dict[str, int] = {}
        names = [l.name for l in chain]
        for part, a, b in zip(source.linear, source.const, sink.const, strict=True):
            inner = [(iv, c) for iv, c in part if iv in names]
            diff = a - b
            if not inner:
                if diff:
                    return None
                continue
            if len(inner) > 1:
                return 1
            iv, c = inner[0]
            step = c * strides[iv]
            if diff % step:
                return None
            value = diff // step
            if iv in delta and delta[iv] != value:
                return None
            delta[iv] = value
        # smallest lexicographically positive vector
        total = None
        free = [n for n in names if n not in delta]
        weights = {}
        w = 1
        for n, t in zip(reversed(names), reversed(trips), strict=True):
            weights[n] = w
            w *= t
        base = sum(delta.get(n, 0) * weights[n] for n in names)
        first = next((delta[n] for n in names if delta.get(n)), 0)
        if not free:
            return base if base > 0 and first > 0 else None
        # choose free components: the innermost free one counts up by one if needed
        if base > 0 and first > 0:
            return base
        for n in reversed(names):
            if n in free and weights[n] * trips[names.index(n)] > 1:
                if trips[names.index(n)] == 1:
                    continue
                total = base + weights[n]
                if total > 0:
                    return total
        return None

    def _schedule(self, body: Body, placement, ii) -> BodySchedule:
        ops = []
        counts: dict[OperatorKey, dict[int, int]] = {}
        for node, cycle, time in zip(body.nodes, placement.cycles, placement.times, strict=True):
            key = self.key(node)
            if node.element is None:
                latency = self.times.timing(key).latency_cycles
                slots = counts.setdefault(key, {})
                slot = cycle % ii if ii else cycle
                slots[slot] = slots.get(slot, 0) + 1
            else:
                latency = 1 if node.op.kind is OpKind.LOAD else 0
            ops.append(
                ScheduledOp(node.op, node.copy, cycle, cycle + latency, time, key, -1,
                            tuple(node.operands))
            )  # fmt: skip
        instances = tuple((k, max(v.values())) for k, v in counts.items())
        return BodySchedule(
            tuple(ops), placement.length, ii or placement.length, Limit(LimitKind.NONE),
            instances, ii is not None,
        )  # fmt: skip

    # ---- structure ---------------------------------------------------------------------

    def loop(self, loop: Loop, is_top: bool, outer: dict[str, int]) -> Timed:
        chain = self._flatten_chain(loop)
        if chain is not None:
            timed = self.leaf(chain, True, outer)
            if timed is not None:
                timed.is_call = not is_top
                return timed
        if loop.directives.pipeline:
            timed = self.leaf([loop], True, outer)
            if timed is not None:
                timed.is_call = not is_top
                return timed
        if not has_loops(loop.body):
            timed = self.leaf([loop], False, outer)
            assert timed is not None
            return timed
        return self._sequential(loop, outer)

    def _flatten_chain(self, loop: Loop) -> list[Loop] | None:
        if not self.settings.flatten_loops:
            return None
        chain = [loop]
        current = loop
        while not current.directives.pipeline:
            if current.directives.flatten is False and False:
                return None
            if current.directives.unroll != 1 or len(current.body) != 1:
                return None
            inner = current.body[0]
            if not isinstance(inner, Loop):
                return None
            chain.append(inner)
            current = inner
        if len(chain) == 1:
            return None
        if current.directives.flatten is False:
            return None
        probe = self.leaf([current], True, {})
        if probe is None or probe.stores:
            return None
        return chain

    def _sequential(self, loop: Loop, outer: dict[str, int]) -> Timed:
        merged = self._flatten_sequential(loop, outer)
        if merged is not None:
            return merged
        count = loop.constant_trip_count or 0
        unroll = min(loop.directives.unroll or count, count) or 1
        children: list[LoopResult] = []
        strides = {**outer, loop.name: loop.step * unroll}
        seq = self._sequencer(strides)
        for copy in range(unroll):
            env = copy_env({}, loop.name, copy * loop.step)
            self._run(loop.body, env, copy, seq, children, strides)
        trip = ceil(count / unroll)
        states = seq.states
        cycles = trip * states
        result = LoopResult(
            (loop.name,), trip, None, states, cycles, Limit(LimitKind.NOT_PIPELINED), trip, trip,
            unroll, children=tuple(children), loc=loop.loc,
        )  # fmt: skip
        return Timed(result, cycles, False, [], [], [], frozenset())

    def _flatten_sequential(self, loop: Loop, outer: dict[str, int]) -> Timed | None:
        """Perfect nests of sequential loops above a pipelined one become one loop."""
        if len(loop.body) != 1 or loop.directives.unroll != 1:
            return None
        inner = loop.body[0]
        if not self.settings.flatten_loops or not isinstance(inner, Loop):
            return None
        if loop.directives.flatten is False or inner.directives.flatten is False:
            return None
        if inner.directives.pipeline or not has_loops(inner.body) or not has_pipeline(inner.body):
            return None
        timed = self.loop(inner, False, {**outer, loop.name: loop.step})
        trip = loop.constant_trip_count or 0
        old = timed.result
        result = replace(
            old,
            names=(loop.name, *old.names),
            trip_count=old.trip_count * trip,
            trip_count_min=old.trip_count_min * trip,
            trip_count_max=old.trip_count_max * trip,
            latency_cycles=old.latency_cycles * trip,
        )
        return replace(timed, result=result, cycles=timed.cycles * trip)

    def _sequencer(self, strides: dict[str, int]) -> Sequencer:
        return Sequencer(
            lambda node: self.task(node, strides), self.ports, self.budget_ns
        )

    def _run(
        self,
        regions: tuple[Region, ...],
        env: Env,
        copy: int,
        seq: Sequencer,
        children: list[LoopResult],
        strides: dict[str, int],
    ) -> None:
        expander = seq.expander
        for region in regions:
            if not isinstance(region, Loop):
                expander.walk((region,), env, copy)
                seq.flush()
                continue
            timed = self.loop(region, not strides, strides)
            children.append(timed.result)
            inputs = [self._emit_moved(expander, node, env, copy) for node in timed.loads]
            inputs += self._emit_hoisted(expander, timed.before, env, copy)
            seq.flush()
            if timed.is_call:
                pending = [i for i in expander._stored.values() if i < len(seq.placed)]
                inputs += [i for i in pending if i in self._own(expander, env, copy)]
                seq.call(timed.cycles + 2, inputs, timed.arrays)
            else:
                seq.run_loop(timed.cycles)
            expander._stored.clear()
            expander._known.clear()
            for node in timed.stores:
                self._emit_moved(expander, node, env, copy)
            seq.flush(after_call=timed.is_call)

    def _own(self, expander: Expander, env: Env, copy: int) -> set[int]:
        return {
            i for i, n in enumerate(expander.nodes)
            if n is not None and n.copy == copy and n.op.kind is OpKind.STORE
        }  # fmt: skip

    def _emit_moved(self, expander: Expander, node: Node, env: Env, copy: int) -> int:
        assert node.element is not None
        element = shift_element(node.element, env)
        expander._copy = copy
        if node.op.kind is OpKind.STORE:
            expander._store(node.op, element, [])
        else:
            expander._load(node.op, element, [])
        return expander.values[node.op.id]

    def _emit_hoisted(self, expander: Expander, nodes, env: Env, copy: int) -> list[int]:
        place = {}
        expander._copy = copy
        for index, node in enumerate(nodes):
            operands = [place[o] for o in node.operands]
            if node.element is not None:
                element = shift_element(node.element, env)
                expander._load(node.op, element, operands)
                place[index] = expander.values[node.op.id]
            else:
                place[index] = expander._append(Node(node.op, copy, operands))
        return list(place.values())

    def run(self) -> FunctionResult:
        """Latency of the function."""
        children: list[LoopResult] = []
        seq = self._sequencer({})
        self._run(self.function.body, {}, 0, seq, children, {})
        return FunctionResult(self.function.name, seq.states, tuple(children))


def has_pipeline(regions: tuple[Region, ...]) -> bool:
    """Whether a loop inside is pipelined by directive."""
    return any(
        isinstance(r, Loop) and (r.directives.pipeline or has_pipeline(r.body)) for r in regions
    )


def is_switch(banks: ArrayBanks, element: Element, strides: dict[str, int]) -> bool:
    """Whether a store chooses among so many banks of one dimension that it takes a state."""
    if element.linear is None:
        return False
    for split, part in zip(banks.splits, element.linear, strict=True):
        step = 0
        for iv, coef in part:
            step = gcd(step, coef * strides.get(iv, 1))
        if split.factor // gcd(step, split.factor) >= SWITCH_BANKS:
            return True
    return False


def has_loops(regions: tuple[Region, ...]) -> bool:
    """Whether a loop is somewhere inside."""
    for region in regions:
        if isinstance(region, Loop):
            return True
        if isinstance(region, If) and (has_loops(region.then_body) or has_loops(region.else_body)):
            return True
    return False
