"""Live progress of a search: a moving line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pom.dse.charts import number
from pom.dse.search import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

QUIET_INTERVAL_S = 5.0
"""Seconds between two lines where there is no terminal."""
LIVE_INTERVAL_S = 0.1


def progress_line(progress: Progress) -> str:
    """A progress report in one line."""
    best = "-" if progress.best_cycles == float("inf") else f"{progress.best_cycles:,.0f}"
    parts = [
        f"{progress.seconds:5.1f} s",
        f"best {best} cycles",
        f"front {progress.front}",
        f"{progress.evaluated + progress.from_store:,} evaluated",
        f"{progress.pruned:,} pruned",
    ]
    if progress.lower_bound > 0 and progress.best_cycles != float("inf"):
        parts.append(f"gap {progress.gap:.1%}")
    if progress.remaining_s is not None:
        parts.append(f"at most {number(round(progress.remaining_s))} s left")
    return ", ".join(parts)


@contextmanager
def shown_progress(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """A function to report progress to, which writes to `stream` while the block runs."""
    if stream.isatty():
        with _live(stream) as report:
            yield report
    else:
        yield QuietProgress(stream)


class QuietProgress:
    """Writes a line when the best design is new and some time has passed.

    Parameters
    ----------
    stream : TextIO
    interval_s : float
        Least seconds between two lines.
    """

    def __init__(self, stream: TextIO, interval_s: float = QUIET_INTERVAL_S) -> None:
        self.stream = stream
        self.interval_s = interval_s
        self._next = time.monotonic() + interval_s

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self.interval_s
            self.stream.write(progress_line(progress) + "\n")
            self.stream.flush()


@contextmanager
def _live(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    shown_at, phase = 0.0, ""
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def report(progress: Progress) -> None:
            nonlocal shown_at, phase
            now = time.monotonic()
            if now - shown_at >= LIVE_INTERVAL_S or progress.phase != phase:
                shown_at, phase = now, progress.phase
                live.update(_table(progress), refresh=True)

        yield report


def _table(progress: Progress) -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    best = "-" if progress.best_cycles == float("inf") else f"{progress.best_cycles:,.0f} cycles"
    known = progress.lower_bound > 0 and progress.best_cycles != float("inf")
    rows = (
        ("best", best),
        ("gap", f"{progress.gap:.2%}" if known else "-"),
        ("front", f"{progress.front} designs"),
        ("evaluated", f"{progress.evaluated + progress.from_store:,}"),
        ("pruned", f"{progress.pruned:,}"),
        ("time", f"{progress.seconds:.1f} s, {_left(progress)}"),
        ("phase", progress.phase),
    )
    for label, value in rows:
        table.add_row(f"[dim]{label}[/dim]", value)
    return table


def _left(progress: Progress) -> str:
    if progress.remaining_s is None:
        return "end not known yet"
    return f"at most {progress.remaining_s:.0f} s left"
