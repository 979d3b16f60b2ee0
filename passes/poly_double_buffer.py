"""Double buffering: fill one half of a local array while the other half is used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, rebuild
from pom.ir.graph import Array, Assign
from pom.ir.poly import Loop, PolyProgram, PolyStatement
from pom.ir.types import ArrayType
from pom.passes.base import PolyPass
from pom.passes.legality import legal
from pom.passes.local_copies import checked, region_inside, require_plain_accesses
from pom.passes.loop_ranges import loop_step, value_range
from pom.passes.schedule_tree import describe, edit_loop, require_loop


@dataclass(frozen=True)
class DoubleBuffer(PolyPass):
    """A local array gets two halves; the next iteration's half is filled while this one's is used.

    ::

        for t in 0..8:                      for t in -1..8:
            for e: buf[e] = A[8*t + e]          if t < 7:
            for e: use(buf[e])          →           for e: buf[(t+1) % 2, e] = A[8*(t+1) + e]
                                                if t >= 0:
                                                    for e: use(buf[t % 2, e])

    The statements that write the array run one iteration of the loop earlier. Filling and using no
    longer depend on each other within an iteration. The first and the last iteration are set apart,
    so that the others have no guards.

    Legal where no value of the array outlives an iteration of the loop, and filling does not need
    what the iteration before computes.

    Parameters
    ----------
    statement : str
        A statement in the loop.
    array : str
        A local array, such as a buffer of ``buffer_at``, that only statements in the loop use.
    loop : str
    """

    name: ClassVar[str] = "poly-double-buffer"
    summary: ClassVar[str] = "fill one half of a buffer while the other half is used"
    statement: str
    array: str
    loop: str

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("double_buffer", self.statement, self.array, self.loop)
        node = require_loop(program, self.statement, self.loop)
        region = region_inside(program, self.statement, self.loop)
        require_plain_accesses(program, region, self.array)
        self._require_local(program, node, what)
        fillers = self._fillers(program, node, what)
        low, _ = value_range(program, node)
        step = loop_step(program, self.statement, node)
        halves = {s: ((e - low) // step) % 2 for s, e in node.exprs}
        expanded = _expanded(program, self.array, halves)
        expanded = checked(program, expanded, (self.array,), (), what)

        def earlier(loop: Loop) -> Loop:
            exprs = tuple((s, e - step if s in fillers else e) for s, e in loop.exprs)
            return replace(loop, exprs=exprs, part="separate" if loop.part == "all" else loop.part)

        tree = edit_loop(expanded.schedule, self.statement, self.loop, earlier)
        return legal(expanded, replace(expanded, schedule=tree), what)

    def _require_local(self, program: PolyProgram, node: Loop, what: str) -> None:
        if self.array not in {a.name for a in program.locals}:
            raise PomError(
                "POM-P073",
                f"{what}: {self.array!r} is an argument, whose layout cannot change",
                program.arrays[self.array].location,
                "make a local copy with buffer_at first",
            )
        within = set(node.statements)
        for statement in program.statements:
            if statement.name not in within and _uses(statement, self.array):
                raise PomError(
                    "POM-P074",
                    f"{what}: {statement.name!r} outside of the loop uses {self.array!r}",
                    statement.location,
                    "choose a loop around all statements that use it",
                )

    def _fillers(self, program: PolyProgram, node: Loop, what: str) -> frozenset[str]:
        written, read = set(), set()
        for name in node.statements:
            body = program.statement(name).body
            if isinstance(body, Assign):
                if body.target.array == self.array:
                    written.add(name)
                if any(a.array == self.array for a in body.reads):
                    read.add(name)
        if not written or not read or written & read:
            raise PomError(
                "POM-P075",
                f"{what}: no statements that only fill {self.array!r} and others that only use it",
                program.arrays[self.array].location,
                "double buffering is for buffers that are filled first, then only read",
            )
        return frozenset(written)


def _uses(statement: PolyStatement, array: str) -> bool:
    body = statement.body
    if isinstance(body, Assign):
        return body.target.array == array or any(a.array == array for a in body.reads)
    return array in body.arguments


def _expanded(program: PolyProgram, array: str, halves: dict[str, Affine]) -> PolyProgram:
    """`array` with a first dim of two; each statement's accesses in the half that `halves` says."""

    def wider(local: Array) -> Array:
        if local.name != array:
            return local
        return replace(local, type=ArrayType(local.type.element, (2, *local.type.shape)))

    return replace(
        program,
        locals=tuple(wider(a) for a in program.locals),
        statements=tuple(_in_half(s, array, halves.get(s.name)) for s in program.statements),
    )


def _in_half(statement: PolyStatement, array: str, half: Affine | None) -> PolyStatement:
    body = statement.body
    if half is None or not isinstance(body, Assign):
        return statement

    def move(access: Access) -> Access:
        return Access(array, (half, *access.subscripts)) if access.array == array else access

    def change(expr: Expr) -> Expr:
        return replace(expr, access=move(expr.access)) if isinstance(expr, Load) else expr

    return replace(
        statement,
        body=replace(body, target=move(body.target), value=rebuild(body.value, change)),
    )
