"""The report of a search: one HTML page that needs no network and no scripts.

`ReportData` is everything that the page shows; `render` is a pure function of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from pom.dse.charts import Point, Span, bars, duration, gantt, nice_axis, number, roofline, scatter

WIDE = 10.0
"""Ratio of the largest to the smallest share from which the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class LoopRow:
    """A loop of the design, for the loop tree.

    Parameters
    ----------
    depth : int
        Nesting, 0 outermost.
    source_line : int or None
        Line in the user's file.
    ii : int or None
        None where the loop is not pipelined.
    limit : str
        What keeps `ii` or the latency from being smaller.
    """

    name: str
    depth: int
    source_line: int | None
    trip_count: float
    ii: int | None
    iteration_latency: float
    latency_cycles: float
    limit: str
    unroll: int = 1


@dataclass(frozen=True, slots=True)
class RoutedRow:
    """A quantity after place and route as it is predicted, with its 90 % interval."""

    label: str
    value: float
    low: float
    high: float
    available: int | None = None


@dataclass(frozen=True, slots=True)
class SynthesisRow:
    """A finalist as the HLS tool reports it beside its estimate, or why there is no report."""

    estimated_cycles: float
    latency_cycles: float | None
    clock_ns: float | None
    resources: tuple[tuple[str, int], ...]
    is_chosen: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportData:
    """What the page shows.

    Latencies in cycles, `resources` as (name, used, limit), `baselines` as (name, latency): what the
    design is compared with.
    """

    kernel: str
    device: str
    clock_ns: float
    strategy: str
    baselines: tuple[tuple[str, float], ...]
    best_latency: float
    lower_bound: float
    gap: float
    is_complete: bool
    evaluated: int
    pruned: int
    seconds: float
    resources: tuple[tuple[str, int, int], ...]
    points: tuple[Point, ...]
    loops: tuple[LoopRow, ...]
    spans: tuple[Span, ...]
    body_spans: tuple[Span, ...]
    peak_ops: float
    bandwidth: float
    intensity: float
    achieved_ops: float
    checks: tuple[tuple[str, bool, str], ...]
    schedule_text: str
    cpp_text: str
    source_name: str
    source_text: str
    spans_place: str = ""
    body_name: str = ""
    advice: str = ""
    routed: tuple[RoutedRow, ...] = ()
    routed_note: str = ""
    synthesised: tuple[SynthesisRow, ...] = ()
    synthesis_note: str = ""
    bound_by: str = ""


def render(data: ReportData) -> str:
    """The page."""
    title = f"{data.kernel} on {data.device}"
    sections = (
        _summary(data),
        _pareto(data),
        _resources(data),
        _routed(data),
        _synthesised(data),
        _loop_tree(data),
        _timeline(data),
        _roofline(data),
        _checks(data),
        _code("Schedule as Python", "python", data.schedule_text),
        _code("HLS C++", "cpp", data.cpp_text),
        _source(data),
    )
    body = "\n".join(sections)
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><header><h1>{escape(title)}</h1>"
        f"<p>{data.clock_ns:g} ns clock, {1000 / data.clock_ns:.0f} MHz, strategy {escape(data.strategy)}</p>"
        f"</header>\n{body}\n</main></body></html>\n"
    )


def _section(title: str, content: str, note: str = "") -> str:
    explained = f'<p class="explain">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{explained}{content}</section>"


def _summary(data: ReportData) -> str:
    seconds = data.best_latency * data.clock_ns * 1e-9
    proof = (
        "the optimum of the model"
        if data.is_complete and data.gap <= 0
        else f"the optimum of the model takes at most {data.gap:.1%} fewer cycles"
    )
    tiles = (
        *(
            (f"{max(latency, 1.0) / max(data.best_latency, 1.0):,.1f}×", f"faster than {name}")
            for name, latency in data.baselines
        ),
        (number(data.best_latency), f"cycles, {duration(seconds)}"),
        (f"{data.gap:.2%}", f"gap: {proof}"),
        (f"{data.evaluated:,}", f"designs evaluated, {data.pruned:,} pruned, {data.seconds:.1f} s"),
    )
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
        for value, label in tiles
    )
    advice = f'<p class="advice">{escape(data.advice)}</p>' if data.advice else ""
    bound = f'<p class="advice">The lower bound rests on {escape(data.bound_by)}.</p>'
    return f'<div class="tiles">{cells}</div>{advice}{bound if data.bound_by else ""}'


