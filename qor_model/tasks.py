"""From expanded operations to what the scheduler places: latencies, delays, units and banks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd

from pom.qor_model.banks import (
    ArrayBanks,
    Ports,
    Reach,
    ReachPattern,
    array_banks,
    is_distinct_by_compiler,
)
from pom.qor_model.expand import Body, Element, Linear, Node
from pom.qor_model.modulo import Task
from pom.qor_model.region import Array, Loop, Op, OpKind, Partition, ScalarKind, ScalarType
from pom.qor_model.schedule_result import OperatorKey, OperatorTimes, OperatorTiming
from pom.qor_model.settings import DEFAULT_EFFORT, Effort, ToolSettings

_SCATTERED = 4
"""Banks, with others between them, from which on a choice is control flow (Vivado HLS 2018)."""

_LOAD_STATES = 2
REQUEST_CYCLES = 7
"""States in which the tool sends a bus request, beside the latency it assumes."""

Operators = dict[int, tuple[OperatorKey, OperatorTiming]]
Bodies = dict[tuple[int, ...], "LaidOut"]


@dataclass(frozen=True, slots=True)
class Machine:
    """Device, clock and tool: where timings come from and how much of a cycle can be used."""

    times: OperatorTimes
    budget_ns: float
    load_stages: int
    load_out_ns: float
    access_in_ns: float
    settings: ToolSettings
    effort: Effort = DEFAULT_EFFORT
    folds: bool = False


@dataclass(frozen=True, slots=True)
class SwitchedSums:
    """How a body adds to elements whose bank is chosen at run time.

    Parameters
    ----------
    by_inner : bool
        The body's own loop moves the choice.
    by_others : bool
        Only loops further out do.
    widest : int
        Most banks of one dimension of a matrix among which the body's own loop chooses.
    """

    by_inner: bool = False
    by_others: bool = False
    widest: int = 1

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.by_inner or self.by_others


@dataclass(frozen=True, slots=True)
class LaidOut:
    """The copies of a body, which depend on no directive but the unrolling of its loop.

    Parameters
    ----------
    loops : tuple of Loop
        The loops that execute it, kept so that their identity stays their own.
    body : Body
    emitted : int
        Operations before dead ones were left out.
    """

    loops: tuple[Loop, ...]
    body: Body
    emitted: int


@dataclass(slots=True)
class TaskMaker:
    """Makes tasks for one partitioning of the arrays.

    `call_states` holds the states of the functions that may be called; `bodies` keeps what was
    laid out, by unroll factor and loops, and is shared between partitionings.
    """

    machine: Machine
    banks: dict[str, ArrayBanks]
    ports: dict[str, Ports]
    call_states: dict[str, float] = field(default_factory=dict)
    bodies: Bodies = field(default_factory=dict)
    _units: dict[OperatorKey, int] = field(default_factory=dict)
    _keys: Operators = field(default_factory=dict)
    _strides: Mapping[str, int] = field(default_factory=dict)
    _reached: dict[Element, Reach] = field(default_factory=dict)
    _patterns: dict[tuple[str, int], ReachPattern] = field(default_factory=dict)

    @classmethod
    def for_arrays(
        cls,
        machine: Machine,
        arrays: tuple[Array, ...],
        known: dict[tuple[str, tuple[Partition, ...]], ArrayBanks],
        operators: Operators,
        bodies: Bodies,
    ) -> TaskMaker:
        """Make tasks for these arrays.

        `known` keeps prepared arrays, `operators` those of the function's operations, `bodies`
        what was laid out.
        """
        banks: dict[str, ArrayBanks] = {}
        for array in arrays:
            key = (array.name, array.partitions)
            if key not in known:
                settings = machine.settings
                memory = settings.default_ram if array.is_argument else settings.local_ram
                known[key] = array_banks(array, memory)
            banks[array.name] = known[key]
        ports = {name: b.ports for name, b in banks.items() if not b.is_register}
        for prepared in banks.values():
            if is_off_chip(prepared.array):
                ports[bundle_of(prepared.array)] = Ports(1, 1, False)
        return cls(machine, banks, ports, bodies=bodies, _keys=operators)

    def reach(self, element: Element, strides: Mapping[str, int]) -> Reach:
        """Where an access goes; kept while the strides are the same object."""
        if strides is not self._strides:
            self._strides, self._reached, self._patterns = strides, {}, {}
        found = self._reached.get(element)
        if found is None:
            # copies of an access share the linear part of their elements
            key = element.array, id(element.linear)
            pattern = self._patterns.get(key)
            if pattern is None:
                banks = self.banks[element.array]
                pattern = self._patterns[key] = ReachPattern(banks, element.linear, strides)
            found = self._reached[element] = pattern.at(element.const)
        return found

    def operator(self, node: Node) -> tuple[OperatorKey, OperatorTiming]:
        """Operator and timing of a computation."""
        op = node.op
        found = self._keys.get(op.id)
        if found is None:
            key = one_key(operator_key(op))
            found = key, self.machine.times.timing(key)
            self._keys[op.id] = found
        return found

    def arrays(self) -> tuple[Array, ...]:
        """The arrays that the function sees, with their partitions."""
        return tuple(banks.array for banks in self.banks.values())

    def task(self, node: Node, strides: Mapping[str, int]) -> Task:
        """The task of one operation."""
        op = node.op
        if node.element is not None:
            return self._access(node, node.element, strides)
        if op.kind is OpKind.CALL:
            states = round(self.call_states.get(op.callee, 1.0))
            return Task(node.operands, node.after, states, 0.0, 0.0)
        key, timing = self.operator(node)
        latency = timing.latency_cycles if op.impl_latency is None else op.impl_latency
        unit = -1
        if timing.is_shared and latency:
            unit = self._units.setdefault(key, len(self._units))
        return Task(
            node.operands, node.after, latency, timing.delay_in_ns, timing.delay_out_ns, unit
        )

    def _access(self, node: Node, element: Element, strides: Mapping[str, int]) -> Task:
        banks, machine = self.banks[element.array], self.machine
        if banks.is_register:
            return Task(node.operands, node.after, 0, 0.0, 0.0)
        if is_off_chip(banks.array):
            return self._transfer(node, banks.array)
        where = self.reach(element, strides)
        if node.op.kind is OpKind.STORE:
            return Task(
                node.operands, node.after, 0, machine.access_in_ns, machine.access_in_ns,
                array=element.array, mask=where.mask, is_write=True, candidates=where.candidates,
                is_switch=is_switch(banks, element, strides, machine.settings.switch_banks), rank=len(banks.splits),
            )  # fmt: skip
        return Task(
            node.operands, node.after, self._load_latency(banks.array), machine.access_in_ns,
            machine.load_out_ns, array=element.array, mask=where.mask,
        )  # fmt: skip

    def _load_latency(self, array: Array) -> int:
        if array.storage.latency is not None:
            return array.storage.latency
        if array.storage.type.lower() == "fifo" or array.interface.mode in ("axis", "ap_fifo"):
            return 0
        return self.machine.load_stages - 1

    def _transfer(self, node: Node, array: Array) -> Task:
        """A word over the bus: request, answer; one read and one write at a time per bundle."""
        machine = self.machine
        is_write = node.op.kind is OpKind.STORE
        latency = array.interface.latency
        wait = REQUEST_CYCLES + (machine.settings.bus_latency if latency is None else latency)
        return Task(
            node.operands, node.after, wait, machine.access_in_ns, machine.load_out_ns,
            array=bundle_of(array), mask=1, is_write=is_write,
        )  # fmt: skip

    def select_banks(self, body: Body, ivs: set[str], strides: Mapping[str, int]) -> set[int]:
        """Loads of fully split dimensions: all banks are read before the loop, one is selected.

        Returns the nodes that become multiplexers; the loads join the hoisted ones.
        """
        muxes: set[int] = set()
        stored = {n.element.array for n in body.nodes if n.element and n.op.kind is OpKind.STORE}
        for index, node in enumerate(body.nodes):
            element = node.element
            if element is None or node.op.kind is not OpKind.LOAD or element.linear is None:
                continue
            banks = self.banks[element.array]
            if banks.is_register or banks.banks == 1 or element.array in stored:
                continue
            dynamic = self.reach(element, strides).dynamic_dims
            if not dynamic:
                continue
            moving = [d for d, p in enumerate(element.linear) if any(iv in ivs for iv, _ in p)]
            if not moving or not all(banks.splits[d].is_complete and d in dynamic for d in moving):
                continue
            muxes.add(index)
            linear = tuple(() if d in moving else p for d, p in enumerate(element.linear))
            const = tuple(0 if d in moving else c for d, c in enumerate(element.const))
            moved = Element(element.array, linear, const)
            body.hoisted.append(Node(node.op, node.copy, [], moved))
        return muxes

    def order_banks(self, body: Body, strides: Mapping[str, int]) -> None:
        """Keep loads behind stores that the tool cannot tell apart from them."""
        # Most stores are in one known bank; a load in another one need not be compared with them.
        known: dict[tuple[str, Linear, int], list[tuple[int, Element]]] = {}
        others: dict[str, list[tuple[int, Element]]] = {}
        linears: dict[str, dict[Linear, None]] = {}
        before: dict[int, int] = {}
        for index, node in enumerate(body.nodes):
            element = node.element
            if element is None:
                continue
            banks = self.banks[element.array]
            if node.op.kind is OpKind.STORE:
                before[index] = 0
                for earlier, _ in node.after:
                    before[index] |= before.get(earlier, 0) | 1 << earlier
                mask = self.reach(element, strides).mask
                if element.linear is not None and not mask & (mask - 1):
                    known.setdefault((element.array, element.linear, mask), []).append(
                        (index, element)
                    )
                    linears.setdefault(element.array, {})[element.linear] = None
                else:
                    others.setdefault(element.array, []).append((index, element))
                continue
            if banks.banks == 1 or banks.is_register:
                continue
            mine = self.reach(element, strides).mask
            stores = list(others.get(element.array, ()))
            for linear in linears.get(element.array, ()):
                if element.linear == linear and not mine & (mine - 1):
                    stores += known.get((element.array, linear, mine), ())
                else:
                    stores += [
                        store
                        for (array, part, _), found in known.items()
                        if array == element.array and part == linear
                        for store in found
                    ]
            if not stores:
                continue
            # a store that a later one waits for needs no constraint of its own
            passed = 0
            for position, store in sorted(stores, key=lambda item: -item[0]):
                if passed >> position & 1:
                    continue
                masks = self.reach(store, strides).mask, mine
                if not is_distinct_by_compiler(banks, store, element, masks):
                    node.after.append((position, 1))
                    passed |= before[position]

    def late_select(
        self, body: Body, tasks: list[Task], inner: str, strides: Mapping[str, int]
    ) -> None:
        """In a flattened loop, selecting the bank of what the inner loop keeps costs a cycle."""
        for node, task in zip(body.nodes, tasks, strict=True):
            if node.op.kind is OpKind.LOAD and node.element is not None and task.mask:
                if node.element.depends_on((inner,)):
                    continue
                if self.reach(node.element, strides).candidates > 1:
                    task.latency += 1

    def switched_sums(
        self, body: Body, inner: str, around: Sequence[str], strides: Mapping[str, int]
    ) -> SwitchedSums:
        """Elements that a body adds to, in banks that are chosen at run time.

        Parameters
        ----------
        body : Body
        inner : str
            The loop that the body belongs to.
        around : sequence of str
            All loops: further out, this one, and those unrolled inside.
        strides : mapping of str to int
        """
        by_inner = by_others = False
        widest = 1
        for node in body.nodes:
            element, access = node.element, node.op.access
            if node.op.kind is not OpKind.STORE or element is None or access is None:
                continue
            banks = self.banks[element.array]
            if banks.is_register or element.linear is None or not _adds_to(body, node):
                continue
            moving = {n for s in access.subscripts if s is not None for n, _ in s.terms}
            is_reduction = not moving.issuperset(around)
            for dim in self.reach(element, strides).dynamic_dims:
                part = element.linear[dim]
                if not any(iv == inner for iv, _ in part):
                    by_others = by_others or is_reduction
                elif is_reduction or around[-1] == inner:
                    by_inner = True
                    if len(banks.splits) > 1:
                        widest = max(widest, self._choice(banks.splits[dim].factor, part, strides))
        return SwitchedSums(by_inner, by_others, widest)

    @staticmethod
    def _is_scattered(banks: ArrayBanks, element: Element, strides: Mapping[str, int]) -> bool:
        """Whether the banks to choose from are several, but not next to each other."""
        if element.linear is None:
            return False
        for split, part in zip(banks.splits, element.linear, strict=True):
            choice = TaskMaker._choice(split.factor, part, strides)
            if _SCATTERED <= choice < split.factor:
                return True
        return False

    @staticmethod
    def _choice(factor: int, part: tuple[tuple[str, int], ...], strides: Mapping[str, int]) -> int:
        step = 0
        for iv, coef in part:
            step = gcd(step, coef * strides.get(iv, 1))
        return factor // gcd(step, factor)

    def order_branches(self, body: Body, strides: Mapping[str, int], inner: str) -> None:
        """Without a pipeline, a store to a bank selected at run time is a branch.

        What follows it in the program stays behind it, except loads of arrays that are split in
        no other dimension, which the compiler moves in front of the first branch.
        """
        branches, early = self._branches(body, strides, inner)
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
        waiting = {place[i] for i in branches}
        marks = frozenset(waiting)
        if not self.machine.settings.loads_pass_switches:
            written = {n.element.array for i in marks if (n := nodes[i]).element is not None}
            waiting |= {i for i, n in enumerate(nodes) if n.element and n.element.array in written}
        barrier = -1
        for index, node in enumerate(nodes):
            if barrier >= 0 and (index in waiting or not moved):
                is_load = nodes[barrier].op.kind is OpKind.LOAD
                node.after.append((barrier, _LOAD_STATES if is_load else 0))
            elif barrier >= 0:
                node.after += [(place[i], 2) for i in moved]
            if index in marks:
                barrier = index
        for acc in body.accumulators:
            acc.users = [place[u] for u in acc.users]
            acc.final = place[acc.final] if acc.final >= 0 else -1
        body.nodes = nodes

    def _branches(
        self, body: Body, strides: Mapping[str, int], inner: str
    ) -> tuple[list[int], list[int]]:
        """Stores that choose their bank, and loads that move in front of the first of them."""
        branches: list[int] = []
        is_moving, passes = False, self.machine.settings.loads_pass_switches
        early: list[int] = []
        for index, node in enumerate(body.nodes):
            if node.element is None or self.banks[node.element.array].is_register:
                continue
            banks = self.banks[node.element.array]
            where = self.reach(node.element, strides)
            if node.op.kind is OpKind.STORE:
                if where.candidates > 1:
                    branches.append(index)
                    linear = node.element.linear
                    is_moving = (
                        is_moving
                        or linear is None
                        or any(iv == inner for d in where.dynamic_dims for iv, _ in linear[d])
                    )
            elif not passes and self._is_scattered(banks, node.element, strides):
                branches.append(index)
                is_moving = True
            elif not node.operands and not node.after:
                split = tuple(d for d, s in enumerate(banks.splits) if s.factor > 1)
                if not passes or where.dynamic_dims == split:
                    early.append(index)
        if passes:
            return branches, early
        written = {e.array for i in branches if (e := body.nodes[i].element) is not None}
        early = [i for i in early if (e := body.nodes[i].element) and e.array not in written]
        return branches, [] if is_moving else early


def _adds_to(body: Body, store: Node) -> bool:
    """Whether a store writes what additions alone make of the element that it replaces."""
    todo = list(store.operands)
    seen: set[int] = set()
    while todo:
        index = todo.pop()
        node = body.nodes[index]
        if index in seen:
            continue
        seen.add(index)
        if node.op.kind is OpKind.LOAD and node.element == store.element:
            return True
        if node.op.kind in (OpKind.ADD, OpKind.SUB):
            todo += node.operands
    return False


def is_off_chip(array: Array) -> bool:
    """Whether the array is reached over a bus."""
    return array.interface.mode == "m_axi"


def bundle_of(array: Array) -> str:
    """The bus that an array shares with those of the same bundle."""
    return f"m_axi {array.interface.bundle or 'gmem'}"


@lru_cache(maxsize=4096)
def one_key(key: OperatorKey) -> OperatorKey:
    """The same object for equal keys: a table of them is then searched by identity."""
    return key


def operator_key(op: Op) -> OperatorKey:
    """The operator of an operation.

    Integers and fixed point are multiplied and divided by powers of two with shifts, and divided
    by other constants with a multiplication by the reciprocal, which has three bits more than the
    dividend (``mul_52s_55ns_106_5_1`` of seidel-2d in hlsfactory_polybench.csv).
    """
    kind, types = op.kind, op.operand_types
    if op.dtype.is_float or not op.constant_operands:
        return OperatorKey(kind, op.dtype, types, op.constant_operands, op.impl)
    constants = [s for s in op.scalars if "#" in s and (kind is OpKind.MUL or s.startswith("1:"))]
    is_shift = any(_is_power_of_two(text) for text in constants)
    match kind:
        case OpKind.MUL if is_shift:
            kind = OpKind.SHL
        case OpKind.DIV if is_shift:
            kind = OpKind.SHR
        case OpKind.REM if is_shift:
            kind = OpKind.AND
        case OpKind.DIV if constants and types:
            width = types[0].width + op.dtype.fraction_bits
            reciprocal = ScalarType(ScalarKind.UINT, width + 3)
            kind, types = OpKind.MUL, (ScalarType(ScalarKind.INT, width), reciprocal)
    return OperatorKey(kind, op.dtype, types, op.constant_operands, op.impl)


def _is_power_of_two(scalar: str) -> bool:
    """Whether an operand like ``1:#8`` is a constant power of two."""
    text = scalar.partition(":")[2].removeprefix("#").partition(" ")[0]
    return text.isdecimal() and int(text).bit_count() == 1


def is_switch(banks: ArrayBanks, element: Element, strides: Mapping[str, int], limit: int) -> bool:
    """Whether a store chooses among so many banks of one dimension that it takes a state."""
    if element.linear is None:
        return False
    for split, part in zip(banks.splits, element.linear, strict=True):
        step = 0
        for iv, coef in part:
            step = gcd(step, coef * strides.get(iv, 1))
        if split.factor // gcd(step, split.factor) >= limit:
            return True
    return False
