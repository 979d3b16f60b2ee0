"""Read what one iteration of a loop reads of an array from a local buffer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, rebuild
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.passes.base import PolyPass
from pom.passes.isl_build import access_relation, accesses, schedule_times
from pom.passes.legality import reversed_pairs
from pom.passes.local_copies import (
    Insertion,
    Region,
    Window,
    copy_body,
    covering,
    decided,
    element_names,
    fresh_name,
    local_array,
    nest_statement,
    outer_values,
    region_inside,
    require_fresh_name,
    require_plain_accesses,
    window,
    with_insertion,
)
from pom.passes.loop_directives import check_loop_directives
from pom.passes.schedule_tree import describe

_OUT = isl.dim_type.out


@dataclass(frozen=True)
class BufferReads(PolyPass):
    """One read of a statement goes to a local copy, made in each iteration of a loop.

    ::

        for k:                              for k:
            for i:                              for e: A_in[e] = A[k, e]
                for j:               →          for i:
                    A[i,j] -= A[k,j]                for j:
                                                        A[i,j] -= A_in[j]

    The copy is made where the part of the loop's body begins that the statement is in. What the
    statement writes is then in another array than what it reads: a tool that cannot tell the elements
    apart would take every lane to wait for the one before. Legal where no element that is read
    is written between the copy and the read; decided exactly.

    Parameters
    ----------
    statement : str
    array : str
    loop : str
        The copy holds what one iteration of this loop reads; empty for the whole program.
    read : int
        Which of the statement's different reads of the array, counted from 0.
    buffer : str
        Name of the buffer; ``<array>_in`` by default.
    is_box : bool
        Copy every element of the buffer that the array has, used or not: loops of the copy have
        constant bounds and no guards wherever the buffer is within the array.
    """

    name: ClassVar[str] = "poly-buffer-reads"
    summary: ClassVar[str] = "read what one iteration reads from a local buffer"
    statement: str
    array: str
    loop: str = ""
    read: int = 0
    buffer: str = ""
    is_box: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        body = region_inside(program, self.statement, self.loop)
        region = Region(body.outer, _part(body, self.statement))
        require_plain_accesses(program, region, self.array)
        access = self._access(program.statement(self.statement))
        if self.buffer:
            require_fresh_name(program, self.buffer)
        return self._buffered(program, region, access)

    def _access(self, statement: PolyStatement) -> Access:
        body = statement.body
        reads = body.reads if isinstance(body, Assign) else ()
        found = [a for a in dict.fromkeys(reads) if a.array == self.array]
        if not isinstance(self.read, int) or not 0 <= self.read < len(found):
            raise PomError(
                "POM-P060",
                f"{self.statement!r} has no read {self.read!r} of {self.array!r}",
                statement.location,
                "its reads of it are " + ", ".join(map(str, found))
                if found
                else f"it does not read {self.array!r}",
            )
        return found[self.read]

    def _buffered(self, program: PolyProgram, region: Region, access: Access) -> PolyProgram:
        statement = program.statement(self.statement)
        declared = program.arrays[self.array]
        times = outer_values(program, region, self.statement)
        relation = access_relation(statement, access, declared)
        elements = times.reverse().apply_range(relation).reset_tuple_id(_OUT).coalesce()
        box = window(region, elements)
        local = self.buffer or fresh_name(program, f"{self.array}_in")
        dims = element_names(region, self.array, declared.type.rank)
        element = tuple(Affine.var(d) for d in dims)
        copied = Access(local, box.subscripts(element, {}))
        name = fresh_name(program, f"{local}_copy")
        body = copy_body(name, copied, Access(self.array, element), declared)
        points = covering(region, box, elements, declared, is_box=self.is_box)
        insertion = Insertion(
            before=(nest_statement(region, name, points, dims, body, box.offsets),)
        )
        changed = _reading(statement, access, local, region.values(self.statement), box)
        new = with_insertion(
            program,
            region,
            insertion,
            {self.statement: changed},
            local_array(local, declared, box.shape),
        )
        what = describe("buffer_reads", self.statement, self.array, self.loop)
        changing = decided(
            what, lambda: _changed_before(program, region, statement, relation, self.array)
        )
        if changing is not None:
            raise PomError(
                "POM-P062",
                f"{what} would change what is computed",
                hint="choose a loop within which no other statement changes these elements",
                notes=(changing,),
            )
        check_loop_directives(new, what)
        return new


def _changed_before(
    program: PolyProgram, region: Region, reader: PolyStatement, read: isl.Map, array: str
) -> str | None:
    """A write in the region, before the read in the same iteration, of an element that is read.

    Any such write comes between the copy and the read, and nothing else does.
    """
    times = schedule_times(program)
    outer = outer_values(program, region, reader.name)
    for name in region.node.statements:
        writer = program.statement(name)
        together = outer.apply_range(outer_values(program, region, name).reverse())
        for info in accesses(program, writer):
            if not info.is_write or info.array != array:
                continue
            pairs = read.apply_range(info.relation.reverse()).intersect(together)
            if name == reader.name:
                # an instance reads before it writes
                pairs = pairs.subtract(isl.Map.identity(pairs.get_space()))
            earlier = reversed_pairs(
                pairs.wrap(), reader, writer, times[reader.name], times[writer.name]
            )
            if earlier is not None and not earlier[0].is_empty():
                return f"{name!r} writes to what {reader.name!r} reads later in the same iteration"
    return None


def _part(body: Region, statement: str) -> ScheduleNode:
    """The part of a loop's body that a statement is in."""
    if isinstance(body.node, Sequence):
        return next(c for c in body.node.children if statement in c.statements)
    return body.node


def _reading(
    statement: PolyStatement, access: Access, local: str, values: dict[str, Affine], box: Window
) -> PolyStatement:
    """`statement` with one of its reads going to the copy."""
    element = tuple(s for s in access.subscripts if isinstance(s, Affine))
    moved = Access(local, box.subscripts(element, values))

    def change(expr: Expr) -> Expr:
        if isinstance(expr, Load) and expr.access == access:
            return replace(expr, access=moved)
        return expr

    body = statement.body
    if not isinstance(body, Assign):
        raise TypeError(f"{statement.name!r} is no assignment")
    return replace(statement, body=replace(body, value=rebuild(body.value, change)))
