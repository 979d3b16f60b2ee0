"""What the scheduler returns: the timing of every loop body, loop, function and design.

The resource half of the model reads these values: it needs, for every loop body, which operator
is busy in which slot of the initiation interval (to share operators), when each value is made
and last used (pipeline registers), and how often each loop is repeated in hardware.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol

from pom.qor_model.region import Op, OpKind, ScalarType, SourceLoc


@dataclass(frozen=True, slots=True, order=True)
class OperatorKey:
    """What decides which hardware operator an operation needs."""

    kind: OpKind
    dtype: ScalarType
    operand_types: tuple[ScalarType, ...] = ()
    constant_operands: int = 0
    impl: str = ""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "_hash",
            hash((self.kind, self.dtype, self.operand_types, self.constant_operands, self.impl)),
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[OperatorKey], tuple[object, ...]]:
        # the hash of a text differs between processes
        return OperatorKey, (
            self.kind,
            self.dtype,
            self.operand_types,
            self.constant_operands,
            self.impl,
        )


@lru_cache(maxsize=4096)
def key_text(key: OperatorKey) -> str:
    """The text of a key, by which lists of operators are sorted."""
    return str(key)


@dataclass(frozen=True, slots=True)
class OperatorTiming:
    """Timing of one operator at one clock on one device.

    Parameters
    ----------
    latency_cycles : int
        Register stages inside: 0 is combinational; a result of an operation that starts in
        cycle s exists in cycle s + latency_cycles.
    delay_in_ns : float
        From an input to the first register (the whole delay when combinational).
    delay_out_ns : float
        From the last register to the output (0 when combinational).
    initiation_interval : int
        Cycles between two inputs (1: fully pipelined).
    is_shared : bool
        Whether the tool shares instances of it between operations in different cycles.
    """

    latency_cycles: int
    delay_in_ns: float
    delay_out_ns: float = 0.0
    initiation_interval: int = 1
    is_shared: bool = True


class OperatorTimes(Protocol):
    """Where the scheduler gets operator timings from (the operator library)."""

    def timing(self, op: OperatorKey) -> OperatorTiming:
        """Timing of an operator."""


class LimitKind(StrEnum):
    """What keeps an initiation interval from being smaller."""

    NONE = "none"
    REQUESTED = "requested"
    RECURRENCE = "recurrence"
    PORTS = "memory ports"
    OPERATOR = "operator"
    NOT_PIPELINED = "not pipelined"

    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True)
class Limit:
    """The reason of an initiation interval, with what it concerns (array, operator, chain)."""

    kind: LimitKind
    subject: str = ""
    detail: str = ""


class ScheduledOp(NamedTuple):
    """One copy of an operation in a loop body's schedule.

    Parameters
    ----------
    op : Op
    copy : int
        Which unrolled copy (0 when the body is not unrolled).
    start_cycle, end_cycle : int
        First cycle, and the cycle in which the result exists (start + latency).
    start_ns : float
        Time within the first cycle at which its inputs are stable (chaining).
    key : OperatorKey
    bank : int
        Bank of a memory access; negative when it is selected at run time (-1 - first candidate)
        or when this is no memory access.
    operands : tuple of int
        Indices into the schedule's `ops` of the producers in the same body.

    Notes
    -----
    A tuple, because a batch of designs makes hundreds of thousands, three times as fast.
    """

    op: Op
    copy: int
    start_cycle: int
    end_cycle: int
    start_ns: float
    key: OperatorKey
    bank: int = -1
    operands: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BodySchedule:
    """Schedule of a straight-line body (a block, or a pipelined loop's body after unrolling).

    Parameters
    ----------
    ops : tuple of ScheduledOp
    length : int
        Cycles of one iteration (states).
    ii : int
        Initiation interval; equal to `length` when not pipelined.
    limit : Limit
        Why the interval is not smaller.
    instances : tuple of (OperatorKey, int)
        Most copies of each operator that are busy in the same slot.
    is_pipelined : bool
    fold : Fold or None
        Where a wide body was not laid out: the narrow ones that it is known from; `ops` is empty.
    is_eager : bool
        Operations start as early as their inputs and ports allow, even where that takes more
        operators (Vivado HLS 2018 in loops that it was asked to pipeline).
    """

    ops: tuple[ScheduledOp, ...]
    length: int
    ii: int
    limit: Limit
    instances: tuple[tuple[OperatorKey, int], ...] = ()
    is_pipelined: bool = False
    fold: Fold | None = None
    is_eager: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """A wide body as a sum of narrow ones (see `pom.qor_model.fold`).

    Parameters
    ----------
    corners : tuple of (BodySchedule, int)
        Narrow bodies with their weights. Whatever is counted in the wide body is the weighted sum
        of what is counted in these.
    ports : tuple of (array, bank, is_store, accesses)
        Of the wide body, sorted.
    """

    corners: tuple[tuple[BodySchedule, int], ...]
    ports: tuple[tuple[str, int, bool, int], ...]


@dataclass(frozen=True, slots=True)
class LoopResult:
    """Timing of one loop (or of several flattened into one).

    Parameters
    ----------
    names : tuple of str
        The loops that it stands for, outermost first (more than one when flattened).
    trip_count : float
        Iterations executed each time that the loop is entered (mean when it varies), after
        unrolling.
    trip_count_min, trip_count_max : int
    ii : int or None
        Initiation interval; None when the loop is not pipelined.
    iteration_latency : float
    latency_cycles : float
        Of one execution, as the tool reports it (mean when bounds vary).
    unroll : int
        Copies of the body per iteration.
    is_fully_unrolled : bool
        The loop vanished; its body's copies belong to the enclosing body.
    limit : Limit
    schedules : tuple of BodySchedule
        Of the blocks directly inside (one, for a pipelined loop).
    copies : int
        How often this loop exists in hardware one after the other (sequential outer unroll).
    children : tuple of LoopResult
    loc : SourceLoc or None
    share : float
        In which part of the iterations around it it is entered (a guard may leave it out).
    """

    names: tuple[str, ...]
    trip_count: float
    ii: int | None
    iteration_latency: float
    latency_cycles: float
    limit: Limit
    trip_count_min: int = 0
    trip_count_max: int = 0
    unroll: int = 1
    is_fully_unrolled: bool = False
    schedules: tuple[BodySchedule, ...] = ()
    copies: int = 1
    children: tuple[LoopResult, ...] = ()
    loc: SourceLoc | None = None
    share: float = 1.0

    @property
    def is_pipelined(self) -> bool:
        """Whether iterations overlap."""
        return self.ii is not None


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """Timing of one function: its latency, top-level loops and straight-line schedules."""

    name: str
    latency_cycles: float
    loops: tuple[LoopResult, ...] = ()
    schedules: tuple[BodySchedule, ...] = ()
    calls: tuple[str, ...] = ()
    interval_cycles: float = 0.0


@dataclass(frozen=True, slots=True)
class DesignResult:
    """Timing of a design: the top function's latency and every function's result."""

    top: str
    latency_cycles: float
    interval_cycles: float
    functions: tuple[FunctionResult, ...]
    clock_ns: float

    def function(self, name: str) -> FunctionResult:
        """The result of the function of that name."""
        for item in self.functions:
            if item.name == name:
                return item
        raise KeyError(name)

    def all_loops(self) -> tuple[LoopResult, ...]:
        """Every loop of every function, outer ones first."""

        def visit(loops: tuple[LoopResult, ...]) -> tuple[LoopResult, ...]:
            found: tuple[LoopResult, ...] = ()
            for loop in loops:
                found += (loop, *visit(loop.children))
            return found

        return tuple(loop for f in self.functions for loop in visit(f.loops))
