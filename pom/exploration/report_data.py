"""From the result of a search to what its report shows."""

from __future__ import annotations

from pathlib import Path

from pom.dse.charts import Point
from pom.dse.evaluation import Evaluation
from pom.dse.report import LoopRow, ReportData, RoutedRow, SynthesisRow
from pom.exploration.analysis import (
    body_spans,
    nest_spans,
    peak_operations,
    port_bandwidth,
    slowest_body,
    traffic,
)
from pom.exploration.prediction import LABELS
from pom.exploration.result import SearchResult
from pom.qor_model.explain import limit_text

MAX_POINTS = 400
"""Designs beside the front that are drawn."""
FULL = 0.85
"""Share of a limit from which it is what keeps the design from being faster."""
ROOM = 1.5
"""Largest share of a limit of a design that is drawn."""

_LABELS = {"dsp": "DSP", "lut": "LUT", "ff": "FF", "bram_18k": "BRAM 18k", "uram": "URAM"}


def report_data(result: SearchResult) -> ReportData:
    """Everything that the report of `result` shows."""
    problem, outcome = result.outcome.problem, result.outcome
    timing, resources = result.estimate.timing, result.estimate.resources
    moved = traffic(timing)
    body = slowest_body(timing)
    place, spans = nest_spans(timing)
    source = _source(result)
    return ReportData(
        kernel=result.kernel,
        device=problem.device.name,
        clock_ns=problem.clock_ns,
        strategy=outcome.strategy,
        baselines=tuple((b.name, b.latency_cycles) for b in result.baselines),
        best_latency=result.latency_cycles,
        lower_bound=result.lower_bound,
        gap=result.gap,
        is_complete=outcome.is_complete,
        evaluated=outcome.evaluated,
        pruned=outcome.pruned,
        seconds=result.seconds,
        resources=tuple((_LABELS[n], used, limit) for n, used, limit in result.usage),
        points=_points(result),
        loops=_loops(result, source[0]),
        spans=spans,
        spans_place=place,
        body_spans=body_spans(body[1]) if body else (),
        body_name=body[0] if body else "",
        peak_ops=peak_operations(resources, problem.limits.items()),
        bandwidth=port_bandwidth(result.design.program),
        intensity=moved.intensity,
        achieved_ops=moved.operations / max(result.latency_cycles, 1.0),
        checks=_checks(result),
        schedule_text=result.schedule_source(),
        cpp_text=result.cpp,
        source_name=Path(source[0]).name,
        source_text=source[1],
        routed=_routed(result),
        routed_note=result.reranking.reason if result.reranking else "",
        synthesised=_synthesised(result),
        synthesis_note=result.synthesis.note if result.synthesis else "",
        advice=_advice(result),
        bound_by=result.bound_text,
    )


def _advice(result: SearchResult) -> str:
    """What to change first: the limit that is reached, or what the model says of the loops."""
    full = [
        f"{_LABELS[name]} ({used:,} of {limit:,})"
        for name, used, limit in result.usage
        if limit and used >= FULL * limit
    ]
    if full:
        return f"The design uses up what it was given of {' and '.join(full)}."
    return result.estimate.explanation.advice


def _points(result: SearchResult) -> tuple[Point, ...]:
    limits = result.outcome.problem.limits
    best = result.finalist.evaluation
    front = {p.evaluation for p in result.front}

    def point(e: Evaluation, kind: str, note: str = "") -> Point:
        used = ", ".join(f"{_LABELS[n]} {v:,}" for n, v in e.resources.items() if v)
        text = f"{e.latency_cycles:,.0f} cycles; {used}{note}"
        return Point(100.0 * e.resources.share(limits), e.latency_cycles, text, kind)

    # what needs far more than the limits would only squeeze the designs that fit
    others = [
        d
        for d in result.outcome.designs
        if d not in front and d != best and d.resources.share(limits) <= ROOM
    ][:MAX_POINTS]
    return (
        *(point(e, "other") for e in others),
        *(
            point(p.evaluation, "front", "" if p.is_checked else "; not executed")
            for p in result.front
            if p.evaluation != best
        ),
        point(best, "best"),
    )


def _loops(result: SearchResult, file: str) -> tuple[LoopRow, ...]:
    return tuple(
        LoopRow(
            row.name,
            row.depth,
            row.loc.line if row.loc is not None and row.loc.file == file else None,
            row.trip_count,
            row.ii,
            row.iteration_latency,
            row.latency_cycles,
            limit_text(row.limit),
            row.unroll,
        )
        for row in result.estimate.explanation.rows
    )


def _source(result: SearchResult) -> tuple[str, str]:
    """The user's file and its text; empty where it cannot be read any more."""
    place = result.outcome.problem.kernel.location
    if place is None:
        return "", ""
    try:
        return place.file, Path(place.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return place.file, ""


def _routed(result: SearchResult) -> tuple[RoutedRow, ...]:
    found = result.reranking
    verdict = found.of(result.finalist.evaluation) if found and found.is_used else None
    if verdict is None:
        return ()
    device = result.outcome.problem.device
    return tuple(
        RoutedRow(LABELS[e.metric], e.value, e.low, e.high, getattr(device, e.metric, None))
        for e in verdict.prediction.estimates
    )


def _synthesised(result: SearchResult) -> tuple[SynthesisRow, ...]:
    if result.synthesis is None:
        return ()
    return tuple(
        SynthesisRow(
            m.evaluation.latency_cycles,
            m.latency_cycles,
            m.clock_ns,
            tuple((_LABELS[n], used) for n, used in m.resources.items()) if m.resources else (),
            m.evaluation == result.finalist.evaluation,
            m.reason,
        )
        for m in result.synthesis.measured
    )


def _checks(result: SearchResult) -> tuple[tuple[str, bool, str], ...]:
    rows = [
        (
            "translation validation",
            True,
            (
                "the loops run exactly the kernel's statement instances, in an order that keeps every "
                "dependence"
            ),
        )
    ]
    for r in result.finalist.check.results:
        rows.append(
            (
                f"{r.name} = {r.against}",
                r.is_equal,
                (
                    f"{r.comparison.elements:,} elements in {r.cases} cases, {r.scope}; "
                    f"{result.finalist.check.rule}"
                ),
            )
        )
    rows += [("refused", False, r.reason) for r in result.refused]
    return tuple(rows)
