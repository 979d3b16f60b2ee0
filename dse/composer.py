"""Which rows of the nests make a good design, by what is known and guessed of them.

The heaviest nest chooses first. The banks that it wants bind the nests after it: lanes along a dim
that is split into another number of banks would select among them at run time, so in every dim
that two nests share, the lighter one takes the same factor or a single lane. A cap on the operators,
which all nests use, leaves room for what each needs besides, and a price on LUT keeps light nests
small; after that each nest takes what the others leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pom.dse.nest_table import KNOWN, NestTable
from pom.dse.plan import NestPlan
from pom.dse.problem import Resources
from pom.dse.realise import PORTS, wanted_banks
from pom.ir.poly import PolyProgram

Banks = dict[tuple[str, int], int]
_Floats = NDArray[np.float64]
_Mask = NDArray[np.bool_]

PRICES = (0.2, 1.5)
"""Cycles of the whole that the LUT of the device are worth."""
CAPS = (1.0, 0.95, 0.9, 0.84, 0.76, 0.65, 0.5)
"""Shares of the LUT that the operators, which all nests use, may take at the most: the rest is for
the nests. At the most is what is there, or what the DSP blocks are enough for."""

MANY = 4
"""Of more nests, fewer combinations are tried."""
FEW, ALTERNATIVES, LOOKED_AT = 3, 16, 300
"""How many choices of banks of the heaviest nest are followed, of the best so many rows."""
WIDE = ((0.9, 0.2), (0.76, 0.2))
"""Caps and prices for which they are."""

MOST_DIMS = 4
"""Dims in which two nests have to agree when it is foreseen what one leaves to the other."""
SEVERAL = PORTS + 1
"""Lanes that need banks."""
SELECT_LUT = 120.0
"""LUT per lane and bank where lanes select among banks at run time: a first guess."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One row per nest, with the cycles and LUT that are expected.

    Parameters
    ----------
    rows : tuple of int
    cycles, lut : float
    positions : tuple of int
        Of the rows among those that were looked at.
    """

    rows: tuple[int, ...]
    cycles: float
    lut: float
    positions: tuple[int, ...]


class Composer:
    """Chooses rows for all nests of a program.

    Parameters
    ----------
    program : PolyProgram
    tables : tuple of NestTable

    Attributes
    ----------
    is_strict : bool
        Whether a single lane of the heavier nest binds the lighter ones, too.
    inside : dict of (int, int) to (float, float)
        Cycles and own LUT of nests and rows that turned out to need more in a whole design than
        alone.
    """

    def __init__(self, program: PolyProgram, tables: tuple[NestTable, ...]) -> None:
        self.program = program
        self.tables = tables
        self.inside: dict[tuple[int, int], tuple[float, float]] = {}
        self._guesses: dict[tuple[int, bool], tuple[tuple[int, int], _Guess]] = {}
        self._known: dict[object, Choice | None] = {}
        self.is_strict = True
        self._bound: dict[tuple[int, int], tuple[tuple[tuple[str, int], int], ...]] = {}
        self._selected: dict[tuple[int, tuple[tuple[tuple[str, int], int], ...]], _Floats] = {}
        self._alone: dict[tuple[int, str, int], Banks] = {}

    def choose(self, limits: Resources, is_known: bool = False) -> Choice | None:
        """The best choice that is expected to fit; None without any.

        Parameters
        ----------
        limits : Resources
        is_known : bool
            Whether only rows that were evaluated are chosen.
        """
        if not is_known:
            return self._chosen(limits, is_known)
        # bounds of other rows that rise do not change it
        answers = tuple(len(table.answers) for table in self.tables)
        key = (limits, self.is_strict, answers, len(self.inside))
        if key not in self._known:
            self._known[key] = self._chosen(limits, is_known)
        return self._known[key]

    def _chosen(self, limits: Resources, is_known: bool) -> Choice | None:
        guesses = [self._guess(n, is_known) for n in range(len(self.tables))]
        best: Choice | None = None
        if not guesses or not all(len(g.rows) for g in guesses):
            return None
        views = _Views(guesses, limits)
        corners: list[tuple[float, float]] = list(product(CAPS, PRICES))
        alternatives, few = ALTERNATIVES, FEW
        if len(self.tables) == 1:
            corners, few = [(1.0, 0.0)], 1
        elif len(self.tables) > MANY:
            alternatives, few = ALTERNATIVES // 2, 1
        for corner, order in product(corners, self._orders):
            for number in range(alternatives if corner in WIDE else few):
                positions = self._priced(views, corner, order, number)
                if positions is None:
                    break
                found = views.improved.get(positions)
                if found is None:
                    found = views.improved[positions] = self._improved(views, positions)
                if found.lut <= limits.lut and (best is None or found.cycles < best.cycles):
                    best = found
        return best

    def _priced(
        self, views: _Views, corner: tuple[float, float], order: tuple[int, ...], number: int
    ) -> tuple[int, ...] | None:
        """The heaviest nest takes the row of the `number`-th best banks, the others follow."""
        rows: dict[int, int] = {}
        banks: Banks = {}
        for n in order:
            view = self._view(views, n, banks)
            if n == order[0] and number:
                found = self._alternative(views, n, view, corner, number)
            else:
                found = view.least(corner)
            if found < 0:
                return None
            rows[n] = found
            self._bind(banks, n, int(views.guesses[n].rows[found]))
        return tuple(rows[n] for n in range(len(views.guesses)))

    def _alternative(
        self, views: _Views, n: int, view: _View, corner: tuple[float, float], number: int
    ) -> int:
        """The best row among those that want the `number`-th best banks; -1 for none."""
        if corner not in view.alternatives:
            near = view.near(corner, self._beside(views, n, corner))
            view.alternatives[corner] = self._different_banks(n, views.guesses[n], near)
        rows, left = view.alternatives[corner]
        while len(rows) <= number:
            at = next(left, -1)
            if at < 0:
                return -1
            rows.append(at)
        return rows[number]

    def _different_banks(
        self, n: int, guess: _Guess, near: Sequence[int]
    ) -> tuple[list[int], Iterator[int]]:
        """Rows found so far, and those that want other banks than all before them."""

        def different() -> Iterator[int]:
            columns = [column[guess.rows] for column in self.tables[n].banks.values()]
            seen: set[tuple[int, ...]] = set()
            for at in near:
                wanted = tuple(int(column[at]) for column in columns)
                if wanted not in seen:
                    seen.add(wanted)
                    yield at

        return [], different()

    def _beside(self, views: _Views, n: int, corner: tuple[float, float]) -> _Floats:
        """What the other nests take beside every row of a nest, if they all follow its banks.

        Agreement among the others, on arrays that this nest does not use, is not asked for.
        """
        rows = views.guesses[n].rows
        total = np.zeros(len(rows))
        for m, guess in enumerate(views.guesses):
            if m == n:
                continue
            values, usable = self._view(views, m, {}).values(corner)
            values = np.where(usable, values, np.inf)
            keys = sorted(self._dims[n] & self._dims[m])[:MOST_DIMS]
            if not self.is_strict or not keys:
                total += values.min(initial=np.inf)
                continue
            mine = np.stack([self.tables[n].banks[key][rows] for key in keys])
            theirs = np.stack([self.tables[m].banks[key][guess.rows] for key in keys])
            total += _least_beside(mine, theirs, values)
        return total

    def _improved(self, views: _Views, positions: tuple[int, ...]) -> Choice:
        """Let every nest take what the others leave."""
        guesses = views.guesses
        at = list(positions)
        for n in self._orders[0]:
            others = [m for m in range(len(at)) if m != n]
            own = sum(float(guesses[m].own[at[m]]) for m in others)
            shared = max((float(guesses[m].operators[at[m]]) for m in others), default=0.0)
            banks: Banks = {}
            for m in others:
                self._bind(banks, m, int(guesses[m].rows[at[m]]))
            found = self._view(views, n, banks).fastest_beside(own, shared)
            if found >= 0:
                at[n] = found
        return self._choice(guesses, at)

    def _choice(self, guesses: Sequence[_Guess], positions: Sequence[int]) -> Choice:
        pairs = list(zip(guesses, positions, strict=True))
        cycles = sum(float(g.cycles[p]) for g, p in pairs)
        lut = sum(float(g.own[p]) for g, p in pairs)
        lut += max((float(g.operators[p]) for g, p in pairs), default=0.0)
        return Choice(tuple(int(g.rows[p]) for g, p in pairs), cycles, lut, tuple(positions))

    def _view(self, views: _Views, n: int, banks: Banks) -> _View:
        """The rows of a nest beside the banks that others want."""
        key = (n, tuple([banks.get(dim, 0) for dim in self._dims[n]]))
        found = views.of.get(key)
        if found is None:
            guess = views.guesses[n]
            usable = self._usable(n, banks, guess.rows)
            selection = self._selection(n, banks)[guess.rows]
            found = views.of[key] = _View(views, guess, usable, guess.own + selection)
        return found

    @cached_property
    def _orders(self) -> tuple[tuple[int, ...], ...]:
        """Nests by their least cycles, most first; of about equal ones the first or the last.

        Then the same behind the nest that shares arrays with most of the others.
        """
        least = [float(table.guesses()[0].min()) for table in self.tables]
        weight = [round(2 * math.log2(max(cycles, 1.0))) for cycles in least]
        nests = range(len(least))
        found = [
            tuple(sorted(nests, key=lambda n: (-weight[n], n))),
            tuple(sorted(nests, key=lambda n: (-weight[n], -n))),
        ]
        common = [
            sum(min(least[n], least[m]) for m in nests if m != n and self._dims[n] & self._dims[m])
            for n in nests
        ]
        central = max(nests, key=lambda n: (common[n], least[n]), default=0)
        found.append((central, *(n for n in found[0] if n != central)))
        return tuple({order[0]: order for order in reversed(found) if order}.values())

    def _guess(self, n: int, is_known: bool) -> _Guess:
        table = self.tables[n]
        key = (n, is_known)
        version = (table.version, len(self.inside))
        found = self._guesses.get(key)
        if found is None or found[0] != version:
            cycles, own, operators, dsp = table.guesses()
            for (m, row), (more_cycles, more_own) in self.inside.items():
                if m == n:
                    cycles[row], own[row] = more_cycles, more_own
            if is_known:
                cycles[table.state != KNOWN] = np.inf
            rows = table.best_orders(np.flatnonzero(cycles < np.inf), cycles, own)
            guess = _Guess(
                rows, cycles[rows], own[rows], operators[rows], dsp[rows], table.lanes[rows]
            )
            found = self._guesses[key] = (version, guess)
        return found[1]

    # ---- banks -------------------------------------------------------------------------

    def _bind(self, banks: Banks, n: int, row: int) -> None:
        key = (n, row)
        pairs = self._bound.get(key)
        if pairs is None:
            banks_of = self.tables[n].banks
            pairs = tuple((dim, int(banks_of[dim][row])) for dim in self._dims[n])
            self._bound[key] = pairs
        for dim, number in pairs:
            if (self.is_strict or number > 1) and banks.get(dim, 1) <= number:
                banks[dim] = number

    def _usable(self, n: int, banks: Banks, rows: NDArray[np.int64]) -> _Mask:
        """Rows that want the banks that there are, or a single lane, in every shared dim."""
        found = np.ones(len(rows), dtype=bool)
        for key, number in banks.items():
            if key in self._dims[n]:
                wanted = self.tables[n].banks[key][rows]
                found &= (wanted == number) | (wanted == 1)
        return found

    def _selection(self, n: int, banks: Banks) -> _Floats:
        """LUT that selecting among the banks of others is expected to cost the rows of a nest."""
        table = self.tables[n]
        split = tuple(sorted((k, b) for k, b in banks.items() if k in self._dims[n] and b > 1))
        key = (n, split)
        if key not in self._selected:
            cost = np.zeros(len(table))
            for (array, dim), number in split:
                moves = [b.name for b in table.nest.band if self._moves(n, b.name, array, None)]
                along = [b for b in moves if self._moves(n, b, array, dim)]
                single = table.lanes_along(along) == 1
                cost += single * table.lanes_along(moves) * number * SELECT_LUT
            self._selected[key] = cost
        return self._selected[key]

    def _moves(self, n: int, loop: str, array: str, dim: int | None) -> bool:
        """Whether lanes along a loop reach different elements of an array, or of one dim of it."""
        return any(a == array and dim in (d, None) for a, d in self._banks_alone(n, loop, SEVERAL))

    def _banks_alone(self, n: int, loop: str, factor: int) -> Banks:
        """What the lanes along one loop want."""
        key = (n, loop, factor)
        if key not in self._alone:
            nest = self.tables[n].nest
            plan = NestPlan(nest.handle, (loop,), (factor,))
            self._alone[key] = wanted_banks(self.program, nest, plan)
        return self._alone[key]

    @cached_property
    def _dims(self) -> list[frozenset[tuple[str, int]]]:
        """The dims of arrays that factors of each nest split."""
        found = []
        for table in self.tables:
            order = table.lists[0].order
            plan = NestPlan(table.nest.handle, order, (SEVERAL,) * len(order))
            found.append(frozenset(wanted_banks(self.program, table.nest, plan)))
        return found


@dataclass(frozen=True, slots=True)
class _Guess:
    """What rows of a nest are expected to take; of equal factors, one order."""

    rows: NDArray[np.int64]
    cycles: _Floats
    own: _Floats
    operators: _Floats
    dsp: _Floats
    lanes: NDArray[np.int64]


class _Views:
    """What one choice looks at: guesses within limits, in the light of banks and prices."""

    def __init__(self, guesses: Sequence[_Guess], limits: Resources) -> None:
        self.guesses = guesses
        self.limits = limits
        self.total = sum(float(g.cycles.min()) for g in guesses)
        allowed = [g.operators[g.dsp <= limits.dsp].max(initial=0.0) for g in guesses]
        self.operators = min(float(max(allowed, default=0.0)), float(limits.lut))
        self.of: dict[tuple[int, tuple[int, ...]], _View] = {}
        self.improved: dict[tuple[int, ...], Choice] = {}


class _View:
    """The rows of a nest beside given banks of others.

    Parameters
    ----------
    views : _Views
    guess : _Guess
    usable : mask
        Rows that agree with the banks.
    own : array
        LUT that the rows need besides operators, selection among the banks included.
    """

    def __init__(self, views: _Views, guess: _Guess, usable: _Mask, own: _Floats) -> None:
        limits = views.limits
        self._views, self._guess, self._own = views, guess, own
        self._agrees = usable & (guess.dsp <= limits.dsp)
        self._fits = self._agrees & (own + guess.operators <= limits.lut)
        self._least: dict[tuple[float, float], int] = {}
        self.alternatives: dict[tuple[float, float], tuple[list[int], Iterator[int]]] = {}

    def values(self, corner: tuple[float, float]) -> tuple[_Floats, _Mask]:
        """Cycles and priced LUT of all rows, and which of them are within a cap."""
        cap, price = corner
        views, guess = self._views, self._guess
        per_lut = price * views.total / max(views.limits.lut, 1)
        share = 1.0 / len(views.guesses)
        values = guess.cycles + per_lut * (self._own + share * guess.operators)
        return values, self._fits & (guess.operators <= cap * views.operators)

    def least(self, corner: tuple[float, float]) -> int:
        """The best row for a cap and a price; -1 for none."""
        found = self._least.get(corner)
        if found is None:
            found = self._least[corner] = _least(*self.values(corner), self._guess.lanes)
        return found

    def near(self, corner: tuple[float, float], others: _Floats) -> list[int]:
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

    def fastest_beside(self, own: float, operators: float) -> int:
        """The fastest row that fits beside the LUT of others; -1 for none."""
        guess = self._guess
        needs = own + self._own + np.maximum(guess.operators, operators)
        usable = self._agrees & (needs <= self._views.limits.lut)
        return _least(guess.cycles, usable, guess.lanes)


def _least(values: _Floats, usable: _Mask, lanes: NDArray[np.int64]) -> int:
    """The usable row with the least value; among equals the one with fewest lanes; -1 for none."""
    rows = np.flatnonzero(usable)
    if not len(rows):
        return -1
    found = values[rows]
    low = found.min()
    ties = rows[found <= low + 1e-9 * abs(low)]
    return int(ties[np.argmin(lanes[ties])])


def _least_beside(mine: NDArray[np.int64], theirs: NDArray[np.int64], values: _Floats) -> _Floats:
    """The least of the values whose rows want the banks of each of my rows, or one in some dims.

    Parameters
    ----------
    mine, theirs : array of int, shape (dims, n), (dims, m)
    values : array of float, shape (m,)
    """
    found = np.full(mine.shape[1], np.inf)
    radix = 1 + int(max(mine.max(), theirs.max()))
    for is_one in product((False, True), repeat=len(mine)):
        single = np.array(is_one)
        rows = np.flatnonzero((theirs[single] == 1).all(axis=0))
        if not len(rows):
            continue
        weights = np.where(single, 0, radix ** np.arange(len(mine)))
        codes, which = np.unique(weights @ theirs[:, rows], return_inverse=True)
        least = np.full(len(codes), np.inf)
        np.minimum.at(least, which, values[rows])
        wanted = weights @ mine
        at = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        found = np.where(codes[at] == wanted, np.minimum(found, least[at]), found)
    return found
