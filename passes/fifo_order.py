"""Whether an array can be a stream: every element passes once, in one order."""

from __future__ import annotations

import islpy as isl

from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.passes.isl_build import AccessInfo, accesses, schedule_map


def _accesses_of(
    program: PolyProgram, array: str
) -> tuple[list[tuple[str, AccessInfo]], list[tuple[str, AccessInfo]]]:
    """The reads and the writes of `array`, with their statements."""
    reads: list[tuple[str, AccessInfo]] = []
    writes: list[tuple[str, AccessInfo]] = []
    for statement in program.statements:
        for info in accesses(program, statement):
            if info.array == array:
                (writes if info.is_write else reads).append((statement.name, info))
    return reads, writes


def _time_of_elements(program: PolyProgram, used: list[tuple[str, AccessInfo]]) -> isl.Map:
    """``{ element -> time }`` for every access."""
    result: isl.Map | None = None
    for statement, info in used:
        part = info.relation.reverse().apply_range(schedule_map(program, statement))
        result = part if result is None else result.union(part)
    if result is None:
        raise ValueError("no access")
    return result


def _single(program: PolyProgram, used: list[tuple[str, AccessInfo]], verb: str) -> str:
    for statement, info in used:
        if info.is_may:
            return info.may_reason
        body = program.statement(statement).body
        if isinstance(body, Assign) and body.reads.count(info.access) > 1:
            return f"{statement} reads {info.text} more than once"
    times = _time_of_elements(program, used)
    if not times.is_single_valued():
        return f"an element is {verb} more than once"
    if len(used) > 1 and not times.is_injective():
        return f"several elements are {verb} at once"
    return ""


def why_not_fifo(program: PolyProgram, array: str) -> str:
    """Why `array`, an argument, is not touched once each in order of addresses; "" if it is."""
    reads, writes = _accesses_of(program, array)
    if reads and writes:
        return "it is both read and written"
    used, verb = (reads, "read") if reads else (writes, "written")
    if not used:
        return "it is not used"
    reason = _single(program, used, verb)
    if reason:
        return reason
    times = _time_of_elements(program, used)
    elements = times.domain()
    shape = program.arrays[array].type.shape
    whole = isl.Set.universe(elements.get_space())
    for position, extent in enumerate(shape):
        whole = whole.lower_bound_val(isl.dim_type.set, position, isl.Val(0))
        whole = whole.upper_bound_val(isl.dim_type.set, position, isl.Val(extent - 1))
    if not whole.is_subset(elements):
        return f"not every element is {verb}"
    order = isl.Map.lex_lt(elements.get_space()).intersect_domain(elements)
    later = order.intersect_range(elements).apply_domain(times).apply_range(times)
    if not later.is_subset(isl.Map.lex_lt(times.get_space().range())):
        return f"its elements are not {verb} in order of their addresses"
    return ""


def why_not_stream(program: PolyProgram, array: str) -> str:
    """Why a local array is not written and read once each, in one order; "" if it is."""
    reads, writes = _accesses_of(program, array)
    if not reads or not writes:
        return "it is not both written and read"
    for used, verb in ((writes, "written"), (reads, "read")):
        reason = _single(program, used, verb)
        if reason:
            return reason
    written, read = _time_of_elements(program, writes), _time_of_elements(program, reads)
    if not written.domain().is_equal(read.domain()):
        return "not every element that is written is read"
    pairs = written.reverse().apply_range(read)
    before = isl.Map.lex_lt(written.get_space().range())
    order = before.apply_domain(pairs).apply_range(pairs)
    inside = order.intersect_domain(pairs.range()).intersect_range(pairs.range())
    if not inside.is_subset(isl.Map.lex_lt(read.get_space().range())):
        return "its elements are read in another order than written"
    return ""