def _pareto(data: ReportData) -> str:
    if not data.points:
        return ""
    label = "largest share of a limit (%)"
    shares = [max(p.x, 0.01) for p in data.points]
    x = nice_axis(label, [*shares, 100.0], is_log=max(shares) > WIDE * min(shares))
    y = nice_axis("latency (cycles)", [max(p.y, 1.0) for p in data.points])
    chart = scatter(data.points, x, y, "Pareto front", "front", (100.0, "limit"))
    legend = (
        '<p class="legend"><span class="key best"></span>chosen <span class="key front"></span>'
        'Pareto front <span class="key other"></span>evaluated</p>'
    )
    return _section("Latency against resources", chart + legend)


def _resources(data: ReportData) -> str:
    rows = [(n, float(used), float(limit)) for n, used, limit in data.resources if used or limit]
    return _section(
        "Resources",
        bars(rows, "Resources"),
        "Synthesis estimate against what the search was given.",
    )


def _routed(data: ReportData) -> str:
    if not data.routed_note:
        return ""
    note = f"GNN: {escape(data.routed_note)}."
    if not data.routed:
        return _section("After place and route", f'<p class="explain">{note}</p>')
    rows = "".join(
        f"<tr><td>{escape(row.label)}</td><td>{row.value:,.0f}</td>"
        f"<td>{row.low:,.0f} to {row.high:,.0f}</td>"
        f"<td>{'' if row.available is None else f'{row.available:,}'}</td></tr>"
        for row in data.routed
    )
    head = "<th></th><th>predicted</th><th>90 % interval</th><th>device</th>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return _section("After place and route", f'<div class="scroll">{table}</div>', note)


