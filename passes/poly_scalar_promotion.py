"""Keep an accumulator in a register while a loop runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.local_copies import footprint, region_of, require_plain_accesses, window
from pom.passes.poly_buffer_at import buffered
from pom.passes.schedule_tree import describe


@dataclass(frozen=True)
class ScalarPromotion(PolyPass):
    """The one element of an array that a loop uses is in a local scalar while the loop runs.

    ::

        for k in 0..48:                     C_reg = C[i, j]
            C[i, j] += A[i, k] * B[k, j]  → for k in 0..48:
                                                C_reg += A[i, k] * B[k, j]
                                            C[i, j] = C_reg

    Legal where every access in the loop to the array is to one and the same element.

    Parameters
    ----------
    statement : str
        A statement in the loop.
    array : str
    loop : str
        The loop during which the element stays in the scalar.
    scalar : str
        Its name; ``<array>_reg`` by default.
    """

    name: ClassVar[str] = "poly-scalar-promotion"
    summary: ClassVar[str] = "keep the element that a loop accumulates into in a register"
    statement: str
    array: str
    loop: str
    scalar: str = ""

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("scalar_promotion", self.statement, self.array, self.loop)
        region = region_of(program, self.statement, self.loop)
        require_plain_accesses(program, region, self.array)
        box = window(region, footprint(program, region, self.array).accessed)
        if box.shape:
            raise PomError(
                "POM-P065",
                f"{what}: the loop uses {' x '.join(map(str, box.extents))} elements of "
                f"{self.array!r}, not one",
                program.statement(self.statement).location,
                "choose a loop further in, or use buffer_at",
            )
        return buffered(program, region, self.array, self.scalar, what, "reg")
