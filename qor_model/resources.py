"""Resources of a design as C synthesis reports them: DSP, LUT, FF, block RAM and UltraRAM.

Everything is counted from the schedule: operators after sharing, registers from the lifetimes of
values, multiplexers from how many accesses a port or an operator serves, controllers from the
number of states.  A small set of constants, the same for all designs, turns counts into LUTs and
flip-flops (`pom.qor_model.resources_constants`; `pom.qor_model.resources_fit` refits them).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pom.qor_model.banks import stride_of_copies
from pom.qor_model.body_content import Contents
from pom.qor_model.defaults import operations
from pom.qor_model.leaf import all_loops
from pom.qor_model.operators import Operator, OperatorLibrary
from pom.qor_model.region import Access, Array, Design, Function, Loop, Partition
from pom.qor_model.resources_address import AddressMultipliers
from pom.qor_model.resources_bodies import BodyMeter, BodyTerms
from pom.qor_model.resources_body import bank_shift
from pom.qor_model.resources_constants import (
    FF_TERMS,
    LUT_TERMS,
    CostConstants,
    load_constants,
    mux_lut,
)
from pom.qor_model.resources_memory import DualBanks, memory_cost
from pom.qor_model.resources_sharing import is_divider
from pom.qor_model.schedule_result import (
    BodySchedule,
    DesignResult,
    FunctionResult,
    LoopResult,
    OperatorKey,
    key_text,
)

Partitions = Mapping[str, tuple[Partition, ...]]


@dataclass(frozen=True, slots=True)
class Resources:
    """What C synthesis would report."""

    dsp: int
    lut: int
    ff: int
    bram_18k: int
    uram: int


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """Resources of a design with where they come from.

    Attributes
    ----------
    total : Resources
    lut_by_cause, ff_by_cause : tuple of (str, float)
        LUTs and flip-flops per mechanism (operators, multiplexers, controllers …).
    operators : tuple of (OperatorKey, int)
        Operator instances after sharing.
    functions : tuple of (str, Resources)
        What every function would need alone; operators that they share are in each of them, and
        local arrays in none.
    unmeasured : tuple of str
        Operators whose numbers were not measured at this device and clock, with what is not.
    """

    total: Resources
    lut_by_cause: tuple[tuple[str, float], ...]
    ff_by_cause: tuple[tuple[str, float], ...]
    operators: tuple[tuple[OperatorKey, int], ...]
    functions: tuple[tuple[str, Resources], ...] = ()
    unmeasured: tuple[str, ...] = ()

    @property
    def extrapolated(self) -> bool:
        """Whether an operator's numbers were not measured at this device and clock."""
        return bool(self.unmeasured)


