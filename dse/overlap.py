"""Nests that run at the same time: what they wait for, and what a whole of them costs.

Nests of one function run one after the other and share operators. As a dataflow region they
overlap: a nest starts when the nests that fill its arrays have ended, and shares nothing. So a
design that is limited by its operators gains nothing, one that waits for recurrences or for memory
does. An argument can be used by one nest of a region only, and a local array needs one producer and
one consumer (`pom.passes.poly_dataflow`), which few kernels satisfy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pom.dse.nests import Nest
from pom.dse.problem import Resources
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.ir.poly import Sequence as NestSequence
from pom.passes.isl_build import accesses
from pom.passes.poly_dataflow import check_dataflow


@dataclass(frozen=True, slots=True)
class OverlapGraph:
    """Tasks of a kernel that can be a dataflow region.

    Parameters
    ----------
    tasks : tuple of tuple of str
        The nests of every top-level part of the program, by their handles, in program order.
    waits_for : tuple of tuple of int
        For each task the ones before it whose results it reads.
    """

    tasks: tuple[tuple[str, ...], ...]
    waits_for: tuple[tuple[int, ...], ...]

    @property
    def width(self) -> int:
        """The most tasks that run at a time, if all take equally long."""
        starts: list[int] = []
        for waits in self.waits_for:
            starts.append(max((starts[w] + 1 for w in waits), default=0))
        return max(starts.count(level) for level in starts)


def overlap_graph(program: PolyProgram, nests: tuple[Nest, ...]) -> OverlapGraph | None:
    """The tasks of a program, or None where it cannot be a dataflow region."""
    try:
        check_dataflow(program, program.schedule, program.name)
    except PomError:
        return None
    if not isinstance(program.schedule, NestSequence):
        return None
    tasks, waits_for, writes = [], [], list[frozenset[str]]()
    for child in program.schedule.children:
        tasks.append(tuple(n.handle for n in nests if n.handle in child.statements))
        used = [i for s in child.statements for i in accesses(program, program.statement(s))]
        reads = {i.array for i in used if not i.is_write}
        waits_for.append(tuple(n for n, written in enumerate(writes) if written & reads))
        writes.append(frozenset(i.array for i in used if i.is_write))
    return OverlapGraph(tuple(tasks), tuple(waits_for))


def compose(
    latencies: Sequence[float], resources: Sequence[Resources], graph: OverlapGraph
) -> tuple[float, Resources]:
    """Latency and resources of tasks that overlap: the critical path, and the sum.

    Parameters
    ----------
    latencies, resources : sequences
        Of each task of `graph` alone.
    """
    ends: list[float] = []
    for latency, waits in zip(latencies, graph.waits_for, strict=True):
        ends.append(latency + max((ends[w] for w in waits), default=0.0))
    amounts = {
        name: sum(getattr(each, name) for each in resources) for name, _ in Resources().items()
    }
    return max(ends, default=0.0), Resources(**amounts)


def overlapped_bound(graph: OverlapGraph, bounds: Mapping[str, float], work: float) -> float:
    """No overlapped design is faster, if no nest alone is faster than its bound.

    Parameters
    ----------
    bounds : mapping of nest handle to float
        Cycles of a nest alone, with all resources.
    work : float
        Cycles that the operators of all nests need, were each busy in every cycle: see
        `least_work`.
    """
    alone = [sum(bounds[handle] for handle in task) for task in graph.tasks]
    critical, _ = compose(alone, [Resources()] * len(alone), graph)
    return max(critical, work)
