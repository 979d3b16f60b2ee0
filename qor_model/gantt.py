"""A picture of a loop body's schedule: one bar per operation, one column per cycle (SVG)."""

from __future__ import annotations

from html import escape

from pom.qor_model.region import OpKind
from pom.qor_model.schedule_result import BodySchedule, ScheduledOp

_ROW, _COLUMN, _LEFT, _TOP = 16, 22, 210, 40
_COLOURS = {
    OpKind.LOAD: "#4c78a8",
    OpKind.STORE: "#e45756",
    OpKind.ADD: "#54a24b",
    OpKind.SUB: "#54a24b",
    OpKind.MUL: "#b279a2",
    OpKind.DIV: "#9d755d",
}
_OTHER = "#79706e"
MAX_ROWS = 400


def gantt_svg(schedule: BodySchedule, title: str) -> str:
    """An SVG of the schedule.

    Parameters
    ----------
    schedule : BodySchedule
    title : str

    Notes
    -----
    Of a body with more than `MAX_ROWS` operations the first ones are drawn; the picture says so.
    """
    ops = sorted(
        (o for o in schedule.ops if o.op.kind is not OpKind.CONST),
        key=lambda o: (o.start_cycle, o.start_ns, o.op.id, o.copy),
    )
    shown = ops[:MAX_ROWS]
    length = max(1, schedule.length)
    width = _LEFT + length * _COLUMN + 10
    height = _TOP + len(shown) * _ROW + 24
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
        ),
        f"<title>{escape(title)}</title>",
        f'<text x="8" y="16" font-size="13">{escape(title)}</text>',
    ]
    parts += _grid(schedule, length, height)
    for row, item in enumerate(shown):
        parts += _bar(item, row)
    if len(ops) > len(shown):
        parts.append(f'<text x="8" y="{height - 8}">{len(ops) - len(shown)} more operations</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _grid(schedule: BodySchedule, length: int, height: int) -> list[str]:
    parts: list[str] = []
    for cycle in range(length + 1):
        x = _LEFT + cycle * _COLUMN
        is_start = schedule.is_pipelined and cycle % schedule.ii == 0
        colour = "#888" if is_start else "#ddd"
        parts.append(f'<path d="M{x} {_TOP - 4}V{height - 22}" stroke="{colour}"/>')
        if cycle < length and (length <= 60 or cycle % 10 == 0):
            parts.append(f'<text x="{x + 4}" y="{_TOP - 8}" fill="#555">{cycle}</text>')
    return parts


def _bar(item: ScheduledOp, row: int) -> list[str]:
    y = _TOP + row * _ROW
    x = _LEFT + item.start_cycle * _COLUMN
    width = (item.end_cycle - item.start_cycle + 1) * _COLUMN - 3
    name = str(item.op.kind)
    if item.op.access is not None:
        subscripts = ("?" if s is None else str(s) for s in item.op.access.subscripts)
        name += f" {item.op.access.array}[{', '.join(subscripts)}]"
    if item.copy:
        name += f" #{item.copy}"
    place = "" if item.op.loc is None else f" ({item.op.loc})"
    hint = f"{name}: cycles {item.start_cycle} to {item.end_cycle}{place}"
    colour = _COLOURS.get(item.op.kind, _OTHER)
    return [
        f'<text x="8" y="{y + 12}">{escape(name[:32])}</text>',
        (
            f'<rect x="{x + 1}" y="{y + 2}" width="{width}" height="{_ROW - 4}" rx="2" '
            f'fill="{colour}"><title>{escape(hint)}</title></rect>'
        ),
    ]
