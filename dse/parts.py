"""The nests that a parallelised nest becomes, and the logic that loops need at the least.

Where a factor leaves a rest, the last iterations are a nest of their own (`realise.nest_primitives`).
Every part has a pipeline, memory accesses and controllers of its own: only operators are shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.resources_constants import LUT_TERMS, load_constants, mux_lut

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """Iterations that are left along some loops, in some designs.

    Parameters
    ----------
    rows : array of int, shape (n,)
        Designs that have this part, with a loop in it.
    lanes, trips : array of int, shape (n, loops)
        Iterations side by side, and one after the other.
    """

    rows: _Ints
    lanes: _Ints
    trips: _Ints


def rest_parts(extents: _Ints, factors: _Ints) -> Iterator[Part]:
    """The parts beside the one of whole blocks, for many designs of a box at once.

    A part with the rest of some loops has all of it side by side. Where nothing is left to loop over,
    it is straight-line code beside the other parts, and not among these.

    Parameters
    ----------
    extents : array of int, shape (loops,)
    factors : array of int, shape (n, loops)
    """
    rests, blocks = extents % factors, extents // factors
    parts: list[tuple[tuple[int, ...], _Ints]] = [((), np.arange(len(factors)))]
    for column in range(len(extents)):
        left = [(columns, rows[rests[rows, column] > 0]) for columns, rows in parts]
        parts += [((*columns, column), rows) for columns, rows in left if len(rows)]
    for columns, rows in parts[1:]:
        trips = blocks[rows]
        trips[:, columns] = 1
        loops = (trips > 1).any(axis=1)
        some = rows[loops]
        if len(some):
            lanes = factors[some]
            lanes[:, columns] = rests[some][:, columns]
            yield Part(some, lanes, trips[loops])


@dataclass(frozen=True, slots=True)
class OperatorLut:
    """LUT of an operator that nests share.

    Parameters
    ----------
    executes : tuple of str
        Operations, by the tool's names: an adder subtracts, too.
    lut : float
    shared : float
        For the controllers of several nests, one each.
    controller : float
        For one controller more.
    """

    executes: tuple[str, ...]
    lut: float
    shared: float
    controller: float

    def of_parts(self, parts: _Ints) -> _Floats:
        """LUT for the controllers that a nest has with more than one part."""
        more = parts - 1 if self.shared else parts
        found: _Floats = np.where(parts > 1, self.controller * more, 0.0)
        return found


def unit_name(operator: str, impl: str) -> str:
    """What executes an operation in an implementation: additions and subtractions share adders."""
    kind = f"{operator.removesuffix('sub')}add" if operator.endswith("sub") else operator
    return f"{kind} {impl}".strip()


def name_of_unit(unit: str) -> str:
    """The same by the name of a `Unit` of an evaluation: ``fadd fabric`` for ``add f32 fabric``."""
    kind, dtype, *impl = unit.split()
    return unit_name({"f16": "h", "f32": "f", "f64": "d"}.get(dtype, "") + kind, " ".join(impl))


@dataclass(frozen=True, slots=True)
class LutCosts:
    """What hardware besides operators costs in LUT, see `pom.qor_model.resources_constants`.

    Parameters
    ----------
    access, loop : float
    control : float
        Per input of the multiplexer that chooses a pipeline's state.
    stage, several_states : float
        Per stage of a pipeline, and per pipeline whose interval is longer than a cycle.
    controller : float
        Per operator and controller, where there are several of these.
    register_mux : float
        Per LUT of a multiplexer behind registers.
    """

    access: float
    loop: float
    control: float
    stage: float
    several_states: float
    controller: float
    register_mux: float

    @classmethod
    def of(cls, tool: str) -> LutCosts:
        """The constants of a tool, by its name and version."""
        found = dict(zip(LUT_TERMS, load_constants(tool).lut, strict=True))
        return cls(
            found["accesses"],
            found["loops"],
            found["pipelined_control"],
            found["pipeline_stages"],
            found["shared_pipelines"],
            found["operator_controllers"],
            found["port_muxes"],
        )

    def operator(self, executes: tuple[str, ...], lut: float, users: int) -> OperatorLut:
        """What an operator costs that has so many controllers, if every nest has one part."""
        shared = self.controller * users if users > 1 else 0.0
        return OperatorLut(executes, lut, shared, self.controller)

    def of_loops(self, trips: _Ints, length: _Floats) -> _Floats:
        """LUT of the loops of a part and of its pipeline, at the least.

        Parameters
        ----------
        trips : array of int, shape (n, loops)
        length : array of float, shape (n,)
            Cycles of one iteration, at the least.
        """
        # an interval of several cycles means fewer stages, of several states
        stages = self.stage * np.maximum(length, 1.0)
        states = self.control * (mux_lut(3) - mux_lut(2)) + self.several_states + self.stage
        pipeline = self.control * mux_lut(2) + np.minimum(stages, states)
        count = (trips > 1).sum(axis=1)
        found: _Floats = self.loop * count + np.where(count > 0, pipeline, 0.0)
        return found
