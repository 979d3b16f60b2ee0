"""Give a local array elements of its own in every iteration of a loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, rebuild
from pom.ir.graph import Array, Assign
from pom.ir.poly import PolyProgram, PolyStatement
from pom.ir.types import ArrayType
from pom.passes.base import PolyPass
from pom.passes.local_copies import (
    checked,
    fresh_name,
    region_of,
    require_fresh_name,
    require_plain_accesses,
)
from pom.passes.loop_ranges import loop_step, value_range
from pom.passes.schedule_tree import describe, require_loop


@dataclass(frozen=True)
class Expand(PolyPass):
    """A local array gets a dim for a loop, so that iterations no longer share its elements.

    ::

        for i:                          for i:
            t = 0                           t_x[i] = 0
            for j:                 →        for j:
                t += A[i, j]                    t_x[i] += A[i, j]
            x[i] = t                        x[i] = t_x[i]

    Iterations that only used the same storage one after the other then depend on each other no more:
    the loop can be distributed, permuted and unrolled. Statements outside of the loop keep the old
    array. Legal where no value goes in, out, or from one iteration to another; checked by value-based
    dataflow.

    Parameters
    ----------
    statement : str
        Any statement in the loop.
    array : str
        A local array.
    loop : str
    expanded : str
        Name of the new array; ``<array>_x`` by default.
    """

    name: ClassVar[str] = "poly-expand"
    summary: ClassVar[str] = "give a local array elements of its own per iteration"
    statement: str
    array: str
    loop: str
    expanded: str = ""

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("expand", self.statement, self.array, self.loop)
        loop = require_loop(program, self.statement, self.loop)
        region = region_of(program, self.statement, self.loop)
        require_plain_accesses(program, region, self.array)
        declared = next((a for a in program.locals if a.name == self.array), None)
        if declared is None:
            raise PomError(
                "POM-P077",
                f"{self.array!r} is an argument of {program.name!r}, which has its shape",
                program.arrays[self.array].location,
                "only local arrays can be expanded",
            )
        if self.expanded:
            require_fresh_name(program, self.expanded)
        local = self.expanded or fresh_name(program, f"{self.array}_x")
        low, high = value_range(program, loop)
        if high < low:
            raise PomError(
                "POM-P077",
                f"{what}: the loop never runs, so there is nothing to expand",
                loop.location,
                "choose a loop that runs",
            )
        step = loop_step(program, self.statement, loop)
        array = Array(
            local,
            ArrayType(declared.type.element, ((high - low) // step + 1, *declared.type.shape)),
            declared.location,
        )
        inside = set(loop.statements)
        statements = tuple(
            _moved(s, self.array, local, (loop.expr(s.name) - low) // step)
            if s.name in inside
            else s
            for s in program.statements
        )
        new = replace(program, statements=statements, locals=(*program.locals, array))
        new = checked(program, new, (self.array, local), (), what)
        return without_unused(new, self.array)


def _moved(statement: PolyStatement, array: str, local: str, place: Affine) -> PolyStatement:
    """`statement` with its accesses to `array` going to the elements at `place` of `local`."""
    body = statement.body
    if not isinstance(body, Assign):
        return statement

    def move(access: Access) -> Access:
        return Access(local, (place, *access.subscripts)) if access.array == array else access

    def change(expr: Expr) -> Expr:
        return replace(expr, access=move(expr.access)) if isinstance(expr, Load) else expr

    def change_subscript(subscript: Affine | Expr) -> Affine | Expr:
        return subscript if isinstance(subscript, Affine) else rebuild(subscript, change)

    target = move(body.target)
    target = replace(target, subscripts=tuple(change_subscript(s) for s in target.subscripts))
    return replace(statement, body=replace(body, target=target, value=rebuild(body.value, change)))


def without_unused(program: PolyProgram, array: str) -> PolyProgram:
    """`program` without a local array that nothing accesses."""
    for statement in program.statements:
        body = statement.body
        if not isinstance(body, Assign):
            if array in body.arguments:
                return program
        elif any(a.array == array for a in (*body.reads, body.target)):
            return program
    return replace(
        program,
        locals=tuple(a for a in program.locals if a.name != array),
        array_directives=tuple((a, d) for a, d in program.array_directives if a != array),
    )