def _synthesised(data: ReportData) -> str:
    if not data.synthesis_note:
        return ""
    rows = ""
    for row in data.synthesised:
        if row.latency_cycles is None:
            cells = f"<td class='text' colspan='3'>{escape(row.reason)}</td>"
        else:
            used = ", ".join(f"{number(n)} {name}" for name, n in row.resources if n)
            clock = "" if row.clock_ns is None else f"{row.clock_ns:g} ns"
            cells = (
                f"<td>{row.latency_cycles:,.0f}</td><td>{clock}</td><td class='text'>{used}</td>"
            )
        mark = "chosen" if row.is_chosen else ""
        rows += f"<tr><td>{mark}</td><td>{row.estimated_cycles:,.0f}</td>{cells}</tr>"
    note = f"{escape(data.synthesis_note)}."
    if not rows:
        return _section("Synthesis", f'<p class="explain">{note}</p>')
    head = (
        "<th></th><th>estimated cycles</th><th>reported cycles</th><th>clock</th>"
        "<th class='text'>resources</th>"
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return _section("Synthesis", f'<div class="scroll">{table}</div>', note)


def _loop_tree(data: ReportData) -> str:
    rows = []
    for row in data.loops:
        place = (
            f'<a href="#L{row.source_line}">line {row.source_line}</a>' if row.source_line else ""
        )
        indent = "&emsp;" * row.depth
        rows.append(
            f"<tr><td>{indent}{escape(row.name)}</td><td>{place}</td><td>{number(row.trip_count)}</td>"
            f"<td>{row.unroll if row.unroll != 1 else ''}</td>"
            f"<td>{row.ii if row.ii is not None else '–'}</td><td>{number(row.iteration_latency)}</td>"
            f"<td>{number(row.latency_cycles)}</td><td class='text'>{escape(row.limit)}</td></tr>"
        )
    head = "".join(
        f"<th>{h}</th>"
        for h in ("loop", "source", "trip count", "unroll", "II", "iteration latency", "latency")
    )
    head += "<th class='text'>limited by</th>"
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    return _section("Loops", table)


def _timeline(data: ReportData) -> str:
    charts = ""
    if data.spans:
        if data.spans_place:
            charts += f"<h3>One iteration of {escape(data.spans_place)}</h3>"
        charts += gantt(data.spans, "Loops over time", "cycle")
    if data.body_spans:
        charts += f"<h3>One iteration of {escape(data.body_name)}, where most of the time goes</h3>"
        charts += gantt(data.body_spans, "Schedule of one iteration", "cycle")
    return _section("Schedule", charts) if charts else ""


def _roofline(data: ReportData) -> str:
    if data.peak_ops <= 0 or data.bandwidth <= 0 or data.intensity <= 0:
        return ""
    point = Point(
        data.intensity, data.achieved_ops, f"{number(data.achieved_ops)} ops per cycle", "best"
    )
    chart = roofline(
        data.peak_ops,
        data.bandwidth,
        [point],
        "operations per element accessed",
        "operations per cycle",
    )
    return _section(
        "Roofline",
        chart,
        "The roof is what the operators that fit the limits can do; the slope is what the ports of "
        "the arrays, as partitioned, can deliver.",
    )


def _checks(data: ReportData) -> str:
    rows = "".join(
        f'<li class="{"pass" if ok else "fail"}"><b>{escape(name)}</b> {escape(text)}</li>'
        for name, ok, text in data.checks
    )
    return _section("Checks", f'<ul class="checks">{rows}</ul>') if rows else ""


def _code(title: str, language: str, text: str) -> str:
    return _section(title, f'<pre class="{language}"><code>{escape(text)}</code></pre>')


def _source(data: ReportData) -> str:
    if not data.source_text:
        return ""
    lines = "".join(
        f'<span class="line" id="L{n}"><i>{n}</i>{escape(line)}\n</span>'
        for n, line in enumerate(data.source_text.splitlines(), 1)
    )
    return _section(f"Source: {data.source_name}", f"<pre><code>{lines}</code></pre>")


STYLE = """
:root{--ink:#1c2430;--soft:#5b6675;--page:#fff;--panel:#f5f7fa;--line:#d9dfe7;--blue:#2266cc;
--orange:#c65d00;--green:#1a7f45;--red:#b3261e;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--ink:#e7ebf0;--soft:#9aa7b6;--page:#12161c;--panel:#1b212a;
--line:#333d4a;--blue:#6ea8ff;--orange:#ff9d4d;--green:#5fd08f;--red:#ff7b72}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 20px 60px}h1{font-size:26px;margin:0}
header p{color:var(--soft);margin:2px 0 18px}h2{font-size:18px;margin:34px 0 8px}
h3{font-size:15px;margin:18px 0 4px}.explain{color:var(--soft);margin:0 0 8px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px}
.tile{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tile b{display:block;font-size:24px;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}.advice{border-left:3px solid var(--blue);padding:4px 12px}
.chart{width:100%;max-width:860px;height:auto;display:block}.grid{stroke:var(--line);stroke-width:1}
.tick{fill:var(--soft);font-size:11px}.label{fill:var(--ink);font-size:12px}
.note{fill:var(--ink);font-size:12px}.mark{stroke:var(--page);stroke-width:1}
.mark.other,.bar.other,.key.other{fill:var(--soft);background:var(--soft);opacity:.55}
.mark.front,.key.front{fill:var(--blue);background:var(--blue)}
.mark.best,.key.best{fill:var(--orange);background:var(--orange)}
.mark.baseline,.key.baseline{fill:var(--page);stroke:var(--ink);stroke-width:2;background:none;
border:2px solid var(--ink)}.front-line,.roof{fill:none;stroke:var(--blue);stroke-width:2}
.limit{stroke:var(--red);stroke-width:1.5;stroke-dasharray:5 4}
.track{fill:var(--panel);stroke:var(--line)}.bar{fill:var(--blue)}.bar.high{fill:var(--orange)}
.bar.over{fill:var(--red)}.bar.memory{fill:var(--green)}.bar.float{fill:var(--blue)}
.legend{color:var(--soft);font-size:13px}.key{display:inline-block;width:11px;height:11px;
border-radius:50%;margin:0 5px 0 14px;vertical-align:-1px}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,th.text,td.text{text-align:left}td.text{white-space:normal}a{color:var(--blue)}
pre{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px;
overflow-x:auto;font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.line{display:block}.line i{display:inline-block;width:3em;color:var(--soft);font-style:normal;
user-select:none}.line:target{background:color-mix(in srgb,var(--orange) 25%,transparent)}
.checks{list-style:none;padding:0}.checks li::before{margin-right:8px}
.pass::before{content:"✓";color:var(--green)}.fail::before{content:"✗";color:var(--red)}
@media print{:root{--ink:#000;--soft:#444;--page:#fff;--panel:#fff;--line:#bbb;--blue:#1a56b0;
--orange:#b35400;--green:#146b39;--red:#a11}body{font-size:11px}main{max-width:none;padding:0}
section{break-inside:avoid}section:has(pre){break-inside:auto}pre{white-space:pre-wrap}
.tile b{font-size:18px}}
"""
