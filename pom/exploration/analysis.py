"""Numbers of a timed design that the report draws: work, traffic, roofs, and who runs when."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from pom.dse.charts import Span
from pom.ir.poly import PolyProgram
from pom.qor_model.region import OpKind
from pom.qor_model.resources import ResourceReport
from pom.qor_model.schedule_result import BodySchedule, DesignResult, LoopResult, ScheduledOp

_MEMORY = frozenset({OpKind.LOAD, OpKind.STORE})
_FREE = _MEMORY | {OpKind.CONST, OpKind.INDEX, OpKind.CALL, OpKind.CAST}
PORTS = 2
"""Ports of a bank of block RAM."""
MAX_BODY_ROWS = 24


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one run of a design does: arithmetic operations, and elements read or written."""

    operations: float
    elements: float

    @property
    def intensity(self) -> float:
        """Operations per element accessed."""
        return self.operations / self.elements if self.elements else 0.0


def traffic(result: DesignResult) -> Traffic:
    """Operations and accesses of the top function, from its schedules and trip counts."""
    operations = elements = 0.0

    def count(schedules: tuple[BodySchedule, ...], runs: float) -> None:
        nonlocal operations, elements
        for schedule in schedules:
            kinds = [s.op.kind for s in schedule.ops]
            elements += runs * sum(kind in _MEMORY for kind in kinds)
            operations += runs * sum(kind not in _FREE for kind in kinds)

    def visit(loops: tuple[LoopResult, ...], runs: float) -> None:
        for loop in loops:
            if not loop.is_fully_unrolled:
                count(loop.schedules, runs * loop.trip_count)
                visit(loop.children, runs * loop.trip_count)

    top = result.function(result.top)
    count(top.schedules, 1.0)
    visit(top.loops, 1.0)
    return Traffic(operations, elements)


def peak_operations(resources: ResourceReport, limits: tuple[tuple[str, int], ...]) -> float:
    """Operations per cycle if the limits were filled with the design's own mix of operators."""
    operators = sum(n for key, n in resources.operators if key.kind not in _FREE)
    shares = [
        limit / used
        for name, limit in limits
        if name in ("dsp", "lut") and (used := int(getattr(resources.total, name)))
    ]
    return operators * max(min(shares, default=1.0), 1.0)


def port_bandwidth(program: PolyProgram) -> float:
    """Elements per cycle that the ports of all arrays deliver, as they are partitioned."""
    total = 0.0
    for name, array in program.arrays.items():
        banks = 1
        for partition in program.directives_of(name).partitions:
            dims = range(1, len(array.type.shape) + 1) if partition.dim == 0 else (partition.dim,)
            for dim in dims:
                size = array.type.shape[dim - 1]
                banks *= size if partition.kind == "complete" else min(partition.factor, size)
        total += PORTS * banks
    return total


def nest_spans(result: DesignResult) -> tuple[str, tuple[Span, ...]]:
    """Loops that run one after the other, in the outermost place where there are several.

    Returns
    -------
    place : str
        The loop of which one iteration is shown; empty for the whole design.
    spans : tuple of Span
    """
    place, loops = "", result.function(result.top).loops
    while len(loops) == 1 and len(loops[0].children) > 1:
        place, loops = "+".join(loops[0].names), loops[0].children
    spans = []
    at = 0.0
    for loop in loops:
        name = "+".join(loop.names)
        label = f"{name}: {loop.latency_cycles:,.0f} cycles from {at:,.0f}"
        spans.append(Span(name, at, at + loop.latency_cycles, label, "float"))
        at += loop.latency_cycles
    return place, tuple(spans)


def slowest_body(result: DesignResult) -> tuple[str, BodySchedule] | None:
    """The loop body in which most of the time is spent, with the name of its loop."""
    best: tuple[float, str, BodySchedule] | None = None

    def visit(loops: tuple[LoopResult, ...], runs: float) -> None:
        nonlocal best
        for loop in loops:
            total = runs * loop.latency_cycles
            if loop.schedules and not loop.children and (best is None or total > best[0]):
                longest = max(loop.schedules, key=lambda s: s.length)
                best = (total, "+".join(loop.names), longest)
            visit(loop.children, runs * loop.trip_count)

    visit(result.function(result.top).loops, 1.0)
    return None if best is None else best[1:]


def body_spans(schedule: BodySchedule) -> tuple[Span, ...]:
    """A row per operator and array; copies that run in the same cycles are one bar."""
    grouped: dict[tuple[str, int, int], int] = defaultdict(int)
    kinds: dict[str, str] = {}
    ordered = sorted(schedule.ops, key=lambda s: (s.start_cycle, s.end_cycle, s.op.id, s.copy))
    for item in ordered:
        if item.op.kind not in (OpKind.CONST, OpKind.INDEX):
            row = _row(item)
            grouped[row, item.start_cycle, item.end_cycle] += 1
            kinds[row] = "memory" if item.op.kind in _MEMORY else "float"
    rows = list(kinds)[:MAX_BODY_ROWS]
    return tuple(
        Span(
            row,
            start,
            end + 1,
            f"{count} × {row}: cycles {start} to {end}",
            kinds[row],
        )
        for (row, start, end), count in grouped.items()
        if row in rows
    )


def _row(item: ScheduledOp) -> str:
    if item.op.access is not None:
        return f"{item.op.kind} {item.op.access.array}"
    return f"{item.op.kind} {item.op.dtype}"
