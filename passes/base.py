"""What a pass is: a frozen dataclass whose fields are its options.

``name``, ``summary`` and ``level`` are class variables. A pass on the graph or the poly level is a
pure function of an immutable program; a pass on the affine level edits a module that the pass
manager has cloned for it.

    @dataclass(frozen=True)
    class Interchange(PolyPass):
        name: ClassVar[str] = "poly-interchange"
        summary: ClassVar[str] = "swap two loops of a statement"
        statement: str
        outer: str
        inner: str

        def run(self, program: PolyProgram) -> PolyProgram: ...

`pom.passes.registry` has one line per pass. `pom.passes.manager` parses
``poly-interchange{statement=mac outer=i inner=j}`` into an instance by its fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pom.ir.graph import Kernel
from pom.ir.poly import PolyProgram

if TYPE_CHECKING:
    from mlir.ir import Module

Level = Literal["graph", "poly", "affine"]


class Pass:
    """Common part of the passes of every level."""

    name: ClassVar[str]
    summary: ClassVar[str]
    level: ClassVar[Level]


class GraphPass(Pass):
    """Level 1 → level 1."""

    level: ClassVar[Level] = "graph"

    def run(self, program: Kernel) -> Kernel:
        """The transformed program."""
        raise NotImplementedError


class PolyPass(Pass):
    """Level 2 → level 2. Raises `PomError` where it is illegal."""

    level: ClassVar[Level] = "poly"

    def run(self, program: PolyProgram) -> PolyProgram:
        """The transformed program."""
        raise NotImplementedError


class AffinePass(Pass):
    """Level 3, in place."""

    level: ClassVar[Level] = "affine"

    def run(self, program: Module) -> None:
        """Edit `program`."""
        raise NotImplementedError


class Conversion(Pass):
    """A level → the next one. `level` is that of the input, `output_level` of the result."""

    output_level: ClassVar[Level]

    def run(self, program: Kernel | PolyProgram) -> PolyProgram | Module:
        """The program at the level below."""
        raise NotImplementedError
