"""Loop nests: which loops are pipelined, flattened or sequential, and how their times add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from pom.errors import PomError
from pom.qor_model.banks import stride_of_copies
from pom.qor_model.dataflow import DataflowTask, overlap
from pom.qor_model.defaults import inner_loops, is_flattened_into, operations
from pom.qor_model.expand import Env, Expander, Node
from pom.qor_model.fold import schedule_folded
from pom.qor_model.leaf import Nest, Timed, all_loops, has_loops, schedule_leaf
from pom.qor_model.region import If, Loop, LoopDirectives, OpKind, Region
from pom.qor_model.schedule_result import BodySchedule, Limit, LimitKind, LoopResult
from pom.qor_model.sequence import Sequencer, copy_env, shift_element
from pom.qor_model.tasks import TaskMaker
from pom.qor_model.trip_counts import (
    Around,
    Guard,
    Range,
    exact_share,
    iv_range,
    reported_count,
    trip_range,
)

CallStates = Callable[[str], float]


@dataclass(slots=True)
class NestScheduler:
    """Schedules the loops of one function for one set of directives.

    Parameters
    ----------
    maker : TaskMaker
    directives : mapping
        Of every loop of the function, defaults resolved.
    cache : dict
        Timed loops by what influences them; shared between sets of directives.
    key : callable
        Cache key of a loop under the current directives.
    call_states : callable
        States of a called function.
    """

    maker: TaskMaker
    directives: Mapping[str, LoopDirectives]
    cache: dict[object, Timed]
    key: Callable[[Loop], object]
    call_states: CallStates
    ranges: dict[str, Range] = field(default_factory=dict)
    around: tuple[Around, ...] = ()

    def run(
        self, body: tuple[Region, ...]
    ) -> tuple[int, tuple[LoopResult, ...], tuple[BodySchedule, ...]]:
        """States of a function's body, its loops and its straight-line code."""
        children: list[LoopResult] = []
        seq = self._sequencer({})
        is_alone = len(body) == 1 and isinstance(body[0], Loop)
        self._sequence(body, {}, 0, seq, children, {}, is_alone)
        return seq.states, tuple(children), seq.schedules()

    def run_dataflow(
        self, body: tuple[Region, ...]
    ) -> tuple[float, float, tuple[LoopResult, ...], tuple[BodySchedule, ...]]:
        """States and interval of a body whose tasks overlap, its loops and straight-line code."""
        tasks: list[DataflowTask] = []
        children: list[LoopResult] = []
        schedules: tuple[BodySchedule, ...] = ()
        for region in body:
            found: list[LoopResult] = []
            seq = self._sequencer({})
            self._sequence((region,), {}, 0, seq, found, {}, True)
            ops = operations((region,))
            reads = frozenset(o.access.array for o in ops if o.access and o.kind is OpKind.LOAD)
            writes = frozenset(o.access.array for o in ops if o.access and o.kind is OpKind.STORE)
            first = first_output(found[0]) if found else float(seq.states)
            tasks.append(DataflowTask(reads, writes, float(seq.states), first))
            children += found
            schedules += seq.schedules()
        states, interval = overlap(tasks, self._is_stream)
        return states + 1, interval + 1, tuple(children), schedules

    def _is_stream(self, array: str) -> bool:
        banks = self.maker.banks.get(array)
        return banks is not None and banks.array.storage.type.lower() == "fifo"

    def loop(self, loop: Loop, strides: Mapping[str, int], is_alone: bool) -> Timed:
        """Time of one loop as a whole."""
        key = (self.key(loop), tuple(sorted(strides.items())), is_alone)
        found = self.cache.get(key)
        if found is None:
            found = self._loop(loop, strides)
            if is_alone:
                found.is_call = False
            self.cache[key] = found
        return found

    def _loop(self, loop: Loop, strides: Mapping[str, int]) -> Timed:
        chain = self._chain(loop)
        if chain is not None:
            timed = self._leaf(chain, strides, is_pipelined=True)
            if timed is not None and (len(chain) == 1 or not timed.is_switched):
                return timed
        if not has_loops(loop.body):
            timed = self._leaf((loop,), strides, is_pipelined=False)
            if timed is None:
                raise PomError("POM-Q004", f"the body of loop {loop.name} cannot be scheduled")
            return timed
        return self._sequential(loop, strides)

    def _chain(self, loop: Loop) -> tuple[Loop, ...] | None:
        """The loops from here to a pipelined one that can be executed as one loop."""
        if self.directives[loop.name].pipeline:
            return (loop,)
        inner = inner_loops(loop.body)
        if len(inner) != 1 or not any(r is inner[0] for r in loop.body):
            return None
        settings = self.maker.machine.settings
        below = self._chain(inner[0])
        if below is None or not is_flattened_into(loop, below, self.directives, settings):
            return None
        return (loop, *below)

    def _leaf(
        self, chain: tuple[Loop, ...], strides: Mapping[str, int], *, is_pipelined: bool
    ) -> Timed | None:
        ranges = dict(self.ranges)
        trips: list[float] = []
        fewest = most = 1
        for position, loop in enumerate(chain):
            low, high = trip_range(loop, ranges)
            trips.append(reported_count(loop, ranges, (*self.around, *chain[:position])))
            ranges[loop.name] = iv_range(loop, ranges)
            fewest, most = fewest * low, most * high
        innermost = self.directives[chain[-1].name]
        unroll = innermost.unroll or max(1, ceil(trips[-1]))
        unroll = max(1, min(unroll, ceil(trips[-1])))
        nest = Nest(chain, tuple(trips), fewest, most, unroll, trips[-1])
        if is_pipelined and self.maker.machine.folds:
            folded = schedule_folded(nest, self.maker, strides, self.directives)
            if folded is not None:
                return folded
        return schedule_leaf(
            nest, self.maker, strides, self.directives, is_pipelined=is_pipelined, is_kept=True
        )

    def _sequential(self, loop: Loop, strides: Mapping[str, int]) -> Timed:
        merged = self._flattened(loop, strides)
        if merged is not None:
            return merged
        low, high = trip_range(loop, self.ranges)
        count = reported_count(loop, self.ranges, self.around)
        unroll = max(1, min(self.directives[loop.name].unroll or ceil(count), ceil(count)))
        stride = stride_of_copies(loop, unroll, self.maker.arrays())
        inner_strides = {**strides, loop.name: stride}
        outer_ranges, outer_loops = self.ranges, self.around
        self.around = (*outer_loops, loop)
        self.ranges = {**outer_ranges, loop.name: iv_range(loop, outer_ranges)}
        children: list[LoopResult] = []
        seq = self._sequencer(inner_strides)
        for copy in range(unroll):
            env = copy_env({}, loop.name, copy * loop.step)
            self._sequence(loop.body, env, copy, seq, children, inner_strides, False)
        self.ranges, self.around = outer_ranges, outer_loops
        trip = count if unroll == 1 else ceil(count / unroll)
        cycles = trip * seq.states
        result = LoopResult(
            (loop.name,), trip, None, seq.states, cycles, Limit(LimitKind.NOT_PIPELINED),
            ceil(low / unroll), ceil(high / unroll), unroll, schedules=seq.schedules(),
            children=tuple(children), loc=loop.loc,
        )  # fmt: skip
        return Timed(result, cycles, False, [], [], [], frozenset())

    def _flattened(self, loop: Loop, strides: Mapping[str, int]) -> Timed | None:
        """Perfect nests of sequential loops above a pipelined one become one loop."""
        if len(loop.body) != 1 or self.directives[loop.name].unroll != 1:
            return None
        inner = loop.body[0]
        if not isinstance(inner, Loop):
            return None
        if any(self.directives[item.name].flatten is False for item in (loop, inner)):
            return None
        if inner.constant_trip_count is None:
            return None
        if self.directives[inner.name].pipeline or not self._has_pipeline(inner.body):
            return None
        if any(loop.name in _variables(item) for item in all_loops(inner.body)):
            return None
        outer_ranges, outer_loops = self.ranges, self.around
        low, high = trip_range(loop, outer_ranges)
        trip = reported_count(loop, outer_ranges, outer_loops)
        self.around = (*outer_loops, loop)
        self.ranges = {**outer_ranges, loop.name: iv_range(loop, outer_ranges)}
        timed = self.loop(inner, {**strides, loop.name: loop.step}, False)
        self.ranges, self.around = outer_ranges, outer_loops
        old = timed.result
        result = replace(
            old,
            names=(loop.name, *old.names),
            trip_count=old.trip_count * trip,
            trip_count_min=old.trip_count_min * low,
            trip_count_max=old.trip_count_max * high,
            latency_cycles=old.latency_cycles * trip,
        )
        return replace(timed, result=result, cycles=timed.cycles * trip)

    def _has_pipeline(self, regions: tuple[Region, ...]) -> bool:
        return any(
            self.directives[item.name].pipeline or self._has_pipeline(item.body)
            for item in inner_loops(regions)
        )

    def _sequencer(self, strides: Mapping[str, int]) -> Sequencer:
        return Sequencer(
            lambda node: self.maker.task(node, strides),
            self.maker.ports,
            self.maker.machine.budget_ns,
            self.maker.machine.settings.call_input_ns,
            self.maker.machine.settings.straight_operators,
        )

    def _sequence(
        self,
        regions: tuple[Region, ...],
        env: Env,
        copy: int,
        seq: Sequencer,
        children: list[LoopResult],
        strides: Mapping[str, int],
        is_alone: bool,
        share: float = 1.0,
    ) -> None:
        for region in regions:
            match region:
                case Loop():
                    self._place_loop(region, env, copy, seq, children, strides, is_alone, share)
                case If() if has_loops(region.then_body) or has_loops(region.else_body):
                    self._branch(region, env, copy, seq, children, strides, share)
                case _:
                    self._straight(region, env, copy, seq)

    def _straight(self, region: Region, env: Env, copy: int, seq: Sequencer) -> None:
        seq.expander.walk((region,), env, copy)
        for op in operations((region,)):
            if op.kind is OpKind.CALL:
                seq.call(self.call_states(op.callee), [], frozenset())
        seq.flush()

    def _branch(
        self,
        region: If,
        env: Env,
        copy: int,
        seq: Sequencer,
        children: list[LoopResult],
        strides: Mapping[str, int],
        share: float,
    ) -> None:
        """Loops under a guard count as often as it lets them run.

        Where data decides, the longer side is taken to run every time and the other one never.
        """
        sides = (region.then_body, region.else_body)
        if region.condition_op is not None:
            cycles = [
                sum(self.loop(i, strides, False).cycles for i in inner_loops(side))
                for side in sides
            ]
            longest = sides[cycles[1] > cycles[0]]
            self._sequence(longest, env, copy, seq, children, strides, False, share)
            for loop in inner_loops(sides[cycles[1] <= cycles[0]]):
                children.append(replace(self.loop(loop, strides, False).result, share=0.0))
            return
        outer = self.around
        for side, holds in zip(sides, (True, False), strict=True):
            guard = Guard(region.conditions, region.equalities, holds)
            found = float(exact_share(guard, outer)) if side else 0.0
            if found:
                self.around = (*outer, guard)
                self._sequence(side, env, copy, seq, children, strides, False, share * found)
        self.around = outer

    def _place_loop(
        self,
        loop: Loop,
        env: Env,
        copy: int,
        seq: Sequencer,
        children: list[LoopResult],
        strides: Mapping[str, int],
        is_alone: bool,
        share: float,
    ) -> None:
        expander = seq.expander
        timed = self.loop(loop, strides, is_alone)
        children.append(timed.result if share == 1.0 else replace(timed.result, share=share))
        inputs = [emit_access(expander, node, env, copy) for node in timed.loads]
        inputs += emit_hoisted(expander, timed.before, env, copy)
        pending = expander.pending_stores(copy)
        seq.flush()
        if timed.is_call:
            seq.call(max(2.0, share * (timed.cycles + 2)), inputs + pending, timed.arrays)
        else:
            seq.run_loop(share * timed.cycles)
        expander.forget()
        for node in timed.stores:
            emit_access(expander, node, env, copy)
        seq.flush(after_call=timed.is_call)


def first_output(loop: LoopResult) -> float:
    """Cycles until a nest has finished its first innermost iteration."""
    inner = first_output(loop.children[-1]) if loop.children else loop.iteration_latency
    return 1.0 + inner


def _variables(loop: Loop) -> frozenset[str]:
    """The loops on which the bounds of `loop` depend."""
    return frozenset(name for b in (*loop.lower, *loop.upper) for name in b.variables)


def emit_access(expander: Expander, node: Node, env: Env, copy: int) -> int:
    """Emit a load or store that a loop moved out; returns its node."""
    if node.element is None:
        raise PomError("POM-Q004", f"a {node.op.kind} without an element was moved out of a loop")
    return expander.access(node.op, shift_element(node.element, env), copy)


def emit_hoisted(expander: Expander, nodes: list[Node], env: Env, copy: int) -> list[int]:
    """Emit what a loop moved in front of itself; returns the nodes."""
    place: dict[int, int] = {}
    for index, node in enumerate(nodes):
        operands = [place[o] for o in node.operands]
        if node.element is not None:
            place[index] = expander.access(
                node.op, shift_element(node.element, env), copy, operands
            )
        else:
            place[index] = expander.append(Node(node.op, copy, operands))
    return list(place.values())
