"""The rows of a nest in the light of what other nests take: banks, operators, LUT at a price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pom.dse.problem import Resources

Corner = tuple[float, float]
"""Cycles that a LUT is worth, and the most LUT that the operators of a nest may take."""
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Mask = NDArray[np.bool_]

LOOKED_AT = 300
"""Of how many of the best rows banks are looked at."""


@dataclass(frozen=True, slots=True)
class LikelyRows:
    """What rows of a nest are expected to take (`known_rows.Likely`); of equal factors, one order.

    `most` has the LUT of all operators of a row. `views` has the rows in the light of limits and banks.
    """

    rows: _Ints
    cycles: _Floats
    own: _Floats
    shared: _Floats
    operators: _Floats
    most: _Floats
    dsp: _Floats
    lanes: _Ints
    is_inside: _Mask
    views: dict[Resources, dict[bytes, View]] = field(default_factory=dict, compare=False)


class Views:
    """What one choice looks at: guesses within limits, in the light of banks and prices."""

    def __init__(self, guesses: Sequence[LikelyRows], limits: Resources) -> None:
        self.guesses = guesses
        self.limits = limits
        self.total = sum(float(g.cycles.min()) for g in guesses)
        allowed = [g.most[g.dsp <= limits.dsp].max(initial=0.0) for g in guesses]
        self.operators = min(float(max(allowed, default=0.0)), float(limits.lut))
        self.of = [guess.views.setdefault(limits, {}) for guess in guesses]
        self.alternatives: dict[tuple[int, Corner], tuple[list[int], Iterator[int]]] = {}

    def corner(self, cap: float, price: float) -> Corner:
        """A share of the operators and a price of all LUT in their units."""
        return price * self.total / max(self.limits.lut, 1), cap * self.operators


class View:
    """The rows of a nest beside given banks of others.

    Parameters
    ----------
    guess : LikelyRows
    limits : Resources
    nests : int
        That share the operators.
    usable : mask
        Rows that agree with the banks.
    own : array
        LUT that the rows need besides operators, selection among the banks included.

    Attributes
    ----------
    beside : dict of (nest, corner) to array
        What this nest takes at the least beside every class of rows of another nest.
    """

    def __init__(
        self, guess: LikelyRows, limits: Resources, nests: int, usable: _Mask, own: _Floats
    ) -> None:
        self._guess, self._own, self._lut = guess, own, limits.lut
        self._share = 1.0 / nests
        self._agrees = usable & (guess.dsp <= limits.dsp)
        self._fits = self._agrees & (own + guess.shared + guess.most <= limits.lut)
        self._least: dict[tuple[Corner, bytes], int] = {}
        self.beside: dict[tuple[int, Corner], _Floats] = {}

    def values(self, corner: Corner) -> tuple[_Floats, _Mask]:
        """Cycles and priced LUT of all rows, and which of them are within a cap."""
        per_lut, most = corner
        guess = self._guess
        values = guess.cycles + per_lut * (self._own + self._share * guess.most)
        return values, self._fits & (guess.most <= most)

    def least(self, corner: Corner, operators: _Floats | None) -> int:
        """The best row for a cap and a price; -1 for none.

        Parameters
        ----------
        corner : Corner
        operators : array of float, shape (kinds,), optional
            LUT of operators of every kind that are there for other nests.
        """
        key = corner, b"" if operators is None else operators.tobytes()
        found = self._least.get(key)
        if found is None:
            values, usable = self.values(corner)
            if operators is not None:
                guess = self._guess
                more = np.maximum(guess.operators - operators, 0.0).sum(axis=1)
                values = guess.cycles + corner[0] * (self._own + more)
            found = self._least[key] = _least(values, usable, self._guess.lanes)
        return found

    def near(self, corner: Corner, others: _Floats) -> list[int]:
        """The best rows for a cap and a price, with what others need beside them, the best first."""
        values, usable = self.values(corner)
        values = values + others
        rows = np.flatnonzero(usable & (values < np.inf))
        count = min(LOOKED_AT, len(rows))
        if not count:
            return []
        near = rows[np.argpartition(values[rows], count - 1)[:count]]
        found: list[int] = near[np.lexsort((near, values[near]))].tolist()
        return found

    def fastest_beside(
        self, own: float | _Floats, shared: float, operators: _Floats, present: int
    ) -> int:
        """The fastest row that fits beside what others need; -1 for none.

        Parameters
        ----------
        own : float, or array of float, shape (rows,)
            LUT besides operators; what others need besides a row may depend on it.
        shared : float
            What is there once.
        operators : array of float, shape (kinds,)
            LUT of operators of every kind.
        present : int
            A row that others agree with, if it does not with them.
        """
        guess = self._guess
        needs = own + self._own + np.maximum(guess.shared, shared)
        needs += np.maximum(guess.operators, operators).sum(axis=1)
        usable = self._agrees.copy()
        usable[present] = True
        return _least(guess.cycles, usable & (needs <= self._lut), guess.lanes)


def _least(values: _Floats, usable: _Mask, lanes: _Ints) -> int:
    """The usable row with the least value; among equals the one with fewest lanes; -1 for none."""
    rows = np.flatnonzero(usable)
    if not len(rows):
        return -1
    found = values[rows]
    low = found.min()
    ties = rows[found <= low + 1e-9 * abs(low)]
    return int(ties[np.argmin(lanes[ties])])
