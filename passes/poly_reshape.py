"""Reshape an array into wider words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.directives import PartitionKind
from pom.ir.poly import PolyProgram
from pom.passes.array_directives import (
    is_argument,
    overlap,
    partition_of,
    replaced,
    require_array,
)
from pom.passes.base import PolyPass


@dataclass(frozen=True)
class Reshape(PolyPass):
    """Several elements of an array become one word, so that one access reaches all of them.

    ::

        float A[64][64];       →        float A[64][64];
                                        #pragma HLS ARRAY_RESHAPE variable=A dim=2 type=cyclic factor=4

    Parameters
    ----------
    array : str
    dim : int
        From 1; 0 is every dim.
    kind : {"cyclic", "block", "complete"}
    factor : int
        Elements of a word, from 2 to the extent of the dim; 0 with ``complete``.
    """

    name: ClassVar[str] = "poly-reshape"
    summary: ClassVar[str] = "reshape an array into wider words"
    array: str
    dim: int = 1
    kind: PartitionKind = "cyclic"
    factor: int = 0

    def run(self, program: PolyProgram) -> PolyProgram:
        array = require_array(program, self.array)
        directives = program.directives_of(self.array)
        new = partition_of(array, self.dim, self.kind, self.factor)
        reshapes = replaced(directives.reshapes, new)
        dim = overlap(directives.partitions, reshapes)
        if dim is not None:
            raise PomError(
                "POM-S024",
                f"dim {dim} of {self.array!r} is partitioned already and cannot be reshaped too",
                hint="reshape another dim, or leave the partition out",
            )
        if directives.interface == "m_axi" and is_argument(program, self.array):
            raise PomError(
                "POM-S026",
                f"{self.array!r} is an m_axi port, whose words the bus gives",
                hint="copy it into a local array and reshape that",
            )
        return program.with_array(self.array, replace(directives, reshapes=reshapes))
