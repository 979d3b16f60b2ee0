"""Tasks of a dataflow region that overlap: when each starts, and how often the region can start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataflowTask:
    """One task: a top-level nest or call of a dataflow region.

    Parameters
    ----------
    reads, writes : frozenset of str
    states : float
        Of one execution alone.
    first_output : float
        Cycles until the first element is written.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    states: float
    first_output: float


def overlap(tasks: Sequence[DataflowTask], is_stream: Callable[[str], bool]) -> tuple[float, float]:
    """Cycles until the last task has ended, and between two starts of the region.

    A consumer of a stream starts with the first element and cannot end before its producer; a
    consumer of a buffer (ping-pong) starts when its producer has ended.  Tasks without a common
    array run at the same time.
    """
    starts: list[float] = []
    ends: list[float] = []
    for number, task in enumerate(tasks):
        start = end = 0.0
        for other in range(number):
            shared = tasks[other].writes & task.reads
            if not shared:
                continue
            if all(is_stream(array) for array in shared):
                start = max(start, starts[other] + tasks[other].first_output)
                end = max(end, ends[other] + 1)
            else:
                start = max(start, ends[other])
        starts.append(start)
        ends.append(max(start + task.states, end))
    return max(ends, default=0.0), max((t.states for t in tasks), default=0.0)
