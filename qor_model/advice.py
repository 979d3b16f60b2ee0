"""What to change first to make a design faster, in the words of the schedule's primitives."""

from __future__ import annotations

from collections.abc import Iterable

from pom.qor_model.defaults import operations
from pom.qor_model.leaf import all_loops
from pom.qor_model.region import Access, Array, Design, Function, Loop
from pom.qor_model.resources_body import partition_factor
from pom.qor_model.schedule_result import LimitKind, LoopResult


def advise(design: Design, function: str, result: LoopResult) -> str:
    """The first thing to change about a loop in which most of the time is spent.

    Parameters
    ----------
    design : Design
    function : str
        Where the loop is.
    result : LoopResult
        A loop without loops of its own.
    """
    found = design.function(function)
    by_name = {loop.name: loop for loop in all_loops(found.body)}
    group = [by_name[name] for name in result.names if name in by_name]
    match result.limit.kind:
        case LimitKind.NOT_PIPELINED:
            return f"pipeline it: pipeline({result.names[-1]!r})"
        case LimitKind.PORTS if group:
            return _more_ports(found, group[-1], result)
        case LimitKind.RECURRENCE if group:
            return _recurrence(found, group, result)
        case LimitKind.REQUESTED:
            return f"ask for an II below {result.ii}"
        case _ if group:
            return _more_copies(found, group[-1], result)
    return "unroll it, and partition the arrays that it moves through"


def _accesses(loop: Loop, array: str) -> list[Access]:
    found = (op.access for op in operations(loop.body))
    return [a for a in found if a is not None and a.array == array]


def _moving_dims(loop: Loop, accesses: Iterable[Access]) -> list[int]:
    """Dimensions along which the accesses of one iteration may differ, the last one first."""
    listed = list(accesses)
    inside = {loop.name, *(item.name for item in all_loops(loop.body))}
    dims: list[int] = []
    for dim in reversed(range(len(listed[0].subscripts) if listed else 0)):
        subscripts = {a.subscripts[dim] for a in listed}
        moves = any(s is None or not inside.isdisjoint(s.variables) for s in subscripts)
        if moves or len(subscripts) > 1:
            dims.append(dim)
    return dims


def _array(function: Function, name: str) -> Array | None:
    return next((a for a in function.arrays if a.name == name), None)


def _partition(array: Array, dim: int, times: int) -> str:
    """The call that splits a dimension over `times` as many banks as now."""
    now = {p.dim: partition_factor(array, p) for p in array.partitions}.get(dim, 1)
    factor = now * times
    if factor >= array.shape[dim]:
        return f'array({array.name!r}).partition({dim + 1}, "complete")'
    return f'array({array.name!r}).partition({dim + 1}, "cyclic", {factor})'


def _more_ports(function: Function, loop: Loop, result: LoopResult) -> str:
    name = result.limit.subject
    array = _array(function, name)
    head = f"its II is {result.ii} because the ports of {name} are busy: "
    if array is None:
        return head + "copy what it needs into a local array before (buffer_at)"
    if array.interface.mode == "m_axi":
        return head + f"copy {name} into a local array before (buffer_at)"
    dims = _moving_dims(loop, _accesses(loop, name))
    if not dims:
        return head + f"keep the element in a register (scalar_promotion of {name})"
    return head + _partition(array, dims[0], result.ii or 1)


def _recurrence(function: Function, group: list[Loop], result: LoopResult) -> str:
    name, inner = result.limit.subject, group[-1]
    head = f"its II is {result.ii} because each iteration needs the one before through {name}: "
    accesses = _accesses(inner, name)
    inside = {inner.name, *(item.name for item in all_loops(inner.body))}
    used = {v for a in accesses for s in a.subscripts if s is not None for v in s.variables}
    if not accesses or not used.isdisjoint(inside):
        return (
            head + "move a loop that does not carry this dependence inside, or skew (auto_schedule)"
        )
    around = [loop.name for loop in _around(function, inner) if loop.name in used]
    if around:
        return head + (
            f"all iterations add to one element of {name}; move loop {around[-1]}, with which "
            f"{name} moves, inside (interchange or reorder)"
        )
    return head + f"all iterations add to one element of {name}; use interleave_reduction"


def _around(function: Function, inner: Loop) -> list[Loop]:
    """Loops around one, outermost first."""
    loops = [loop for loop in all_loops(function.body) if loop.name != inner.name]
    return [loop for loop in loops if any(i.name == inner.name for i in all_loops(loop.body))]


def _more_copies(function: Function, loop: Loop, result: LoopResult) -> str:
    factor = max(1, loop.directives.unroll or 1) * 2
    touched: dict[str, list[Access]] = {}
    for op in operations(loop.body):
        if op.access is not None:
            touched.setdefault(op.access.array, []).append(op.access)
    splits: list[str] = []
    for name, accesses in touched.items():
        array = _array(function, name)
        moving = [
            dim
            for dim in range(len(accesses[0].subscripts))
            if any(
                (s := a.subscripts[dim]) is not None and loop.name in s.variables for a in accesses
            )
        ]
        if array is not None and moving:
            splits.append(_partition(array, moving[-1], 2))
    text = f"its II is {result.ii}: unroll({loop.name!r}, {factor})"
    return text + (" with " + ", ".join(splits[:3]) if splits else "")


__all__ = ["advise"]
