"""Charts as inline SVG: small, without scripts, legible in light, in dark and on paper.

Colours are CSS classes (`pom.dse.report` has the style sheet), so one picture serves every theme.
Marks carry a ``<title>``, which browsers show as a tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 78, 20, 16, 50


@dataclass(frozen=True, slots=True)
class Point:
    """A mark of a scatter plot. `kind` is its CSS class: ``best``, ``front``, ``other``, …"""

    x: float
    y: float
    label: str
    kind: str = "other"


@dataclass(frozen=True, slots=True)
class Span:
    """A bar of a Gantt chart, half open, in cycles."""

    row: str
    start: float
    end: float
    label: str
    kind: str = "other"


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic or linear axis over positive values."""

    label: str
    low: float
    high: float
    is_log: bool = True

    def position(self, value: float) -> float:
        """0 to 1 along the axis."""
        if self.is_log:
            span = log10(self.high) - log10(self.low)
            return (log10(max(value, self.low)) - log10(self.low)) / span if span else 0.5
        span = self.high - self.low
        return (value - self.low) / span if span else 0.5

    def ticks(self) -> list[float]:
        """Round values inside the axis, at most about eight of them."""
        if self.is_log:
            decades = range(ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9) + 1)
            if len(decades) >= 3:
                return [10.0**d for d in decades]
            low = floor(log10(self.low))
            high = ceil(log10(self.high))
            fine = [m * 10.0**d for d in range(low, high + 1) for m in (1, 2, 5)]
            inside = [t for t in fine if self.low <= t <= self.high]
            if len(inside) >= 2:
                return inside
        step = _round_step((self.high - self.low) / 5 or 1.0)
        first = ceil(self.low / step) * step
        count = int((self.high - first) / step + 1e-9) + 1
        return [first + k * step for k in range(max(0, count))]


def _round_step(raw: float) -> float:
    base = 10.0 ** floor(log10(raw))
    return next(m * base for m in (1, 2, 5, 10) if m * base >= raw)


def nice_axis(label: str, values: Sequence[float], is_log: bool = True) -> Axis:
    """An axis that holds `values` with some room; logarithmic ones need positive values."""
    low, high = min(values), max(values)
    if is_log:
        room = (high / low) ** 0.06 if high > low else 1.5
        return Axis(label, low / room, high * room, True)
    return Axis(label, 0.0, high * 1.08 or 1.0, False)


def number(value: float) -> str:
    """A number as people read it: 950, 12.3k, 4.56M, 1.2G."""
    for limit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (limit if suffix != "k" else 1e3)
            return f"{scaled:.3g}{suffix}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A time as people read it: 1.27 µs, 7.58 ms, 10.7 s."""
    for limit, factor, unit in ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (1e-6, 1e6, "µs")):
        if seconds >= limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.position(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.position(value) * (HEIGHT - TOP - BOTTOM)


def _frame(x: Axis, y: Axis, title: str) -> list[str]:
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    ]
    for tick in x.ticks():
        at = _x(x, tick)
        parts.append(
            f'<line class="grid" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{number(tick)}</text>'
        )
    for tick in y.ticks():
        at = _y(y, tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x.label)}</text>'
    )
    parts.append(
        f'<text class="label" transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'
    )
    return parts  # fmt: skip


def scatter(
    points: Sequence[Point],
    x: Axis,
    y: Axis,
    title: str,
    joined: str = "",
    limit: tuple[float, str] | None = None,
) -> str:
    """A scatter plot.

    Parameters
    ----------
    points : sequence of Point
    x, y : Axis
    title : str
    joined : str
        Points of this class are joined as the steps of a front.
    limit : tuple of float and str, optional
        A value of x that is marked, and what it is called.
    """
    parts = _frame(x, y, title)
    if limit is not None and x.low < limit[0] < x.high:
        at = _x(x, limit[0])
        parts.append(
            f'<line class="limit" x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="note" x="{at - 6:.1f}" y="{TOP + 12}" text-anchor="end">{escape(limit[1])}</text>'
        )
    steps = sorted((p for p in points if joined and p.kind in (joined, "best")), key=lambda p: p.x)
    if len(steps) > 1:
        path = f"M{_x(x, steps[0].x):.1f} {_y(y, steps[0].y):.1f}"
        for before, after in pairwise(steps):
            path += f" L{_x(x, after.x):.1f} {_y(y, before.y):.1f} L{_x(x, after.x):.1f} {_y(y, after.y):.1f}"
        parts.append(f'<path class="front-line" d="{path}"/>')
    order = {"other": 0, "front": 1, "baseline": 2, "best": 3}
    for p in sorted(points, key=lambda p: order.get(p.kind, 1)):
        radius = {"best": 7, "baseline": 6, "front": 5}.get(p.kind, 3)
        parts.append(
            f'<circle class="mark {p.kind}" cx="{_x(x, p.x):.1f}" cy="{_y(y, p.y):.1f}" r="{radius}">'
            f"<title>{escape(p.label)}</title></circle>"
        )
    return "\n".join([*parts, "</svg>"])


