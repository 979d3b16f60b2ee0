"""Rows of nests that agree on banks, near a choice of rows that need not.

A bound lets every nest take what it wants as long as no other nest has decided. Here it is asked what
that would cost: which nest had better decide next, because all that it may choose costs itself or others
something, and which design comes out if one nest after the other decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.dse.choices import fastest_choice
from pom.dse.shared_banks import Key, Part, SharedBanks, joined, lut_of

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]

CLASSES = 16
"""Most classes of rows of a nest that are looked at."""
DEARER = (1.0, 4.0)
"""How much dearer than in the bound LUT are made until the rows fit."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A choice of rows in which some nests have not decided on banks.

    Parameters
    ----------
    shared : SharedBanks
    parts : sequence of Part
    values : sequence of array of float
        What every row adds to the bound; infinite for rows that are out of the question.
    choice : tuple of int
        A cell of every part.
    banks : dict
        Of the nests that have decided.
    open : tuple of int
        The others.
    per_lut : float
        Cycles that a LUT is worth.
    """

    shared: SharedBanks
    parts: Sequence[Part]
    values: Sequence[_Floats]
    choice: tuple[int, ...]
    banks: dict[Key, int]
    open: tuple[int, ...]
    per_lut: float

    def regrets(self) -> list[tuple[float, int]]:
        """What deciding costs at the least, by nest: the most first."""
        cells = dict(enumerate(self.choice))
        found = []
        for n in self.open:
            others = {m: cell for m, cell in cells.items() if m != n}
            cost = min((c for c, _ in self._decisions(n, self.banks, others, self.per_lut)))
            found.append((cost, n))
        return sorted(found, key=lambda pair: -pair[0])

    def agreed(
        self, known: Sequence[NDArray[np.bool_]], limit: float, most: float
    ) -> tuple[int, ...] | None:
        """Cells that agree, of which a design can be made; None for none.

        Parameters
        ----------
        known : sequence of mask
            Per part, cells of which the answer is known.
        limit : float
            LUT.
        most : float
            Slower designs are of no interest.
        """
        order = [n for _, n in self.regrets()]
        for dearer in DEARER:
            cells = {n: cell for n, cell in enumerate(self.choice) if n not in self.open}
            banks = self.banks
            for n in order:
                decisions = self._decisions(n, banks, cells, dearer * self.per_lut)
                _, cells[n] = min(decisions, key=lambda pair: pair[0])
                banks = joined(banks, self._wants(n, cells[n]))
            found = self._fastest(banks, cells, known, limit, most)
            if found is not None:
                return found
        return None

    def _decisions(
        self, n: int, banks: dict[Key, int], others: dict[int, int], per_lut: float
    ) -> Iterator[tuple[float, int]]:
        """Classes of rows of a nest that it may decide for: what each costs, and its best cell."""
        part, values = self.parts[n], self.values[n]
        which = self.shared.classes[n][part.rows]
        order = np.argsort(values, kind="stable")
        order = order[values[order] < np.inf]
        _, first = np.unique(which[order], return_index=True)
        low = float(values[order[0]])
        best = float("inf")
        for cell in order[np.sort(first)[:CLASSES]].tolist():
            later = float(values[cell]) - low
            if later >= best:
                return
            after = joined(banks, self._wants(n, cell))
            more = sum(self._more(m, own, banks, after) for m, own in others.items())
            more += self._more(n, cell, self.banks, after)
            best = min(best, later + per_lut * more)
            yield later + per_lut * more, cell

    def _wants(self, n: int, cell: int) -> dict[Key, int]:
        row = self.parts[n].rows[cell]
        return self.shared.of_class(n, int(self.shared.classes[n][row]))

    def _more(self, n: int, cell: int, before: dict[Key, int], after: dict[Key, int]) -> float:
        """LUT that a row needs when banks change."""
        if all(before.get(key, 1) == after.get(key, 1) for key in self.shared.keys[n]):
            return 0.0
        row = self.parts[n].rows[[cell]]
        more = self.shared.extra_lut(n, after, row) - self.shared.extra_lut(n, before, row)
        return float(more[0])

    def _fastest(
        self,
        banks: dict[Key, int],
        cells: dict[int, int],
        known: Sequence[NDArray[np.bool_]],
        limit: float,
        most: float,
    ) -> tuple[int, ...] | None:
        """The fastest of known rows, and of `cells`, that want no other banks."""
        operators = np.array([p.operators[cells[n]] for n, p in enumerate(self.parts)])
        # every kind of operator is counted where most of it is
        shares = operators == operators.max(axis=0)
        shares = shares / shares.sum(axis=0)
        cycles, own = [], []
        for n, part in enumerate(self.parts):
            fits = self.shared.agrees(n, banks)[self.shared.classes[n][part.rows]] & known[n]
            fits &= ~part.is_helped
            fits[cells[n]] = True
            cycles.append(np.where(fits, part.cycles, np.inf))
            extra = self.shared.extra_lut(n, banks, part.rows)
            own.append(np.maximum(part.own + extra, part.least_own))
        lut = [
            of_nest + part.operators @ share
            for of_nest, part, share in zip(own, self.parts, shares, strict=True)
        ]
        found = fastest_choice(cycles, lut, limit, most)
        if found is None or lut_of(self.parts, own, found.cells) > limit:
            return None
        return found.cells
