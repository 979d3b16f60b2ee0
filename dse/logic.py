"""LUT of operators that are logic and no units: integer additions, comparisons, choices.

A tool shares units among the operations of a pipeline and among nests. An adder of integers costs less
than the multiplexers in front of it would, so every operation has one of its own, whatever the
interval (`pom.qor_model.resources`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.dse.nests import Nest, values_of
from pom.ir.expr import Apply, Const
from pom.ir.poly import PolyProgram
from pom.qor_model.from_affine import scalar_type
from pom.qor_model.operations import HLS_KINDS
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import OpKind

_LOGIC = frozenset(
    {
        OpKind.ADD, OpKind.SUB, OpKind.NEG, OpKind.ABS, OpKind.MIN, OpKind.MAX, OpKind.CMP,
        OpKind.AND, OpKind.OR, OpKind.XOR, OpKind.NOT, OpKind.SELECT,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Logic:
    """LUT that operations need which no others share, per set of loops on which their values depend."""

    by_loops: tuple[tuple[tuple[str, ...], float], ...]

    @classmethod
    def of(cls, program: PolyProgram, nest: Nest, library: OperatorLibrary) -> Logic:
        """What the model counts for one iteration of a nest, at the least."""
        found: dict[tuple[str, ...], float] = {}
        band = tuple(loop.name for loop in nest.band)
        for value, loops in values_of(program, nest.statements, band, nest.is_box):
            found[loops] = found.get(loops, 0.0) + _lut(value, library)
        return cls(tuple((loops, lut) for loops, lut in sorted(found.items()) if lut))

    def lut(
        self, order: tuple[str, ...], lanes: NDArray[np.int64], extents: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """LUT of so many lanes.

        Parameters
        ----------
        order : tuple of str
        lanes : array of int, shape (n, len(order))
        extents : array of int, shape (len(order),)
        """
        total = np.zeros(len(lanes))
        for loops, each in self.by_loops:
            columns = [order.index(loop) for loop in loops]
            total += each * np.minimum(lanes, extents)[:, columns].prod(axis=1)
        return total


def _lut(value: Apply, library: OperatorLibrary) -> float:
    """LUT of one operation; nothing for those that are units, or may be simpler than they look."""
    kind = HLS_KINDS.get(f"hls.{value.op}")
    given = tuple(scalar_type(o.type) for o in value.operands if not isinstance(o, Const))
    if kind not in _LOGIC or not given:
        return 0.0
    result = scalar_type(value.type)
    # choices of floats, too, are units that are shared
    if any(each.is_float for each in (result, *given)):
        return 0.0
    found = library.lookup(kind, result, "", given)
    return found.lut if found.stages == 1 and not found.dsp else 0.0