def roofline(
    peak: float, bandwidth: float, points: Sequence[Point], x_label: str, y_label: str
) -> str:
    """A roofline: `peak` operations per cycle, `bandwidth` elements per cycle.

    Parameters
    ----------
    points : sequence of Point
        x: operations per element moved; y: operations per cycle.
    """
    ridge = peak / bandwidth
    xs = [*(p.x for p in points), ridge / 8, ridge * 8]
    ys = [*(p.y for p in points), peak, bandwidth * min(xs)]
    x, y = nice_axis(x_label, xs), nice_axis(y_label, ys)
    parts = _frame(x, y, "Roofline")
    roof = [(x.low, bandwidth * x.low), (ridge, peak), (x.high, peak)]
    path = " L".join(f"{_x(x, a):.1f} {_y(y, max(b, y.low)):.1f}" for a, b in roof)
    parts.append(f'<path class="roof" d="M{path}"/>')
    parts.append(
        f'<text class="note" x="{WIDTH - RIGHT - 4}" y="{_y(y, peak) - 7:.1f}" text-anchor="end">'
        f"{number(peak)} operations per cycle</text>"
    )
    for p in points:
        at, level = _x(x, p.x), _y(y, p.y)
        # below the mark, clear of the roof; beside it where there is the axis
        down = 21 if level + 30 < HEIGHT - BOTTOM else 4
        parts.append(
            f'<circle class="mark {p.kind}" cx="{at:.1f}" cy="{level:.1f}" r="7">'
            f"<title>{escape(p.label)}</title></circle>"
            f'<text class="note" x="{at + (8 if down > 4 else 13):.1f}" y="{level + down:.1f}">'
            f"{escape(p.label)}</text>"
        )
    return "\n".join([*parts, "</svg>"])


def gantt(spans: Sequence[Span], title: str, unit: str = "cycle") -> str:
    """A Gantt chart; rows in order of first appearance."""
    rows = list(dict.fromkeys(s.row for s in spans))
    end = max((s.end for s in spans), default=1.0)
    left, row_height, top = 200, 22, 26
    height = top + row_height * len(rows) + 30
    scale = (WIDTH - left - RIGHT) / (end or 1.0)
    axis = Axis(unit, 0.0, end or 1.0, is_log=False)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
    ]
    for tick in axis.ticks():
        at = left + tick * scale
        parts.append(
            f'<line class="grid" x1="{at:.1f}" y1="{top - 6}" x2="{at:.1f}" y2="{height - 24}"/>'
        )
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{top - 10}" text-anchor="middle">{number(tick)}</text>'
        )
    for position, row in enumerate(rows):
        y = top + position * row_height
        parts.append(
            f'<text class="tick" x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(row[:30])}</text>'
        )
    for span in spans:
        y = top + rows.index(span.row) * row_height
        width = max((span.end - span.start) * scale, 2.0)
        parts.append(
            f'<rect class="bar {span.kind}" x="{left + span.start * scale:.1f}" y="{y + 3}" '
            f'width="{width:.1f}" height="{row_height - 6}" rx="3"><title>{escape(span.label)}</title></rect>'
        )
    parts.append(
        f'<text class="label" x="{(left + WIDTH - RIGHT) / 2}" y="{height - 6}" text-anchor="middle">{escape(unit)}</text>'
    )
    return "\n".join([*parts, "</svg>"])  # fmt: skip


def bars(rows: Sequence[tuple[str, float, float]], title: str) -> str:
    """Horizontal bars: (name, used, available); the share is written beside each."""
    row_height, left = 34, 90
    height = row_height * len(rows) + 8
    width = WIDTH - left - 170
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
    ]
    for position, (name, used, available) in enumerate(rows):
        y = position * row_height + 6
        share = used / available if available else 0.0
        kind = "over" if share > 1 else "high" if share > 0.85 else "used"
        parts.append(
            f'<text class="tick" x="{left - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>'
        )
        parts.append(
            f'<rect class="track" x="{left}" y="{y + 3}" width="{width}" height="16" rx="4"/>'
        )
        parts.append(
            f'<rect class="bar {kind}" x="{left}" y="{y + 3}" width="{max(min(share, 1.0) * width, 1.0):.1f}" height="16" rx="4"/>'
        )
        parts.append(
            f'<text class="note" x="{left + width + 10}" y="{y + 16}">{number(used)} of {number(available)} ({share:.0%})</text>'
        )
    return "\n".join([*parts, "</svg>"])  # fmt: skip