@dataclass(slots=True)
class Counts:
    """Terms of one function (or of the whole design), before the constants."""

    lut: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LUT_TERMS, 0.0))
    ff: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FF_TERMS, 0.0))
    instances: dict[OperatorKey, int] = field(default_factory=dict)
    bram_18k: int = 0
    uram: int = 0
    ports: dict[tuple[str, int, bool], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0])
    )
    controllers: dict[OperatorKey, int] = field(default_factory=lambda: defaultdict(int))
    shared_bits: dict[tuple[object, ...], int] = field(default_factory=dict)
    own_operators: set[OperatorKey] = field(default_factory=set)
    dual_banks: dict[str, DualBanks] = field(default_factory=dict)
    bodies: dict[int, BodyTerms] = field(default_factory=dict)
    states: int = 1


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the bodies of a function stand in: arrays, and loop variables.

    `steps` are the strides of the variables after unrolling (0 for a loop that is completely
    unrolled), `strides` those before.
    """

    arrays: Mapping[str, Array]
    steps: Mapping[str, int]
    strides: Mapping[str, int]


class ResourceModel:
    """Counts resources, keeping what it measured of every loop body.

    Parameters
    ----------
    library : OperatorLibrary
    constants : CostConstants, optional
        The shipped ones by default.

    Attributes
    ----------
    contents : Contents
        Of the bodies that it has seen.
    """

    def __init__(self, library: OperatorLibrary, constants: CostConstants | None = None) -> None:
        self.contents = Contents()
        self._library = library
        self._constants = load_constants(library.tool) if constants is None else constants
        self._functions: dict[tuple[object, ...], tuple[FunctionResult, Counts]] = {}
        self._meter = BodyMeter(self.contents, self._constants)
        self._arrays: dict[tuple[int, tuple[Partition, ...]], tuple[Array, Array]] = {}
        self._loops: dict[int, tuple[Function, dict[str, Loop]]] = {}
        self._addresses = AddressMultipliers()

    def estimate(
        self, design: Design, result: DesignResult, partitions: Partitions | None = None
    ) -> ResourceReport:
        """Return the resources of `design`, scheduled as `result` says.

        Parameters
        ----------
        design : Design
        result : DesignResult
        partitions : mapping of array name to partitions, optional
            Partitions other than those of the design, as they were given to the scheduler.
        """
        counts = self.count(design, result, partitions)
        constants = self._constants
        lut = [(n, counts.lut[n] * c) for n, c in zip(LUT_TERMS, constants.lut, strict=True)]
        ff = [(n, counts.ff[n] * c) for n, c in zip(FF_TERMS, constants.ff, strict=True)]
        operators = sorted(counts.instances.items(), key=lambda item: key_text(item[0]))
        return ResourceReport(
            total=self.total(counts),
            lut_by_cause=tuple(lut),
            ff_by_cause=tuple(ff),
            operators=tuple(operators),
            functions=tuple(
                (timing.name, self._alone(design.function(timing.name), timing, partitions))
                for timing in result.functions
            ),
            unmeasured=_unmeasured(self._library.operator(key) for key, _ in operators),
        )

    def total(self, counts: Counts) -> Resources:
        """What the counts of a whole design come to."""
        constants = self._constants
        units = counts.instances.items()
        return Resources(
            dsp=sum(self._library.operator(key).dsp * n for key, n in units),
            lut=round(
                sum(counts.lut[n] * c for n, c in zip(LUT_TERMS, constants.lut, strict=True))
            ),
            ff=round(sum(counts.ff[n] * c for n, c in zip(FF_TERMS, constants.ff, strict=True))),
            bram_18k=counts.bram_18k,
            uram=counts.uram,
        )

    def _alone(
        self, function: Function, timing: FunctionResult, partitions: Partitions | None
    ) -> Resources:
        """What a function needs with operators of its own."""
        counts = self.count_function(function, timing, partitions)
        constants = self._constants
        units = [(self._library.operator(key), n) for key, n in counts.instances.items()]
        lut = sum(counts.lut[n] * c for n, c in zip(LUT_TERMS, constants.lut, strict=True))
        ff = sum(counts.ff[n] * c for n, c in zip(FF_TERMS, constants.ff, strict=True))
        return Resources(
            dsp=sum(unit.dsp * n for unit, n in units),
            lut=round(lut + sum(unit.lut * n for unit, n in units)),
            ff=round(ff + sum(unit.ff * n for unit, n in units)),
            bram_18k=0,
            uram=0,
        )

    def count(
        self, design: Design, result: DesignResult, partitions: Partitions | None = None
    ) -> Counts:
        """Return the terms of the whole design, before the constants."""
        total = Counts()
        users: dict[OperatorKey, int] = defaultdict(int)
        dataflow = design.function(result.top).dataflow
        seen: Counter[tuple[str, int, bool]] = Counter()
        for timing in result.functions:
            function = design.function(timing.name)
            counts = self.count_function(function, timing, partitions)
            for name, value in counts.lut.items():
                if value:
                    total.lut[name] += value
            for name, value in counts.ff.items():
                if value:
                    total.ff[name] += value
            if len(result.functions) > 1:
                seen.update(counts.ports.keys())
            for name, banks in counts.dual_banks.items():
                total.dual_banks[name] = banks.joined(total.dual_banks.get(name, DualBanks()))
            for key, number in counts.instances.items():
                users[key] += 1
                joined = dataflow or not self._library.timing(key).is_shared
                before = total.instances.get(key, 0)
                total.instances[key] = before + number if joined else max(before, number)
        for array, copies in _local_arrays(design, partitions):
            dual = total.dual_banks.get(array.name, DualBanks())
            cost = memory_cost(array, self._library.memory, dual)
            total.bram_18k += copies * cost.bram_18k
            total.uram += copies * cost.uram
            total.lut["memory"] += copies * cost.lut
            total.ff["memory"] += copies * cost.ff
        total.lut["function_ports"] += sum(n for n in seen.values() if n > 1)
        for key, number in total.instances.items():
            operator = self._library.operator(key)
            inline = operator.dsp == 0 and operator.stages == 1
            total.lut["logic" if inline else "operators"] += operator.lut * number
            total.ff["operators"] += operator.ff * number
            if users[key] > 1 and not dataflow:
                total.lut["shared_operators"] += number
        return total

    def count_function(
        self, function: Function, timing: FunctionResult, partitions: Partitions | None = None
    ) -> Counts:
        """Return the terms of one function (kept, as the scheduler keeps its results)."""
        changed = partitions or {}
        key = (id(timing), tuple(changed.get(a.name, a.partitions) for a in function.arrays))
        found = self._functions.get(key)
        if found is None:
            found = self._functions[key] = (timing, self._count(function, timing, changed))
        return found[1]

    def _count(self, function: Function, timing: FunctionResult, partitions: Partitions) -> Counts:
        counts = Counts()
        arrays = {array.name: self._array(array, partitions) for array in function.arrays}
        regions = self._regions(function)
        steps = dict.fromkeys(regions, 0)
        for loop in _all_loops(timing.loops):
            steps.update(dict.fromkeys(loop.names, 1))
            inner = regions[loop.names[-1]]
            steps[inner.name] = 0
            if not loop.is_fully_unrolled:
                copies = stride_of_copies(inner, loop.unroll, arrays.values())
                steps[inner.name] = copies // inner.step
        frame = _Frame(arrays, steps, {name: loop.step for name, loop in regions.items()})
        for body in timing.schedules:
            self._add_body(counts, body, frame, (), 1, {})
        for loop in timing.loops:
            self._add_loop(counts, loop, frame, 1, {})
        counts.instances = self._instances(timing.schedules, timing.loops, counts.bodies)
        if function.dataflow:
            # tasks run at the same time: none lends its operators to another
            tasks = [self._instances((), (loop,), counts.bodies) for loop in timing.loops]
            tasks.append(self._instances(timing.schedules, (), counts.bodies))
            counts.instances = dict(sum((Counter(task) for task in tasks), Counter()))
        for key, number in self._addresses.of(function, timing.loops, arrays).items():
            counts.instances[key] = counts.instances.get(key, 0) + number
        counts.lut["sequential_control"] += mux_lut(counts.states + 1)
        counts.ff["sequential_control"] += counts.states
        counts.ff["values"] += sum(counts.shared_bits.values())
        counts.lut["functions"] += 1
        counts.ff["functions"] += 1
        _add_ports(counts)
        for key, controllers in counts.controllers.items():
            if controllers > 1 and self._library.timing(key).is_shared:
                shared = controllers * counts.instances.get(key, 0)
                counts.lut["operator_controllers"] += shared
                counts.ff["operator_controllers"] += shared
        return counts

    def _regions(self, function: Function) -> dict[str, Loop]:
        """The loops of a function by name (kept, and the function so that its identity stays)."""
        known = self._loops.get(id(function))
        if known is None:
            found = {loop.name: loop for loop in all_loops(function.body)}
            known = self._loops[id(function)] = function, found
        return known[1]

    def _array(self, array: Array, partitions: Partitions) -> Array:
        """The array with other partitions (kept, and the original so that its identity stays)."""
        wanted = partitions.get(array.name, array.partitions)
        if wanted == array.partitions:
            return array
        known = self._arrays.get((id(array), wanted))
        if known is None:
            known = self._arrays[id(array), wanted] = array, replace(array, partitions=wanted)
        return known[1]

    def _instances(
        self,
        bodies: tuple[BodySchedule, ...],
        loops: tuple[LoopResult, ...],
        known: Mapping[int, BodyTerms],
    ) -> dict[OperatorKey, int]:
        """Operators of a controller: its own states', and those of the loops that it runs.

        Loops run one after the other and share, except for the dividers of pipelines, which stay
        in the function that a pipeline is made into.  Between the copies of a pipelined loop in an
        unrolled one, code overlaps the running copy, and needs operators of its own.
        """
        own: dict[OperatorKey, int] = {}
        for body in bodies:
            terms = known[id(body)]
            for key, number in terms.cost.instances:
                if self._library.timing(key).is_shared:
                    own[key] = max(own.get(key, 0), number)
                else:
                    own[key] = own.get(key, 0) + terms.operations[key]
        inner: dict[OperatorKey, int] = {}
        for loop in loops:
            for key, number in self._instances(loop.schedules, loop.children, known).items():
                if self._library.timing(key).is_shared and not is_divider(key):
                    inner[key] = max(inner.get(key, 0), number)
                else:
                    inner[key] = inner.get(key, 0) + number * max(1, loop.copies)
        names = [loop.names for loop in loops if loop.is_pipelined]
        eager = any(b.is_eager and b.is_pipelined for loop in loops for b in loop.schedules)
        overlaps = len(set(names)) < len(names) or eager
        for key, number in inner.items():
            joined = overlaps or not self._library.timing(key).is_shared
            own[key] = own.get(key, 0) + number if joined else max(own.get(key, 0), number)
        return own

    def _add_loop(
        self,
        counts: Counts,
        loop: LoopResult,
        frame: _Frame,
        copies: int,
        copy: Mapping[str, int],
    ) -> None:
        copies *= max(1, loop.copies)
        for body in loop.schedules:
            self._add_body(counts, body, frame, loop.names, copies, copy)
        seen: Counter[tuple[str, ...]] = Counter()
        variable = loop.names[-1]
        for child in loop.children:
            more = seen[child.names] * frame.strides[variable]
            seen[child.names] += 1
            self._add_loop(counts, child, frame, copies, {**copy, variable: more})
        if loop.is_fully_unrolled:
            return
        trips = max(1, loop.trip_count_max) * max(1, loop.unroll)
        bits = math.ceil(math.log2(trips + 1))
        counters = max(1, len(loop.names))
        compare = 11 if loop.unroll == 1 else 0
        counts.lut["counters"] += copies * counters * (bits + 7 + compare + 9)
        counts.ff["counters"] += copies * counters * bits * (1 if loop.is_pipelined else 2)
        counts.lut["loops"] += copies
        counts.lut["flattened"] += copies * (len(loop.names) - 1)
        counts.ff["loops"] += copies
        if loop.is_pipelined:
            counts.lut["pipelines"] += copies
            counts.ff["pipelines"] += copies

    def _add_body(
        self,
        counts: Counts,
        body: BodySchedule,
        frame: _Frame,
        ivs: tuple[str, ...],
        copies: int,
        copy: Mapping[str, int],
    ) -> None:
        arrays, steps = frame.arrays, frame.steps
        terms = counts.bodies[id(body)] = self._meter.terms(body, arrays, steps, ivs)
        for name, banks in terms.dual_banks:
            counts.dual_banks[name] = banks.joined(counts.dual_banks.get(name, DualBanks()))
        for term, amount in terms.lut:
            counts.lut[term] += copies * amount
        for term, amount in terms.ff:
            if term == "shift_registers" and self._constants.shares_shift_registers:
                counts.ff[term] = max(counts.ff[term], copies * amount)
            else:
                counts.ff[term] += copies * amount
        counts.states += copies * terms.states
        cost = terms.cost
        for source, bits in cost.shared_bits.items():
            access, *rest = source
            if isinstance(access, Access):
                shift = bank_shift(access, arrays[access.array], steps, copy)
                source = (access.array, *rest, shift)
            counts.shared_bits[source] = max(counts.shared_bits.get(source, 0), bits)
        for key, _ in cost.instances:
            if cost.is_pipelined:
                counts.controllers[key] += copies
            elif key not in counts.own_operators:
                counts.own_operators.add(key)
                counts.controllers[key] += 1
        for port, number in terms.ports.items():
            users = counts.ports[port]
            if cost.is_pipelined:
                users += [number] * copies
            else:
                users[0] += copies * number


def _add_ports(counts: Counts) -> None:
    """What the accesses of a function to each memory port cost."""
    total = shared = controllers = 0
    muxes = 0.0
    for users in counts.ports.values():
        accesses = [number for number in users if number]
        total += sum(accesses)
        for number in accesses:
            if number > 1:
                muxes += mux_lut(number + 1)
                shared += 1
        if len(accesses) > 1:
            controllers += len(accesses)
    counts.lut["accesses"] += total
    counts.ff["accesses"] += total
    counts.lut["port_muxes"] += muxes
    counts.lut["shared_ports"] += shared
    counts.lut["port_controllers"] += controllers
    counts.ff["port_controllers"] += controllers


def _unmeasured(operators: Iterable[Operator]) -> tuple[str, ...]:
    """Operators by kind and type, where stages or area are not measured; logic is not named."""
    found: set[str] = set()
    for item in operators:
        if item.stages > 1 or item.dsp:
            if item.extrapolated:
                found.add(f"{item.kind} {item.type}")
            elif item.area_assumed:
                found.add(f"{item.kind} {item.type} (area only)")
    return tuple(sorted(found))


def estimate_resources(
    design: Design, result: DesignResult, library: OperatorLibrary
) -> ResourceReport:
    """Return the resources of a scheduled design (see :class:`ResourceModel`)."""
    return ResourceModel(library).estimate(design, result)


def _partitioned(array: Array, partitions: Partitions) -> Array:
    wanted = partitions.get(array.name, array.partitions)
    return array if wanted == array.partitions else replace(array, partitions=wanted)


def _local_arrays(design: Design, partitions: Partitions | None) -> list[tuple[Array, int]]:
    """Arrays inside the design and how often they exist.

    Functions made from one body list the same ones, which count once. What one task of a dataflow
    region hands to another in a memory exists twice: one is filled while the other one is read.
    """
    changed = partitions or {}
    found: dict[tuple[str, Array], int] = {}
    for function in design.functions:
        owner = function.name if design.calls else ""
        handed = _handed_over(function)
        for array in function.arrays:
            if not array.is_argument:
                key = owner, _partitioned(array, changed)
                found[key] = max(found.get(key, 1), 2 if array.name in handed else 1)
    return [(array, copies) for (_, array), copies in found.items()]


def _handed_over(function: Function) -> frozenset[str]:
    """Arrays in memories, not streams, that several tasks of a dataflow function use."""
    if not function.dataflow:
        return frozenset()
    users: Counter[str] = Counter()
    for task in function.body:
        users.update({op.access.array for op in operations((task,)) if op.access})
    streams = {a.name for a in function.arrays if a.storage.type.lower() == "fifo"}
    return frozenset(name for name, number in users.items() if number > 1) - streams


def _all_loops(loops: tuple[LoopResult, ...]) -> Iterator[LoopResult]:
    for loop in loops:
        yield loop
        yield from _all_loops(loop.children)
