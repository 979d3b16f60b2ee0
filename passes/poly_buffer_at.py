"""Work on a tile of an array in a local buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pom.ir.affine import Affine
from pom.ir.expr import Access
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.local_copies import (
    Insertion,
    Region,
    checked,
    copy_body,
    covering,
    element_names,
    footprint,
    fresh_name,
    local_array,
    nest_statement,
    redirected,
    region_inside,
    require_fresh_name,
    require_plain_accesses,
    window,
    with_insertion,
)
from pom.passes.schedule_tree import describe


@dataclass(frozen=True)
class BufferAt(PolyPass):
    """In each iteration of a loop, the elements of an array that it uses are in a local buffer.

    ::

        for i0 in 0..16:                for i0 in 0..16:
            for i1 in 0..4:                 for e in 4*i0..4*i0+4:      # A_in
                A[4*i0 + i1] += x               A_buf[e - 4*i0] = A[e]
                                   →        for i1 in 0..4:
                                                A_buf[i1] += x
                                            for e in 4*i0..4*i0+4:      # A_out
                                                A[e] = A_buf[e - 4*i0]

    The elements that are read before they are written are copied in (a box around them, where they are
    not one convex set), exactly those that are written are copied out. Every statement in the loop uses the buffer. Legal where every
    access is affine; the result is checked by value-based dataflow all the same.

    Parameters
    ----------
    statement : str
        Any statement in the loop.
    array : str
    loop : str
        The buffer holds what one iteration of this loop uses; empty for the whole program.
    buffer : str
        Name of the buffer; ``<array>_buf`` by default.
    """

    name: ClassVar[str] = "poly-buffer-at"
    summary: ClassVar[str] = "keep the elements that one iteration uses in a local buffer"
    statement: str
    array: str
    loop: str = ""
    buffer: str = ""

    def run(self, program: PolyProgram) -> PolyProgram:
        region = region_inside(program, self.statement, self.loop)
        what = describe("buffer_at", self.statement, self.array, self.loop)
        return buffered(program, region, self.array, self.buffer, what)


def buffered(
    program: PolyProgram,
    region: Region,
    array: str,
    buffer: str,
    what: str,
    suffix: str = "buf",
) -> PolyProgram:
    """`program` with a local copy of what `region` uses of `array`.

    Raises
    ------
    PomError
        POM-P060 (no access), P061 (data-dependent), P062 (values would change), P064 (name).
    """
    require_plain_accesses(program, region, array)
    if buffer:
        require_fresh_name(program, buffer)
    local = buffer or fresh_name(program, f"{array}_{suffix}")
    declared = program.arrays[array]
    used = footprint(program, region, array)
    box = window(region, used.accessed)
    dims = element_names(region, array, declared.type.rank)
    element = tuple(Affine.var(d) for d in dims)
    outside = Access(array, element)
    inside = Access(local, box.subscripts(element, {}))
    before, after, copies = [], [], []
    if not used.exposed.is_empty():
        name = fresh_name(program, f"{local}_in")
        body = copy_body(name, inside, outside, declared)
        points = covering(region, box, used.exposed, declared)
        before.append(nest_statement(region, name, points, dims, body, box.offsets))
        copies.append(name)
    if not used.written.is_empty():
        name = fresh_name(program, f"{local}_out")
        body = copy_body(name, outside, inside, declared)
        after.append(nest_statement(region, name, used.written, dims, body, box.offsets))
        copies.append(name)
    changed = {
        s: redirected(program.statement(s), array, region.values(s), local, box)
        for s in region.node.statements
    }
    new = with_insertion(
        program,
        region,
        Insertion(tuple(before), tuple(after)),
        changed,
        local_array(local, declared, box.shape),
    )
    return checked(program, new, (array, local), copies, what)
