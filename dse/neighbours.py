"""Designs near one that is known: with other rows for one nest, or for several at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pom.dse.nest_table import NestTable
from pom.dse.shared_banks import Part, SharedBanks

_Floats = NDArray[np.float64]

LOOKED_AT, MORE = 20, 0.002
"""Rows of a nest that are looked at to better a design, and the share of its cycles that they gain."""
TRIED, LITTLE, MUCH = 3, 0.00002, 0.01
"""The same, where several nests change at once: kernels may have many small ones, which share what the
others leave; and the share from which on a gain is worth any LUT."""
LEAST_LUT = 10.0
"""Rows that need less than this more are as good as free."""


Design = tuple[int, ...]


class Neighbours:
    """What may be better than a design, as its nests are expected to be.

    Parameters
    ----------
    design : tuple of int
        A row per nest, whose answers are known.
    parts : sequence of Part
        Rows of every nest that may be part of a better one.
    tables : sequence of NestTable
    shared : SharedBanks
    limit : float
        LUT that a design may need.
    lut : float
        LUT that the design needs. What is expected of it is off by as much as for its neighbours.
    """

    def __init__(
        self,
        design: Design,
        parts: Sequence[Part],
        tables: Sequence[NestTable],
        shared: SharedBanks,
        limit: float,
        lut: float,
    ) -> None:
        self._design, self._parts, self._shared = design, parts, shared
        pairs = list(zip(tables, design, strict=True))
        self._cycles = [float(table.known.latency[row]) for table, row in pairs]
        self._own = [float(table.guesses().own[row]) for table, row in pairs]
        self._operators: list[_Floats] = [table.known.by_operator[row] for table, row in pairs]
        self._expected_lut = self._expected({}, design)
        self._limit = limit + self._expected_lut - lut

    def designs(self) -> Iterator[Design]:
        """Designs that seem to fit: several changes at once, then single ones, the best first."""
        found = [gain for n in range(len(self._parts)) for gain in self._gains(n)]
        together = self._together([each[1:] for each in sorted(found)])
        if sum(a != b for a, b in zip(together, self._design, strict=True)) > 1:
            yield together
        least = MORE * sum(self._cycles)
        for gain, n, place in sorted(each[1:] for each in found):
            if -gain > least:
                changed = self._changed(self._design, n, place)
                if self._fits({n: place}, changed):
                    yield changed

    def _changed(self, design: Design, n: int, place: int) -> Design:
        return (*design[:n], int(self._parts[n].rows[place]), *design[n + 1 :])

    def _gains(self, n: int) -> list[tuple[float, float, int, int]]:
        """Less cycles with another row of a nest, per LUT where they are few, and in all: negated, so
        that the best is the least; the nest, and the row's place in its part."""
        part = self._parts[n]
        others = [m for m in range(len(self._parts)) if m != n]
        banks = self._shared.wanted_by({m: self._design[m] for m in others})
        lut = sum(self._own[m] for m in others) + part.own
        lut = lut + self._shared.extra_lut(n, banks, part.rows)
        most = np.max([self._operators[m] for m in others], axis=0, initial=0.0)
        lut = lut + np.maximum(part.operators, most).sum(axis=1)
        gain = self._cycles[n] - part.cycles
        usable = np.flatnonzero((lut <= self._limit) & (gain > LITTLE * sum(self._cycles)))
        more = np.maximum(lut - self._expected_lut, LEAST_LUT)
        is_little = gain <= MUCH * sum(self._cycles)
        worth = np.where(is_little, gain / more, np.inf)
        return [(-float(worth[place]), -float(gain[place]), n, place) for place in usable.tolist()]

    def _together(self, gains: list[tuple[float, int, int]]) -> Design:
        """The first change of every nest that fits with those before it."""
        design, places = self._design, dict[int, int]()
        tried = dict.fromkeys(range(len(self._parts)), TRIED)
        for _, n, place in gains:
            if n in places or not tried[n]:
                continue
            tried[n] -= 1
            changed = self._changed(design, n, place)
            if self._fits({**places, n: place}, changed):
                places[n], design = place, changed
        return design

    def _fits(self, places: dict[int, int], design: Design) -> bool:
        """Whether a design is expected to fit, some rows of which are at these places of their parts."""
        return self._expected(places, design) <= self._limit

    def _expected(self, places: dict[int, int], design: Design) -> float:
        """LUT of a design."""
        banks = self._shared.wanted_by(dict(enumerate(design)))
        needed, operators = 0.0, list(self._operators)
        for n, row in enumerate(design):
            needed += float(self._shared.extra_lut(n, banks, np.array([row]))[0])
            place = places.get(n)
            needed += self._own[n] if place is None else float(self._parts[n].own[place])
            if place is not None:
                operators[n] = self._parts[n].operators[place]
        return needed + float(np.max(operators, axis=0).sum())
