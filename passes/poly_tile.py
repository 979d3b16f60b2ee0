"""Tile loops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.legality import Remedy, is_legal, legal
from pom.passes.poly_reorder import reordered
from pom.passes.poly_skew import skew
from pom.passes.poly_split import Remainder, split, split_names
from pom.passes.schedule_tree import describe, require_loop


@dataclass(frozen=True)
class Tile(PolyPass):
    """Each of several loops is split, and the block loops go outside the point loops.

    ::

        for i in 0..64:                 for i0 in 0..16:
            for j in 0..64:    →            for j0 in 0..16:
                S(i, j)                         for i1 in 0..4:
                                                    for j1 in 0..4:
                                                        S(4*i0 + i1, 4*j0 + j1)

    Legal where the resulting order keeps every dependence; loops that can be permuted freely can
    always be tiled. Sizes need not divide the trip counts.

    Parameters
    ----------
    statement : str
    loops : tuple of str
        In the order that the tiles and the points shall have.
    sizes : tuple of int
    remainder : {"isolate", "separate", "guard"}
        As for `poly-split`.
    fast_math : bool
        Reductions on floats may be reassociated.
    """

    name: ClassVar[str] = "poly-tile"
    summary: ClassVar[str] = "tile loops around a statement"
    statement: str
    loops: tuple[str, ...]
    sizes: tuple[int, ...]
    remainder: Remainder = "isolate"
    fast_math: bool = False

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("tile", self.statement, *self.loops, *self.sizes)
        candidates = tiled(program, self.statement, self.loops, self.sizes, self.remainder)
        for candidate in candidates:
            if is_legal(program, candidate, self.fast_math):
                return legal(program, candidate, what, self.fast_math)
        return legal(program, candidates[0], what, self.fast_math, self._remedies(program))

    def _remedies(self, program: PolyProgram) -> Iterable[Remedy]:
        names = [n.name for n in program.loops(self.statement) if n.name in self.loops]
        for factor in (1, 2, 3, 4):
            for outer in names:
                inner = [n for n in names if names.index(n) > names.index(outer)]
                if not inner:
                    continue
                calls = ", ".join(f"skew({outer!r}, {n!r}, {factor})" for n in inner)

                def make(
                    outer: str = outer, inner: list[str] = inner, factor: int = factor
                ) -> PolyProgram:
                    skewed = program
                    for name in inner:
                        skewed = skew(skewed, self.statement, outer, name, factor)
                    found = tiled(skewed, self.statement, self.loops, self.sizes, self.remainder)
                    return next(
                        (c for c in found if is_legal(program, c, self.fast_math)), found[0]
                    )

                yield f"skew first: {calls}", make


def tiled(
    program: PolyProgram,
    statement: str,
    loops: tuple[str, ...],
    sizes: tuple[int, ...],
    remainder: Remainder = "isolate",
) -> tuple[PolyProgram, ...]:
    """The programs that `Tile` may mean, legal or not, the simplest first.

    Raises
    ------
    PomError
        POM-S007 for wrong arguments, and what `split` raises.
    """
    if not loops or len(loops) != len(sizes) or len(set(loops)) != len(loops):
        raise PomError(
            "POM-S007",
            f"tile takes different loops and one size for each, not {loops!r} and {sizes!r}",
            hint="for example tile('i', 'j', 4, 4)",
        )
    for name in loops:
        require_loop(program, statement, name)
    for name, size in zip(loops, sizes, strict=True):
        program = split(program, statement, name, size, (), remainder)
    if len(loops) == 1:
        return (program,)
    pairs = [split_names(name, ()) for name in loops]
    order = (*(outer for outer, _ in pairs), *(inner for _, inner in pairs))
    return reordered(program, statement, order)
