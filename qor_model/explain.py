"""Why an estimate is what it is: a row per loop, and what to change first to go faster."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pom.qor_model.advice import advise
from pom.qor_model.region import Design, SourceLoc
from pom.qor_model.resources import ResourceReport
from pom.qor_model.resources_routed import estimate_routed
from pom.qor_model.schedule_result import DesignResult, Limit, LimitKind, LoopResult


@dataclass(frozen=True, slots=True)
class LoopRow:
    """One line of the table.

    Parameters
    ----------
    function : str
    depth : int
        Nesting, 0 for a top-level loop.
    name : str
        The loop; several joined by ``+`` where they execute as one.
    trip_count : float
    ii : int or None
    limit : Limit
        What keeps the interval from being smaller.
    iteration_latency, latency_cycles : float
    total_cycles : float
        Of all executions in one run of the design.
    unroll : int
    loc : SourceLoc or None
    share : float
        In which part of the iterations around it a guard lets it run.
    """

    function: str
    depth: int
    name: str
    trip_count: float
    ii: int | None
    limit: Limit
    iteration_latency: float
    latency_cycles: float
    total_cycles: float
    unroll: int
    loc: SourceLoc | None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """The estimate of a design in readable form."""

    kernel: str
    device: str
    clock_ns: float
    latency_cycles: float
    rows: tuple[LoopRow, ...]
    advice: str
    resources: ResourceReport | None = None
    available: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        found: dict[str, Any] = {
            "kernel": self.kernel,
            "device": self.device,
            "clock_ns": self.clock_ns,
            "latency_cycles": self.latency_cycles,
            "latency_us": self.latency_cycles * self.clock_ns / 1000.0,
            "loops": [_row_json(row) for row in self.rows],
            "advice": self.advice,
        }
        if self.resources is not None:
            found["resources"] = {
                name: {"used": used, "available": total, "share": used / total if total else None}
                for name, used, total in self.usage()
            }
            routed = estimate_routed(self.resources.total)
            found["routed"] = {
                "routed_dsp": routed.routed_dsp,
                "routed_lut": routed.routed_lut,
                "routed_ff": routed.routed_ff,
                "routed_bram_18k": routed.routed_bram_18k,
                "routed_uram": routed.routed_uram,
                "routed_dynamic_power_mw": routed.routed_dynamic_power_mw,
            }
            found["functions"] = {
                name: {"dsp": used.dsp, "lut": used.lut, "ff": used.ff}
                for name, used in self.resources.functions
            }
            found["extrapolated"] = self.resources.extrapolated
            found["unmeasured_operators"] = list(self.resources.unmeasured)
        return found

    def usage(self) -> list[tuple[str, int, int]]:
        """Resource, number used, number on the device."""
        if self.resources is None:
            return []
        total = self.resources.total
        return [(name, int(getattr(total, name)), n) for name, n in self.available]

    def _function_lines(self) -> list[str]:
        """What each function would need alone, where there are several."""
        if self.resources is None or len(self.resources.functions) < 2:
            return []
        lines = ["by function (operators that functions share are in each of them):"]
        for name, used in self.resources.functions:
            lines.append(f"  {name:<26}{used.dsp:>7,} DSP{used.lut:>10,} LUT{used.ff:>10,} FF")
        return lines

    def text(self) -> str:
        """As a table for people."""
        lines = [
            (
                f"{self.kernel} on {self.device} at {self.clock_ns:g} ns: "
                f"{self.latency_cycles:,.0f} cycles = "
                f"{self.latency_cycles * self.clock_ns / 1000.0:,.2f} us"
            ),
            "",
            (
                f"{'loop':<28}{'trip count':>12}{'II':>5}{'iter. lat.':>12}{'latency':>16}"
                f"  {'limited by':<28}where"
            ),
        ]
        for row in self.rows:
            name = "  " * row.depth + row.name
            name += f" (x{row.unroll})" if row.unroll > 1 else ""
            ii = "-" if row.ii is None else str(row.ii)
            where = "" if row.loc is None else str(row.loc)
            if row.share < 1.0:
                where += f"  in {100.0 * row.share:.3g} % of the iterations around it"
            lines.append(
                f"{name:<28}{row.trip_count:>12,.10g}{ii:>5}{row.iteration_latency:>12,.10g}"
                f"{row.latency_cycles:>16,.0f}  {limit_text(row.limit):<28}{where}"
            )
        if self.resources is not None:
            lines.append("")
            for name, used, total in self.usage():
                share = f"{100.0 * used / total:.1f} %" if total else "-"
                lines.append(f"{name:<10}{used:>10,} of {total:>9,}  {share:>8}")
            lines += self._function_lines()
            routed = estimate_routed(self.resources.total)
            lines.append(
                f"after place and route, roughly: {routed.routed_lut:,} LUT, {routed.routed_ff:,} FF, "
                f"{routed.routed_dynamic_power_mw:,.0f} mW dynamic"
            )
            if self.resources.unmeasured:
                lines += _wrapped(
                    "not measured on this device at this clock, but extrapolated: "
                    + ", ".join(self.resources.unmeasured)
                )
        lines += ["", f"first: {self.advice}"]
        return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 110, subsequent_indent="  ")


def explain(
    design: Design,
    result: DesignResult,
    device: str,
    resources: ResourceReport | None = None,
    available: tuple[tuple[str, int], ...] = (),
) -> Explanation:
    """Explain a result.

    Parameters
    ----------
    design : Design
    result : DesignResult
    device : str
    resources : ResourceReport, optional
    available : tuple of (str, int)
        What the device has, by the names of `Resources`.
    """
    rows: list[LoopRow] = []
    for function in result.functions:
        for loop in function.loops:
            rows += _rows(function.name, loop, 0, 1.0)
    return Explanation(
        design.top, device, result.clock_ns, result.latency_cycles, tuple(rows),
        first_change(design, tuple(rows), result), resources, available,
    )  # fmt: skip


def _rows(function: str, loop: LoopResult, depth: int, runs: float) -> Iterator[LoopRow]:
    yield LoopRow(
        function, depth, _name(loop), loop.trip_count, loop.ii, loop.limit,
        loop.iteration_latency, loop.latency_cycles, runs * loop.latency_cycles, loop.unroll,
        loop.loc, loop.share,
    )  # fmt: skip
    seen: set[tuple[str, ...]] = set()
    for child in loop.children:
        if child.names in seen:
            continue
        seen.add(child.names)
        copies = sum(c.names == child.names for c in loop.children)
        entered = runs * loop.trip_count * copies * child.share
        yield from _rows(function, child, depth + 1, entered)


def limit_text(limit: Limit) -> str:
    """A limit in words."""
    match limit.kind:
        case LimitKind.NONE:
            return "nothing"
        case LimitKind.REQUESTED:
            return "the II asked for"
        case LimitKind.RECURRENCE:
            return f"recurrence on {limit.subject}"
        case LimitKind.PORTS:
            return f"ports of {limit.subject}"
        case LimitKind.OPERATOR:
            return f"operator {limit.subject}"
        case LimitKind.NOT_PIPELINED:
            return "not pipelined"


def first_change(design: Design, rows: tuple[LoopRow, ...], result: DesignResult) -> str:
    """The first thing to change: at the innermost loop in which most of the time is spent."""
    leaves = [
        row for n, row in enumerate(rows) if n + 1 == len(rows) or rows[n + 1].depth <= row.depth
    ]
    if not leaves:
        return "there is no loop; the time is the straight-line code's"
    worst = max(leaves, key=lambda row: row.total_cycles)
    share = 100.0 * min(1.0, worst.total_cycles / max(1.0, result.latency_cycles))
    loop = next(
        loop for loop in _flat(result.function(worst.function).loops) if _name(loop) == worst.name
    )
    return f"loop {worst.name} takes {share:.0f} % of the time; " + advise(
        design, worst.function, loop
    )


def _flat(loops: tuple[LoopResult, ...]) -> Iterator[LoopResult]:
    for loop in loops:
        yield loop
        yield from _flat(loop.children)


def _name(loop: LoopResult) -> str:
    return "+".join(loop.names)


def _row_json(row: LoopRow) -> dict[str, Any]:
    return {
        "function": row.function,
        "depth": row.depth,
        "loop": row.name,
        "trip_count": row.trip_count,
        "ii": row.ii,
        "limited_by": {"kind": row.limit.kind.value, "subject": row.limit.subject},
        "iteration_latency": row.iteration_latency,
        "latency_cycles": row.latency_cycles,
        "total_cycles": row.total_cycles,
        "unroll": row.unroll,
        "share": row.share,
        "file": None if row.loc is None else row.loc.file,
        "line": None if row.loc is None else row.loc.line,
    }
