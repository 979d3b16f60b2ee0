"""The model's answers for rows of a nest, as arrays over the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.dse.evaluation import Evaluation, own_lut
from pom.dse.parts import OperatorLut, name_of_unit

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Room:
    """LUT, FF and DSP blocks that one nest may use, its operators included."""

    lut: float
    ff: float
    dsp: float


@dataclass(frozen=True, slots=True)
class Likely:
    """What rows are likely to take.

    Parameters
    ----------
    cycles : array of float, shape (rows,)
    own, shared : array of float, shape (rows,)
        LUT besides operators: of the nest, and what a design has once.
    by_operator : array of float, shape (rows, operators + 1)
        See `KnownRows`.
    dsp : array of float, shape (rows,)
    """

    cycles: _Floats
    own: _Floats
    shared: _Floats
    by_operator: _Floats
    dsp: _Floats


class KnownRows:
    """What is known of some rows; zeros, and infinite latencies, stand for the others.

    Parameters
    ----------
    count : int
        Rows.
    operators : mapping of operator to OperatorLut
        Those that several nests have.

    Attributes
    ----------
    latency, loops : array of float, shape (count,)
        Cycles of the nest alone, and of its loops.
    own, shared, lut : array of float, shape (count,)
        LUT besides operators, of these what a design has once, and of everything.
    by_operator : array of float, shape (count, operators + 1)
        LUT of the operators; of those without a name of their own in the last column.
    operators, ff, dsp : array of float, shape (count,)
    """

    def __init__(self, count: int, operators: Mapping[str, OperatorLut]) -> None:
        self._shared_lut = {name: lut.shared for name, lut in operators.items()}
        self._columns = {name: column for column, name in enumerate(operators)}
        self.latency = np.full(count, np.inf)
        self.loops = np.zeros(count)
        self.own = np.zeros(count)
        self.shared = np.zeros(count)
        self.lut = np.zeros(count)
        self.by_operator = np.zeros((count, len(operators) + 1))
        self.operators = np.zeros(count)
        self.ff = np.zeros(count)
        self.dsp = np.zeros(count)

    def learn(self, row: int, *answers: Evaluation) -> None:
        """Take in an answer that is no refusal; of several, the least of each number."""
        self.latency[row] = min(answer.latency_cycles for answer in answers)
        self.loops[row] = min(answer.loop_cycles for answer in answers)
        self.own[row] = min(own_lut(answer) for answer in answers)
        self.shared[row] = min(answer.shared_lut for answer in answers)
        self.lut[row] = min(answer.resources.lut for answer in answers)
        self.by_operator[row] = np.min([self._by_operator(answer) for answer in answers], axis=0)
        self.operators[row] = self.by_operator[row].sum()
        self.ff[row] = min(answer.resources.ff for answer in answers)
        self.dsp[row] = min(answer.resources.dsp for answer in answers)

    def _by_operator(self, answer: Evaluation) -> _Floats:
        found = np.zeros(self.by_operator.shape[1])
        for unit in answer.units:
            name = name_of_unit(unit.name)
            more = self._shared_lut.get(name, 0.0)
            found[self._columns.get(name, -1)] += unit.count * (unit.lut + more)
        return found

    def within(self, room: Room) -> _Floats:
        """The latencies of rows that fit, infinite for the others."""
        lut = np.maximum(self.lut, self.own - self.shared + self.operators)
        fits = (lut <= room.lut) & (self.dsp <= room.dsp) & (self.ff <= room.ff)
        found: _Floats = np.where(fits, self.latency, np.inf)
        return found

    def beside(self, waits: float) -> _Floats:
        """Cycles that the loops of rows take beside other nests.

        Parameters
        ----------
        waits : float
            States between loops that are called one after the other.
        """
        found: _Floats = self.loops + waits * (self.loops > 0)
        return found

    def beside_lut(self, control: float) -> _Floats:
        """LUT that rows need besides operators beside other nests, with which `control` is shared."""
        found: _Floats = np.maximum(self.own - self.shared - control, 0.0)
        return found
