"""Partition an array into banks."""

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
class PartitionArray(PolyPass):
    """A dim of an array is spread over several memories, so that more elements are reached at once.

    ::

        float A[64][64];       →        float A[64][64];
                                        #pragma HLS ARRAY_PARTITION variable=A dim=2 type=cyclic factor=4

    Parameters
    ----------
    array : str
    dim : int
        From 1; 0 is every dim. A second partition of the same dim replaces the first.
    kind : {"cyclic", "block", "complete"}
    factor : int
        Banks, from 2 to the extent of the dim; 0 with ``complete``.
    """

    name: ClassVar[str] = "poly-partition"
    summary: ClassVar[str] = "partition an array into banks"
    array: str
    dim: int = 1
    kind: PartitionKind = "cyclic"
    factor: int = 0

    def run(self, program: PolyProgram) -> PolyProgram:
        array = require_array(program, self.array)
        directives = program.directives_of(self.array)
        new = partition_of(array, self.dim, self.kind, self.factor)
        partitions = replaced(directives.partitions, new)
        dim = overlap(partitions, directives.reshapes)
        if dim is not None:
            raise PomError(
                "POM-S024",
                f"dim {dim} of {self.array!r} is reshaped already and cannot be partitioned too",
                hint="partition another dim, or leave the reshape out",
            )
        if directives.interface == "m_axi" and is_argument(program, self.array):
            raise PomError(
                "POM-S026",
                f"{self.array!r} is an m_axi port, which is memory outside: it has no banks",
                hint="copy it into a local array and partition that",
            )
        return program.with_array(self.array, replace(directives, partitions=partitions))
