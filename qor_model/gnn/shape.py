"""What the bodies of a design look like: work, lifetimes and states, apart for pipelines and others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pom.qor_model.body_content import Contents
from pom.qor_model.region import OpKind
from pom.qor_model.schedule_result import BodySchedule, DesignResult, LoopResult

SHAPE = (
    "pipelined_ops", "pipelined_accesses", "pipelined_bits", "pipelined_peak", "pipelined_states",
    "pipelined_length", "longest_interval", "eager_ops", "sequential_ops", "sequential_accesses",
    "sequential_bits", "sequential_peak", "sequential_states", "longest_body", "chosen_banks",
)  # fmt: skip
"""Names, in order: sums over the bodies; ``longest`` and ``peak`` are of the largest one."""


@dataclass(frozen=True, slots=True)
class BodyShape:
    """One body.

    Attributes
    ----------
    ops, accesses, chosen : int
        Operations, memory accesses, and those whose bank is chosen at run time.
    bits : float
        Bits of values times the cycles that they wait, over the interval: registers if none is
        shared.
    peak : int
        Most bits that wait in the same state.
    """

    ops: int
    accesses: int
    chosen: int
    bits: float
    peak: int


def body_shape(body: BodySchedule) -> BodyShape:
    """Measure one body; a folded one is the weighted sum of its narrow ones."""
    parts = ((body, 1),) if body.fold is None else body.fold.corners
    ops = accesses = chosen = 0
    waiting = 0.0
    changes: Counter[int] = Counter()
    for part, weight in parts:
        waits: Counter[int] = Counter()
        found, bits = _counted(part, waits)
        ops += weight * len(part.ops)
        accesses += weight * found[0]
        chosen += weight * found[1]
        waiting += weight * bits
        for cycle, width in waits.items():
            changes[cycle] += weight * width
    alive = peak = 0
    for cycle in sorted(changes):
        alive += changes[cycle]
        peak = max(peak, alive)
    return BodyShape(ops, accesses, chosen, waiting / max(1, body.ii), peak)


def _counted(body: BodySchedule, changes: Counter[int]) -> tuple[tuple[int, int], float]:
    """Accesses (all, and with a bank chosen at run time) and waiting bits of a laid-out body.

    By how much the waiting bits change in a cycle is added to `changes`.
    """
    last: dict[int, int] = {}
    for op in body.ops:
        for producer in op.operands:
            last[producer] = max(last.get(producer, 0), op.start_cycle)
    accesses = chosen = 0
    waiting = 0.0
    for index, op in enumerate(body.ops):
        if op.op.access is not None:
            accesses += 1
            chosen += op.bank < 0
        if op.op.kind is OpKind.STORE or index not in last:
            continue
        length = last[index] - op.end_cycle
        if length > 0:
            width = op.op.dtype.width
            waiting += length * width
            changes[op.end_cycle] += width
            changes[last[index]] -= width
    return (accesses, chosen), waiting


def shape_terms(
    result: DesignResult, contents: Contents, known: dict[int, BodyShape]
) -> tuple[float, ...]:
    """Return the numbers named in `SHAPE`.

    Parameters
    ----------
    result : DesignResult
    contents : Contents
    known : dict
        What was measured, by the number in `contents`; filled and used.
    """
    found = dict.fromkeys(SHAPE, 0.0)
    for body in _bodies(result):
        number = contents.of(body).number
        shape = known.get(number)
        if shape is None:
            shape = known[number] = body_shape(body)
        kind = "pipelined" if body.is_pipelined else "sequential"
        found[f"{kind}_ops"] += shape.ops
        found[f"{kind}_accesses"] += shape.accesses
        found[f"{kind}_bits"] += shape.bits
        found[f"{kind}_peak"] = max(found[f"{kind}_peak"], shape.peak)
        found[f"{kind}_states"] += body.ii if body.is_pipelined else body.length
        found["chosen_banks"] += shape.chosen
        if body.is_eager:
            found["eager_ops"] += shape.ops
        if body.is_pipelined:
            found["pipelined_length"] = max(found["pipelined_length"], body.length)
            found["longest_interval"] = max(found["longest_interval"], body.ii)
        else:
            found["longest_body"] = max(found["longest_body"], body.length)
    return tuple(found[name] for name in SHAPE)


def _bodies(result: DesignResult) -> Iterator[BodySchedule]:
    for function in result.functions:
        yield from function.schedules
        todo: list[LoopResult] = list(function.loops)
        while todo:
            loop = todo.pop()
            yield from loop.schedules
            todo += loop.children
