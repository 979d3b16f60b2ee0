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
        # a window without holes, so that what an iteration skips is there for a later one
        array = program.arrays[self.array]
        box = window(region, used.accessed)
        accessed = covering(region, box, used.accessed, array)
        kept = _kept(region, accessed, step)
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
        writer = _Writer(program, region, self.array, local, accessed, kept, step)
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
    moduli: tuple[int, ...] = ()

    def run(self, addressing: Addressing) -> tuple[PolyProgram, tuple[str, ...]]:
        """The program, and the names of the copies in it."""
        program, region = self.program, self.region
        declared = program.arrays[self.array]
        box = window(region, self.accessed)
        starts = box.offsets
        self.moduli = _moduli(box) if addressing == "circular" else (0,) * len(box.kept)
        if addressing == "circular":
            box = _circular(box)
        dims = element_names(region, self.array, declared.type.rank)
        element = tuple(Affine.var(d) for d in dims)
        inside = Access(self.local, self._subscripts(box, element, {}))
        before = []
        if addressing == "shift":
            # what an element's place was one iteration ago
            loop = region.outer[-1].name
            old = {loop: Affine.var(loop) - self.step}
            source = Access(self.local, self._subscripts(box, element, old))
            if source != inside:
                name = fresh_name(program, f"{self.local}_shift")
                body = copy_body(name, inside, source, declared)
                before.append(nest_statement(region, name, self.kept, dims, body, starts))
        name = fresh_name(program, f"{self.local}_in")
        body = copy_body(name, inside, Access(self.array, element), declared)
        new_elements = self.accessed.subtract(self.kept).coalesce()
        before.append(nest_statement(region, name, new_elements, dims, body, starts))
        changed = {s: self._redirected(s, box) for s in region.node.statements}
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
    ) -> tuple[Affine, ...]:
        return _wrapped(box.subscripts(element, values), self.moduli)

    def _redirected(self, name: str, box: Window) -> PolyStatement:
        statement = redirected(
            self.program.statement(name), self.array, self.region.values(name), self.local, box
        )
        return _with_wrapped(statement, self.local, self.moduli)


def _circular(box: Window) -> Window:
    """The same box with the moving dims counted from zero: places are taken modulo their extents."""
    offsets = tuple(o if o.is_constant else Affine() for o in box.offsets)
    return Window(offsets, box.extents)


def _moduli(box: Window) -> tuple[int, ...]:
    """For each dim of the buffer, what its places wrap around at; 0 where they stay in place."""
    return tuple(0 if box.offsets[k].is_constant else box.extents[k] for k in box.kept)


def _wrapped(places: tuple[Affine, ...], moduli: tuple[int, ...]) -> tuple[Affine, ...]:
    return tuple(p % n if n else p for p, n in zip(places, moduli, strict=True))


def _with_wrapped(statement: PolyStatement, array: str, moduli: tuple[int, ...]) -> PolyStatement:
    """`statement` with its subscripts of `array` taken modulo `moduli`."""
    body = statement.body
    if not isinstance(body, Assign):
        return statement

    def change(expr: Expr) -> Expr:
        if not isinstance(expr, Load) or expr.access.array != array:
            return expr
        places = tuple(s for s in expr.access.subscripts if isinstance(s, Affine))
        return replace(expr, access=Access(array, _wrapped(places, moduli)))

    return replace(statement, body=replace(body, value=rebuild(body.value, change)))
