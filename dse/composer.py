"""Which rows of the nests make a good design, by what is known and guessed of them.

The heaviest nest chooses first. The banks that it wants bind the nests after it: lanes along a dim
that is split into another number of banks would select among them at run time, so in every dim
that two nests share, the lighter one takes the same factor, or a divisor of it and selects among the
banks that are so many apart. Of every kind of operator a design has as many as the nest that uses most
of it: what those before it have costs a nest nothing. A cap on the operators leaves room for what each
nest needs besides, and a price on LUT keeps light nests small; after that each nest takes what the
others leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pom.dse.bank_classes import Agreement, BankClasses, Key
from pom.dse.nest_table import KNOWN, NestTable
from pom.dse.plan import NestPlan
from pom.dse.problem import Resources
from pom.dse.realise import PORTS, wanted_banks
from pom.dse.row_views import Corner, LikelyRows, View, Views
from pom.ir.poly import PolyProgram

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Mask = NDArray[np.bool_]

PRICES = (0.2, 1.5)
"""Cycles of the whole that the LUT of the device are worth."""
HIGHER = (5.0, 15.0, 50.0)
"""The same where no choice fits otherwise: of many nests whose logic is their own."""
CAPS = (1.0, 0.95, 0.9, 0.84, 0.76, 0.65, 0.5)
"""Shares of the LUT that the operators, which all nests use, may take at the most: the rest is for
the nests. At the most is what is there, or what the DSP blocks are enough for."""

MANY = 4
"""Of more nests, fewer combinations are tried."""
FEW, ALTERNATIVES = 3, 16
"""How many choices of banks of the heaviest nest are followed."""
WIDE = ((0.9, 0.2), (0.76, 0.2))
"""Caps and prices for which they are."""

MOST_DIMS = 4
"""Dims in which two nests have to agree when it is foreseen what one leaves to the other."""
SEVERAL = PORTS + 1
"""Lanes that need banks."""
SELECT_LUT, LEAST_LUT = 30.0, 12.0
"""LUT per lane and bank where lanes select among banks at run time: a guess, and about the least."""


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
    is_hopeful : bool
        Whether lanes are expected to select among banks for as little as they may.
    inside : dict of (int, int) to (float, float, float)
        Cycles, own LUT and what is there once, of nests and rows that were looked at in a whole
        design: selecting among the banks of others is in it.
    """

    def __init__(self, program: PolyProgram, tables: tuple[NestTable, ...]) -> None:
        self.program = program
        self.tables = tables
        self.inside: dict[tuple[int, int], tuple[float, float, float]] = {}
        self._guesses: dict[tuple[int, bool], tuple[tuple[int, int], LikelyRows]] = {}
        self._known: dict[object, Choice | None] = {}
        self.is_strict, self.is_hopeful = True, False
        self._wants: list[BankClasses] = [
            BankClasses(table.banks, dims, self._every_dim)
            for table, dims in zip(tables, self._dims, strict=True)
        ]
        self._agreements: dict[tuple[int, int], Agreement | None] = {}
        self._beside_banks: dict[tuple[int, bytes], tuple[_Mask, _Floats]] = {}
        self._selecting: dict[tuple[int, Key], _Ints] = {}
        self._selected_lanes: dict[tuple[int, int, bytes], int] = {}

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
        key = (limits, self.is_strict, self.is_hopeful, answers, len(self.inside))
        if key not in self._known:
            self._known[key] = self._chosen(limits, is_known)
        return self._known[key]

    def _chosen(self, limits: Resources, is_known: bool) -> Choice | None:
        guesses = [self._guess(n, is_known) for n in range(len(self.tables))]
        if not guesses or not all(len(g.rows) for g in guesses):
            return None
        views = Views(guesses, limits)
        corners: list[tuple[float, float]] = list(product(CAPS, PRICES))
        alternatives, few = ALTERNATIVES, FEW
        if len(self.tables) == 1:
            corners, few = [(1.0, 0.0)], 1
        elif len(self.tables) > MANY:
            alternatives, few = ALTERNATIVES // 2, 1
        best = self._fastest(views, [(c, alternatives if c in WIDE else few) for c in corners])
        for price in HIGHER if len(self.tables) > 1 else ():
            best = best or self._fastest(views, [((1.0, price), few)])
        return best

    def _fastest(
        self, views: Views, tried: Sequence[tuple[tuple[float, float], int]]
    ) -> Choice | None:
        """The fastest choice that fits, of some caps and prices, with so many choices of banks each."""
        best: Choice | None = None
        improved: dict[tuple[int, ...], Choice] = {}
        for ((cap, price), choices), order in product(tried, self._orders):
            corner = views.corner(cap, price)
            for number in range(choices):
                positions = self._priced(views, corner, order, number)
                if positions is None:
                    break
                found = improved.get(positions)
                if found is None:
                    found = improved[positions] = self._improved(views, positions)
                if found.lut <= views.limits.lut and (best is None or found.cycles < best.cycles):
                    best = found
        return best

    def _priced(
        self, views: Views, corner: Corner, order: tuple[int, ...], number: int
    ) -> tuple[int, ...] | None:
        """The heaviest nest takes the row of the `number`-th best banks, the others follow."""
        rows: dict[int, int] = {}
        banks = self._no_banks()
        operators: _Floats | None = None
        for n in order:
            view = self._view(views, n, banks)
            if n == order[0] and number:
                found = self._alternative(views, n, view, corner, number)
            else:
                found = view.least(corner, operators)
            if found < 0:
                return None
            rows[n] = found
            own = views.guesses[n].operators[found]
            operators = own if operators is None else np.maximum(operators, own)
            bound = self._wants[n].bound_by(int(views.guesses[n].rows[found]), self.is_strict)
            np.maximum(banks, bound, out=banks)
        return tuple(rows[n] for n in range(len(views.guesses)))

    def _alternative(self, views: Views, n: int, view: View, corner: Corner, number: int) -> int:
        """The best row among those that want the `number`-th best banks; -1 for none."""
        if (n, corner) not in views.alternatives:
            near = view.near(corner, self._beside(views, n, corner))
            views.alternatives[n, corner] = self._different_banks(n, views.guesses[n], near)
        rows, left = views.alternatives[n, corner]
        while len(rows) <= number:
            at = next(left, -1)
            if at < 0:
                return -1
            rows.append(at)
        return rows[number]

    def _different_banks(
        self, n: int, guess: LikelyRows, near: Sequence[int]
    ) -> tuple[list[int], Iterator[int]]:
        """Rows found so far, and those that want other banks than all before them."""

        def different() -> Iterator[int]:
            kinds = self._wants[n].kinds[guess.rows]
            seen: set[int] = set()
            for at in near:
                wanted = int(kinds[at])
                if wanted not in seen:
                    seen.add(wanted)
                    yield at

        return [], different()

    def _beside(self, views: Views, n: int, corner: Corner) -> _Floats:
        """What the other nests take beside every row of a nest, if they all follow its banks.

        Agreement among the others, on arrays that this nest does not use, is not asked for.
        """
        mine = self._wants[n]
        total = np.zeros(len(mine.banks))
        for m, guess in enumerate(views.guesses):
            if m == n:
                continue
            view = self._view(views, m, self._no_banks())
            agreement = self._agreement(n, m) if self.is_strict else None
            if agreement is None:
                values, usable = view.values(corner)
                total += values[usable].min(initial=np.inf)
                continue
            key = (n, corner)
            if key not in view.beside:
                values, usable = view.values(corner)
                values = np.where(usable, values, np.inf)
                view.beside[key] = agreement.least_beside(self._wants[m].of[guess.rows], values)
            total += view.beside[key]
        return total[mine.of[views.guesses[n].rows]]

    def _agreement(self, n: int, m: int) -> Agreement | None:
        """How the banks of a nest bind another one; None where they have no dim in common."""
        if (n, m) not in self._agreements:
            keys = sorted(self._dims[n] & self._dims[m])[:MOST_DIMS]
            found = Agreement(self._wants[n], self._wants[m], keys) if keys else None
            self._agreements[n, m] = found
        return self._agreements[n, m]

    def _improved(self, views: Views, positions: tuple[int, ...]) -> Choice:
        """Let every nest take what the others leave."""
        guesses = views.guesses
        at = list(positions)
        own = [float(g.own[p]) for g, p in zip(guesses, at, strict=True)]
        shared = [float(g.shared[p]) for g, p in zip(guesses, at, strict=True)]
        operators = np.stack([g.operators[p] for g, p in zip(guesses, at, strict=True)])
        bound = np.stack(
            [
                wants.bound_by(int(g.rows[p]), self.is_strict)
                for wants, g, p in zip(self._wants, guesses, at, strict=True)
            ]
        )
        for n in self._orders[0]:
            bound[n] = 0
            banks = bound.max(axis=0)
            view = self._view(views, n, banks)
            rows = {m: int(g.rows[at[m]]) for m, g in enumerate(guesses) if m != n}
            others = sum((*own[:n], *own[n + 1 :]))
            others += self._selected(rows.items(), banks)
            operators[n] = shared[n] = 0.0
            imposed = self._imposed(n, banks, rows)[guesses[n].rows]
            found = view.fastest_beside(others + imposed, max(shared), operators.max(axis=0), at[n])
            if found >= 0:
                at[n] = found
                own[n] = float(guesses[n].own[found])
            operators[n], shared[n] = guesses[n].operators[at[n]], float(guesses[n].shared[at[n]])
            bound[n] = self._wants[n].bound_by(int(guesses[n].rows[at[n]]), self.is_strict)
        return self._choice(guesses, at, bound.max(axis=0))

    def _choice(
        self, guesses: Sequence[LikelyRows], positions: Sequence[int], banks: _Ints
    ) -> Choice:
        pairs = list(zip(guesses, positions, strict=True))
        rows = tuple(int(g.rows[p]) for g, p in pairs)
        cycles = sum(float(g.cycles[p]) for g, p in pairs)
        lut = sum(float(g.own[p]) for g, p in pairs)
        lut += self._selected(enumerate(rows), banks)
        lut += max(float(g.shared[p]) for g, p in pairs)
        # every kind of operator is there for the nest that needs most of it
        lut += float(np.max([g.operators[p] for g, p in pairs], axis=0).sum())
        return Choice(rows, cycles, lut, tuple(positions))

    def _view(self, views: Views, n: int, banks: _Ints) -> View:
        """The rows of a nest beside the banks that others want."""
        wanted = banks[self._wants[n].columns]
        key = wanted.tobytes() + bytes([self.is_strict, self.is_hopeful])
        found = views.of[n].get(key)
        if found is None:
            if (n, key) not in self._beside_banks:
                usable, selection = self._wants[n].agrees(wanted), self._selection(n, wanted)
                self._beside_banks[n, key] = usable, selection
            usable, selection = self._beside_banks[n, key]
            guess = views.guesses[n]
            own = guess.own + np.where(guess.is_inside, 0.0, selection[guess.rows])
            found = View(guess, views.limits, len(views.guesses), usable[guess.rows], own)
            views.of[n][key] = found
        return found

    @cached_property
    def _orders(self) -> tuple[tuple[int, ...], ...]:
        """Nests by their least cycles, most first; of about equal ones the first or the last.

        Then the same behind the nest that shares arrays with most of the others.
        """
        least = [float(table.guesses().cycles.min()) for table in self.tables]
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

    def _guess(self, n: int, is_known: bool) -> LikelyRows:
        table = self.tables[n]
        key = (n, is_known)
        version = (table.version, len(self.inside))
        found = self._guesses.get(key)
        if found is None or found[0] != version:
            likely = table.guesses()
            cycles, own = likely.cycles, likely.own
            for (m, row), (more_cycles, more_own, shared) in self.inside.items():
                if m == n:
                    cycles[row], own[row], likely.shared[row] = more_cycles, more_own, shared
            if is_known:
                cycles[table.state != KNOWN] = np.inf
            rows = table.best_orders(np.flatnonzero(cycles < np.inf), cycles, own)
            by_kind = likely.by_operator[rows]
            guess = LikelyRows(
                rows,
                cycles[rows],
                own[rows],
                likely.shared[rows],
                by_kind,
                by_kind.sum(axis=1),
                likely.dsp[rows],
                table.lanes[rows],
                np.isin(rows, [row for m, row in self.inside if m == n]),
            )
            found = self._guesses[key] = (version, guess)
        return found[1]

    # ---- banks -------------------------------------------------------------------------

    def _no_banks(self) -> _Ints:
        return np.zeros(len(self._every_dim), dtype=np.int64)

    def _selection(self, n: int, banks: _Ints) -> _Floats:
        """LUT that selecting among the banks of others is expected to cost the rows of a nest."""
        cost = np.zeros(len(self.tables[n]))
        for key, number in zip(self._wants[n].dims, banks.tolist(), strict=True):
            if number > 1:
                reached = number // np.minimum(self.tables[n].banks[key], number)
                cost += self._selecting_lanes(n, key) * np.where(reached > 1, reached, 0)
        return cost * self._select_lut

    def _selected(self, rows: Iterable[tuple[int, int]], banks: _Ints) -> float:
        """The same for a row each of some nests."""
        total, code = 0, banks.tobytes()
        for n, row in rows:
            lanes = self._selected_lanes.get((n, row, code))
            if lanes is None:
                lanes = self._selected_lanes[n, row, code] = self._lanes_times_banks(n, row, banks)
            if lanes and (n, row) not in self.inside:
                total += lanes
        return total * self._select_lut

    def _lanes_times_banks(self, n: int, row: int, banks: _Ints) -> int:
        """Lanes of a row that select among banks, times the banks that they do among."""
        total, wants = 0, self._wants[n]
        for key, number in zip(wants.dims, banks[wants.columns].tolist(), strict=True):
            if number > 1:
                reached = number // min(int(self.tables[n].banks[key][row]), number)
                if reached > 1:
                    total += int(self._selecting_lanes(n, key)[row]) * reached
        return total

    def _imposed(self, n: int, banks: _Ints, others: Mapping[int, int]) -> _Floats:
        """LUT that rows of other nests need to select among banks that the rows of a nest want and
        nobody else."""
        wants = self._wants[n]
        cost = np.zeros(len(wants.banks))
        for column, key in enumerate(wants.dims):
            if not banks[wants.columns[column]]:
                users = [
                    (m, row)
                    for m, row in others.items()
                    if key in self._dims[m] and (m, row) not in self.inside
                ]
                lanes = sum(int(self._selecting_lanes(m, key)[row]) for m, row in users)
                wanted = wants.banks[:, column]
                cost += lanes * np.where(wanted > 1, wanted, 0)
        found: _Floats = cost[wants.of] * self._select_lut
        return found

    @property
    def _select_lut(self) -> float:
        return LEAST_LUT if self.is_hopeful else SELECT_LUT

    def _selecting_lanes(self, n: int, key: Key) -> _Ints:
        """Lanes that may select among the banks of one dim."""
        if (n, key) not in self._selecting:
            table, (array, _) = self.tables[n], key
            moves = [b.name for b in table.nest.band if self._moves(n, b.name, array)]
            self._selecting[n, key] = table.lanes_along(moves)
        return self._selecting[n, key]

    def _moves(self, n: int, loop: str, array: str) -> bool:
        """Whether lanes along a loop reach different elements of an array."""
        return any(a == array for a, _ in self._banks_alone(n, loop, SEVERAL))

    def _banks_alone(self, n: int, loop: str, factor: int) -> dict[Key, int]:
        """What the lanes along one loop want."""
        nest = self.tables[n].nest
        return wanted_banks(self.program, nest, NestPlan(nest.handle, (loop,), (factor,)))

    @cached_property
    def _every_dim(self) -> tuple[Key, ...]:
        return tuple(sorted({key for dims in self._dims for key in dims}))

    @cached_property
    def _dims(self) -> list[frozenset[tuple[str, int]]]:
        """The dims of arrays that factors of each nest split."""
        found = []
        for table in self.tables:
            order = table.lists[0].order
            plan = NestPlan(table.nest.handle, order, (SEVERAL,) * len(order))
            found.append(frozenset(wanted_banks(self.program, table.nest, plan)))
        return found
