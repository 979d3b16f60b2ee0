"""Latency of a design: every loop scheduled, then put together as the tool's state machines do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pom.errors import PomError
from pom.qor_model.banks import ArrayBanks
from pom.qor_model.defaults import resolve
from pom.qor_model.inline import inline_functions
from pom.qor_model.leaf import Timed
from pom.qor_model.nest import NestScheduler
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    Array,
    Block,
    Design,
    Function,
    If,
    Loop,
    LoopDirectives,
    OpKind,
    Partition,
    Region,
    with_loop_directives,
)
from pom.qor_model.schedule_result import DesignResult, FunctionResult
from pom.qor_model.settings import DEFAULT_EFFORT, VITIS_DEFAULTS, Effort, ToolSettings
from pom.qor_model.tasks import Bodies, Machine, Operators, TaskMaker

Directives = Mapping[str, LoopDirectives]
Partitions = Mapping[str, tuple[Partition, ...]]
_FunctionKey = tuple[str, tuple[object, ...], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _Members:
    """What is inside a region: loops and arrays by name, and called functions."""

    loops: tuple[str, ...]
    arrays: tuple[str, ...]
    calls: tuple[str, ...]


@dataclass(slots=True)
class LatencyModel:
    """Latency of one program on one device and clock, for any directives.

    Schedules of loop bodies are kept, keyed by the directives and the partitions that influence
    them, so that estimating the next design costs only what has changed.

    Parameters
    ----------
    design : Design
    library : OperatorLibrary
    settings : ToolSettings
        What the tool does by itself.
    effort : Effort
        A design that takes more work to estimate is refused (POM-Q006, POM-Q007).
    folds : bool
        Count lanes that are copies of each other instead of laying them out, where that is proved
        to give the same numbers; the schedules of such bodies do not list their operations.
    """

    design: Design
    library: OperatorLibrary
    settings: ToolSettings = VITIS_DEFAULTS
    effort: Effort = DEFAULT_EFFORT
    folds: bool = False
    _machine: Machine = field(init=False)
    _members: dict[int, _Members] = field(default_factory=dict)
    _functions: dict[_FunctionKey, FunctionResult] = field(default_factory=dict)
    _banks: dict[tuple[str, tuple[Partition, ...]], ArrayBanks] = field(default_factory=dict)
    _makers: dict[object, TaskMaker] = field(default_factory=dict)
    _loops: dict[object, Timed] = field(default_factory=dict)
    _operators: dict[str, Operators] = field(default_factory=dict)
    _bodies: Bodies = field(default_factory=dict)
    _with_directives: dict[_FunctionKey, Function] = field(default_factory=dict)
    _arrays: dict[tuple[int, tuple[Partition, ...]], Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.design = inline_functions(self.design)
        memory = self.library.memory
        self._machine = Machine(
            self.library, self.library.effective_clock_ns, memory.stages, memory.bram_out_ns,
            memory.bram_in_ns, self.settings, self.effort, self.folds,
        )  # fmt: skip

    def estimate(
        self, loops: Directives | None = None, partitions: Partitions | None = None
    ) -> DesignResult:
        """Latency with other directives than those of the design.

        Parameters
        ----------
        loops : mapping, optional
            Directives by loop name; loops that are not named keep theirs.
        partitions : mapping, optional
            Partitions by array name; arrays that are not named keep theirs.
        """
        found: dict[str, FunctionResult] = {}
        top = self._function(self.design.top, loops or {}, partitions or {}, found, ())
        order = [f.name for f in self.design.functions if f.name in found]
        latency = top.latency_cycles
        return DesignResult(
            self.design.top, latency, top.interval_cycles, tuple(found[n] for n in order),
            self.library.clock_ns,
        )  # fmt: skip

    def with_directives(
        self, loops: Directives | None = None, partitions: Partitions | None = None
    ) -> Design:
        """The design that :meth:`estimate` times for these arguments."""
        asked, split = loops or {}, partitions or {}
        changed = tuple(self._changed(function, asked, split) for function in self.design.functions)
        return replace(self.design, functions=changed)

    def _changed(self, function: Function, loops: Directives, partitions: Partitions) -> Function:
        """A function with other directives: the same one as before for the same directives."""
        own = self._inside(id(function), function.body).loops
        arrays = tuple(self._array(a, partitions) for a in function.arrays)
        key = (function.name, tuple(loops.get(name) for name in own), tuple(map(id, arrays)))
        found = self._with_directives.get(key)
        if found is None:
            body = with_loop_directives(function.body, dict(loops))
            found = replace(function, body=body, arrays=arrays)
            self._with_directives[key] = found
        return found

    def _array(self, array: Array, partitions: Partitions) -> Array:
        """An array with other partitions: the same one as before for the same partitions."""
        key = (id(array), partitions.get(array.name, array.partitions))
        found = self._arrays.get(key)
        if found is None:
            found = self._arrays[key] = replace(array, partitions=key[1])
        return found

    def _function(
        self,
        name: str,
        loops: Directives,
        partitions: Partitions,
        found: dict[str, FunctionResult],
        active: tuple[str, ...],
    ) -> FunctionResult:
        if name in active:
            raise PomError("POM-Q003", f"the function {name} calls itself")
        function = self.design.function(name)
        members = self._inside(id(function), function.body)
        callees = {
            callee: self._function(callee, loops, partitions, found, (*active, name))
            for callee in members.calls
        }
        key = (
            name,
            tuple(loops.get(item) for item in members.loops),
            (
                tuple(partitions.get(item) for item in members.arrays),
                tuple(callees[c].latency_cycles for c in members.calls),
            ),
        )
        result = self._functions.get(key)
        if result is None:
            result = self._schedule(function, members, loops, partitions, callees)
            self._functions[key] = result
        found[name] = result
        return result

    def _schedule(
        self,
        function: Function,
        members: _Members,
        loops: Directives,
        partitions: Partitions,
        callees: Mapping[str, FunctionResult],
    ) -> FunctionResult:
        directives = resolve(function.body, loops, self.settings)
        maker = self._maker(function, partitions)
        maker.call_states = {name: r.latency_cycles + 1 for name, r in callees.items()}
        calls = tuple((c, r.latency_cycles) for c, r in sorted(callees.items()))

        def key(loop: Loop) -> object:
            inside = self._inside(id(loop), (loop,))
            return (
                function.name, loop.name, tuple(directives[n] for n in inside.loops),
                tuple(maker.banks[a].array.partitions for a in inside.arrays if a in maker.banks),
                calls if inside.calls else (),
            )  # fmt: skip

        nest = NestScheduler(
            maker, directives, self._loops, key, lambda name: callees[name].latency_cycles + 1
        )
        if function.dataflow:
            total, interval, children, schedules = nest.run_dataflow(function.body)
        else:
            states, children, schedules = nest.run(function.body)
            total = interval = float(states)
        return FunctionResult(
            function.name, total - 1, children, schedules, members.calls, interval
        )

    def _maker(self, function: Function, partitions: Partitions) -> TaskMaker:
        wanted = tuple(partitions.get(a.name, a.partitions) for a in function.arrays)
        key = (function.name, wanted)
        maker = self._makers.get(key)
        if maker is None:
            arrays = tuple(
                a if split == a.partitions else replace(a, partitions=split)
                for a, split in zip(function.arrays, wanted, strict=True)
            )
            operators = self._operators.setdefault(function.name, {})
            maker = TaskMaker.for_arrays(
                self._machine, arrays, self._banks, operators, self._bodies
            )
            self._makers[key] = maker
        return maker

    def _inside(self, key: int, regions: tuple[Region, ...]) -> _Members:
        found = self._members.get(key)
        if found is None:
            loops: list[str] = []
            arrays: dict[str, None] = {}
            calls: dict[str, None] = {}
            _walk(regions, loops, arrays, calls)
            found = _Members(tuple(loops), tuple(arrays), tuple(calls))
            self._members[key] = found
        return found


def _walk(
    regions: tuple[Region, ...],
    loops: list[str],
    arrays: dict[str, None],
    calls: dict[str, None],
) -> None:
    for region in regions:
        match region:
            case Loop():
                loops.append(region.name)
                _walk(region.body, loops, arrays, calls)
            case If():
                _walk(region.then_body, loops, arrays, calls)
                _walk(region.else_body, loops, arrays, calls)
            case Block():
                for op in region.ops:
                    if op.access is not None:
                        arrays[op.access.array] = None
                    if op.kind is OpKind.CALL:
                        calls[op.callee] = None


def estimate_latency(
    design: Design,
    library: OperatorLibrary,
    settings: ToolSettings = VITIS_DEFAULTS,
    effort: Effort = DEFAULT_EFFORT,
    *,
    folds: bool = False,
) -> DesignResult:
    """Latency of a design with the directives that it has.

    Parameters
    ----------
    design : Design
    library : OperatorLibrary
        Operators of the device at the clock.
    settings : ToolSettings
        What the tool does by itself.
    effort : Effort
        A design that takes more work to estimate is refused (POM-Q006, POM-Q007).
    folds : bool
        See :class:`LatencyModel`.
    """
    return LatencyModel(design, library, settings, effort, folds).estimate()
