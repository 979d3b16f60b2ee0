"""Sliding windows and line buffers: elements stay in a local buffer from one iteration to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, rebuild
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.base import PolyPass
from pom.passes.local_copies import (
    Insertion,
    Region,
    Window,
    checked,
    copy_body,
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
from pom.passes.loop_ranges import loop_step
from pom.passes.schedule_tree import describe, require_loop

Addressing = Literal["shift", "circular"]


@dataclass(frozen=True)
class ReuseAt(PolyPass):
    """A loop loads only the elements that its previous iteration did not have.

    ::

        for i in 1..9:                      for i in 1..9:
            y[i] = x[i-1] + x[i] + x[i+1]       if i >= 2: w[0] = w[1]; w[1] = w[2]    # w_shift
                                        →       for e new: w[e - i + 1] = x[e]         # w_in
                                                y[i] = w[0] + w[1] + w[2]

    With ``shift`` the window moves through the buffer, as registers do (a window of the innermost
    loop). With ``circular`` the elements stay where they are and the subscripts wrap around (line
    buffers, whose rows are too long to move).

    Legal where the loop only reads the array, and no statement in it writes what is kept.

    Parameters
    ----------
    statement : str
        A statement in the loop.
    array : str
    loop : str
    addressing : {"shift", "circular"}
    buffer : str
        Name of the buffer; ``<array>_win`` by default.
    """

    name: ClassVar[str] = "poly-reuse-at"
    summary: ClassVar[str] = "keep elements in a sliding window or in line buffers"
    statement: str
    array: str
    loop: str
    addressing: Addressing = "shift"
    buffer: str = ""

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("reuse_at", self.statement, self.array, self.loop)
        node = require_loop(program, self.statement, self.loop)
        if self.addressing not in ("shift", "circular"):
            raise PomError(
                "POM-P070",
                f"unknown addressing {self.addressing!r}",
                hint="use 'shift' or 'circular'",
            )
        region = region_inside(program, self.statement, self.loop)
        require_plain_accesses(program, region, self.array)
        used = footprint(program, region, self.array)
        if not used.written.is_empty():
            raise PomError(
                "POM-P071",
                f"{what}: the loop writes {self.array!r}, and the window would be out of date",
                program.statement(self.statement).location,
                "use buffer_at, which copies back",
            )
        step = loop_step(program, self.statement, node)
        kept = _kept(region, used.accessed, step)
        if kept.is_empty():
            raise PomError(
                "POM-P072",
                f"{what}: no iteration uses an element that the one before it used",
                program.statement(self.statement).location,
                "choose another loop, or use buffer_at",
            )
        if self.buffer:
            require_fresh_name(program, self.buffer)
        local = self.buffer or fresh_name(program, f"{self.array}_win")
        writer = _Writer(program, region, self.array, local, used.accessed, kept, step)
        new, copies = writer.run(self.addressing)
        return checked(program, new, (self.array, local), copies, what)


def _kept(region: Region, accessed: isl.Map, step: int) -> isl.Map:
    """``[outer values] -> [element]`` that the iteration before, if there is one, also used."""
    last = len(region.outer) - 1
    dims = [f"l{k}" for k in range(last + 1)]
    next_ = [*dims[:-1], f"{dims[-1]} + {step}"]
    later = isl.Map(f"{{ [{', '.join(dims)}] -> [{', '.join(next_)}] }}")
    return accessed.intersect(accessed.apply_domain(later)).coalesce()


@dataclass(slots=True)
class _Writer:
    program: PolyProgram
    region: Region
    array: str
    local: str
    accessed: isl.Map
    kept: isl.Map
    step: int

    def run(self, addressing: Addressing) -> tuple[PolyProgram, tuple[str, ...]]:
        """The program, and the names of the copies in it."""
        program, region = self.program, self.region
        declared = program.arrays[self.array]
        box = window(region, self.accessed)
        if addressing == "circular":
            box = _circular(box)
        dims = element_names(region, self.array, declared.type.rank)
        element = tuple(Affine.var(d) for d in dims)
        inside = Access(self.local, self._subscripts(box, element, {}, addressing))
        before = []
        if addressing == "shift":
            # what an element's place was one iteration ago
            loop = region.outer[-1].name
            old = {loop: Affine.var(loop) - self.step}
            source = Access(self.local, self._subscripts(box, element, old, addressing))
            if source != inside:
                name = fresh_name(program, f"{self.local}_shift")
                body = copy_body(name, inside, source, declared)
                before.append(nest_statement(region, name, self.kept, dims, body))
        name = fresh_name(program, f"{self.local}_in")
        body = copy_body(name, inside, Access(self.array, element), declared)
        new_elements = self.accessed.subtract(self.kept).coalesce()
        before.append(nest_statement(region, name, new_elements, dims, body))
        changed = {s: self._redirected(s, box, addressing) for s in region.node.statements}
        new = with_insertion(
            program,
            region,
            Insertion(before=tuple(before)),
            changed,
            local_array(self.local, declared, box.shape),
        )
        return new, tuple(s.name for s, _ in before)

    def _subscripts(
        self,
        box: Window,
        element: tuple[Affine, ...],
        values: dict[str, Affine],
        addressing: Addressing,
    ) -> tuple[Affine, ...]:
        places = box.subscripts(element, values)
        if addressing == "circular":
            return tuple(p % n for p, n in zip(places, box.shape, strict=True))
        return places

    def _redirected(self, name: str, box: Window, addressing: Addressing) -> PolyStatement:
        statement = redirected(
            self.program.statement(name), self.array, self.region.values(name), self.local, box
        )
        return _wrapped(statement, self.local, box.shape) if addressing == "circular" else statement


def _circular(box: Window) -> Window:
    """The same box counted from zero: places are taken modulo its extents."""
    return Window(tuple(Affine() for _ in box.offsets), box.extents)


def _wrapped(statement: PolyStatement, array: str, shape: tuple[int, ...]) -> PolyStatement:
    """`statement` with its subscripts of `array` taken modulo `shape`."""
    body = statement.body
    if not isinstance(body, Assign):
        return statement

    def change(expr: Expr) -> Expr:
        if not isinstance(expr, Load) or expr.access.array != array:
            return expr
        subscripts = tuple(
            s % n if isinstance(s, Affine) else s
            for s, n in zip(expr.access.subscripts, shape, strict=True)
        )
        return replace(expr, access=Access(array, subscripts))

    return replace(statement, body=replace(body, value=rebuild(body.value, change)))
