"""The lowerings between levels, as passes of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pom.errors import InternalError
from pom.ir.graph import Kernel
from pom.ir.poly import PolyProgram
from pom.passes.base import Conversion, Level

if TYPE_CHECKING:
    from mlir.ir import Module


@dataclass(frozen=True)
class GraphToPoly(Conversion):
    """Loops and guards become integer sets and a schedule tree: `pom.passes.graph_to_poly`."""

    name: ClassVar[str] = "graph-to-poly"
    summary: ClassVar[str] = "lower level 1 to level 2"
    level: ClassVar[Level] = "graph"
    output_level: ClassVar[Level] = "poly"

    def run(self, program: Kernel | PolyProgram) -> PolyProgram:
        from pom.passes.graph_to_poly import graph_to_poly

        if not isinstance(program, Kernel):
            raise InternalError(f"{self.name} was given a {type(program).__name__}")
        return graph_to_poly(program)


@dataclass(frozen=True)
class PolyToAffine(Conversion):
    """Sets and schedule become annotated affine loops: `pom.passes.poly_to_affine`.

    The result is validated against the program.
    """

    name: ClassVar[str] = "poly-to-affine"
    summary: ClassVar[str] = "lower level 2 to level 3 and prove the result"
    level: ClassVar[Level] = "poly"
    output_level: ClassVar[Level] = "affine"

    def run(self, program: Kernel | PolyProgram) -> Module:
        from pom.passes.lowering import lower

        if not isinstance(program, PolyProgram):
            raise InternalError(f"{self.name} was given a {type(program).__name__}")
        return lower(program, program)
