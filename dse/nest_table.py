"""The parallelisations of one nest: what is proved of each, what is known, and what is likely.

A row is a loop order with one factor per loop. There are three views of a row:

- the *bound*, for all rows at once: the iterations that remain, times the interval that is forced
  by recurrences, by the memory ports and by the operators and accesses that have to fit;
- the model's *answer*, once the row was evaluated, the nest alone;
- a *guess* at the logic of the rows that were not, fitted to the answers. A guess decides what is
  evaluated next and excludes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pom.dse.binding import Binding, BindingKind
from pom.dse.blocks import BlockCounts
from pom.dse.bounds import Candidates, latency_bound
from pom.dse.evaluation import Evaluation
from pom.dse.footprint import Footprint
from pom.dse.known_rows import KnownRows, Likely, Room
from pom.dse.logic import Logic
from pom.dse.nests import Nest
from pom.dse.other_banks import NO_RELIEF, Relief
from pom.dse.parts import LutCosts, OperatorLut, rest_parts
from pom.dse.plan import NestPlan
from pom.dse.realise import steps_by_rows, wanted_by_rows
from pom.dse.row_kinds import kinds_of, shapes_of, unrolled_loops
from pom.qor_model.expand import TOO_LARGE

OPEN, KNOWN, REFUSED = 0, 1, 2
USUAL = (250.0, 50.0)
"""LUT of a nest, and of a lane of it, beyond operators and memory accesses: a first guess."""
NEAR, ALIKE = 0.02, 12
"""Rows within this share of the cycles are refined with a row, at most so many."""
SAMPLE_LANES = 6
"""Lanes of the rows that are evaluated first where bounds say little."""
SLOWER = 1.05
"""From this ratio of an answer to its bound on, rows of its kind are expected to be as slow."""
ENTRY = 24.0
"""Cycles per entry of the pipeline beyond the bound that are not taken for a longer interval."""
_Mask = NDArray[np.bool_]
_Floats = NDArray[np.float64]


TOGETHER = 100
"""Rows whose blocks are counted together."""


class NestTable:
    """All parallelisations of a nest.

    Parameters
    ----------
    nest : Nest
    lists : sequence of Candidates
        One per loop order.
    footprint : Footprint
        Counts memory accesses.
    costs : LutCosts
    blocks : BlockCounts, optional
        Counts the iterations of a nest that is no box.
    operators : mapping of name to OperatorLut, optional
    logic : Logic, optional
        What operations need that share no units.
    most : float, optional
        Iterations of rows that take more cycles are not counted before these are looked at.
    """

    def __init__(
        self,
        nest: Nest,
        lists: Sequence[Candidates],
        footprint: Footprint,
        costs: LutCosts,
        blocks: BlockCounts | None = None,
        operators: Mapping[str, OperatorLut] | None = None,
        logic: Logic | None = None,
        most: float = float("inf"),
    ) -> None:
        self.nest = nest
        self._logic = logic or Logic(())
        self.lists = tuple(lists)
        self.depth = np.concatenate([c.depth for c in lists])
        self.runs = np.concatenate([c.runs for c in lists])
        self._access = np.concatenate([c.access for c in lists])
        self._rest_access = np.concatenate([c.rest_access for c in lists])
        self._is_freed = np.zeros(len(self.runs), dtype=bool)
        self.footprint = footprint
        self._blocks = blocks
        self._access_lut = costs.access
        self._source = np.concatenate([np.full(len(c.bound), n) for n, c in enumerate(lists)])
        self._starts = np.cumsum([0, *(len(c.bound) for c in lists)])
        self._position = np.concatenate([np.arange(len(c.bound)) for c in lists])
        self.lanes = np.concatenate([c.lanes for c in lists])
        self._tile = np.concatenate([c.tile for c in lists])
        self.rest = np.concatenate([c.rest for c in lists])
        self.full = np.concatenate([c.full for c in lists])
        self.iterations = np.concatenate([c.iterations for c in lists])
        self.interval = np.concatenate([c.interval for c in lists])
        self._compute = np.concatenate([c.compute for c in lists])
        self.serial = np.concatenate([c.serial for c in lists])
        self.lut = np.concatenate([c.lut for c in lists])
        self.dsp = np.concatenate([c.dsp for c in lists])
        self._operators = dict(operators or {})
        self.by_operator = np.stack(
            [
                np.concatenate([c.operators.sum(each) for c in lists])
                for each in (
                    dict.fromkeys(o.executes, o.lut + o.shared) for o in self._operators.values()
                )
            ]
            or [np.zeros(len(self.lanes))],
            axis=1,
        )
        self.control = np.maximum(self.by_operator.sum(axis=1) - self.lut, 0.0)
        count = len(self.lanes)
        self.state = np.zeros(count, dtype=np.int8)
        self.is_refined = np.zeros(count, dtype=bool)
        self.is_exact = np.zeros(count, dtype=bool)
        self.is_relieved = np.zeros(count, dtype=bool)
        self.is_half_known = np.zeros(count, dtype=bool)
        self.relief = NO_RELIEF
        self.saved = np.zeros(count)
        self.waits = np.ones(count)
        self.between = np.zeros(count)
        self.least_own = np.zeros(count)
        found = [self._besides(c, costs) for c in lists]
        self._loop_lut, self.apart = (np.concatenate(of_all) for of_all in zip(*found, strict=True))
        accesses = [footprint.least_accesses(c.order, c.factors) for c in lists]
        self.own_lut = np.concatenate(accesses) * costs.access + self._loop_lut
        self.known = KnownRows(count, self._operators)
        self.relieved = KnownRows(count, self._operators)
        self.answers: dict[int, Evaluation] = {}
        self.version = 0
        self.is_light = False
        self.too_large = 0
        self._guess = USUAL
        self._slower: dict[int, tuple[float, float]] = {}
        self._slower_alike: dict[int, tuple[float, float]] = {}
        self._rise: dict[int, float] = {}
        self._risen = np.ones(count)
        self._loops = np.concatenate([unrolled_loops(n, c) for n, c in enumerate(lists)])
        self._shape = np.concatenate([shapes_of(nest, c) for c in lists])
        self._kind = np.concatenate([kinds_of(nest, n, c) for n, c in enumerate(lists)])
        self._is_counted = np.zeros(count, dtype=bool)
        if blocks is not None:
            # the most promising first: there is a limit to the work
            cycles = self.least_cycles()
            rows = np.argsort(cycles, kind="stable")[: np.count_nonzero(cycles <= most)]
            for first in range(0, len(rows), TOGETHER):
                self._count_blocks(blocks, rows[first : first + TOGETHER])

    def __len__(self) -> int:
        return len(self.lanes)

    def _besides(self, chosen: Candidates, costs: LutCosts) -> tuple[_Floats, _Floats]:
        """LUT besides operators and the accesses of whole blocks: of loops and of what is left where
        factors leave a rest; and of more controllers, if each operator is used once."""
        shape, factors = chosen.chains.shape, chosen.factors
        depth = chosen.depth - chosen.access
        # entering a loop from the code around it is not in its pipeline
        entering = 3.0
        whole = self.nest.is_box
        trips = shape.extents // factors if whole else -(-shape.extents // factors)
        lut = costs.of_loops(trips, depth - entering)
        lut += self._logic.lut(chosen.order, factors, shape.extents)
        parts: NDArray[np.int64] = np.asarray((trips > 1).any(axis=1), dtype=np.int64)
        if not whole or len(self.nest.statements) > 1:
            return lut, np.zeros(len(lut))
        for part in rest_parts(shape.extents, factors):
            interval = np.ones(len(part.rows))
            length, access = chosen.chains.depth(part.lanes, part.trips, interval)
            length -= access + entering
            accesses = self.footprint.least_accesses(chosen.order, part.lanes, part.trips)
            lut[part.rows] += costs.of_loops(part.trips, length) + costs.access * accesses
            parts[part.rows] += 1
        apart = np.zeros(len(lut))
        for operator in self._operators.values():
            # what does not depend on every loop may be in front of the pipelines
            alike = sum(
                work.operator in operator.executes and len(work.loops) == len(self.nest.band)
                for work in self.nest.work
            )
            apart += alike * operator.of_parts(parts) * chosen.lanes
        return lut, apart

    @cached_property
    def is_looped(self) -> _Mask:
        """Rows of which a loop remains."""
        found = [(c.chains.shape.extents // c.factors > 1).any(axis=1) for c in self.lists]
        return np.concatenate(found)

    @cached_property
    def banks(self) -> dict[tuple[str, int], NDArray[np.int64]]:
        """By array and dim, how many banks every row wants, see `realise.wanted_banks`."""
        program = self.footprint.program
        found = [wanted_by_rows(program, self.nest, c.order, c.factors) for c in self.lists]
        return {key: np.concatenate([each[key] for each in found]) for key in found[0]}

    @cached_property
    def steps(self) -> list[tuple[str, list[NDArray[np.int64]]]]:
        """By what iterations move every access, see `realise.steps_by_rows`."""
        program = self.footprint.program
        of_lists = [steps_by_rows(program, self.nest, c.order, c.factors) for c in self.lists]
        return [
            (
                of_access[0][0],
                [np.concatenate(of_dim) for of_dim in zip(*(a[1] for a in of_access), strict=True)],
            )
            for of_access in zip(*of_lists, strict=True)
        ]

    def put_beside(self, relief: Relief, states: float) -> None:
        """Take into account the code around the nest, before anything is known.

        Parameters
        ----------
        relief : Relief
            Where the banks of other nests may help.
        states : float
            Of straight-line code beside the nest, where a loop of it remains.
        """
        self.relief = relief
        self.between[self.is_looped] = states
        for may in relief.is_register.values():
            # what memories take counts only while registers are out of the question
            self._is_freed |= may
        self._save(np.flatnonzero(self._is_freed))

    def plan(self, row: int) -> NestPlan:
        """The plan of a row."""
        order = self.lists[int(self._source[row])].order
        factors = tuple(int(f) for f in self._factors(row))
        return NestPlan(self.nest.handle, order, factors, tile=int(self._tile[row]))

    def row_of(self, plan: NestPlan) -> int | None:
        """The row of a plan; None where there is none."""
        for start, chosen in zip(self._starts.tolist(), self.lists, strict=False):
            if chosen.order == plan.order:
                same = (chosen.factors == np.array(plan.factors)).all(axis=1)
                found = np.flatnonzero(same & (chosen.tile == plan.tile)).tolist()
                if found:
                    return int(start + found[0])
        return None

    def samples(self) -> tuple[int, ...]:
        """Rows that tell apart orders and loops of a nest whose bounds say little."""
        if self._blocks is None:
            return ()
        found = []
        few = np.flatnonzero((self.lanes <= SAMPLE_LANES) & (self._tile == 0))
        for kind in np.unique(self._loops[few]).tolist():
            alike = few[self._loops[few] == kind]
            most = alike[np.argmax(self.lanes[alike])]
            if self.lanes[most] == 1 or np.count_nonzero(self._factors(int(most)) > 1) == 1:
                found.append(int(most))
        return tuple(found)

    def expect_as(self, other: NestTable) -> None:
        """Take over how much slower than their bounds rows of the same nest are."""
        self._slower_alike = dict(other._slower_alike)
        self._expect_rise(other._rise)

    def refine_kinds(self, most: float) -> None:
        """Refine a row of every kind that promises less than so many cycles; others of its kind are
        expected to rise as much, where bounds say little."""
        if self._blocks is None:
            return
        before = self.least_cycles()
        order = np.argsort(before, kind="stable")
        order = order[(before[order] < most) & (self.state[order] == OPEN)]
        kinds, first = np.unique(self._kind[order], return_index=True)
        rows = order[first]
        for row in rows.tolist():
            self.refine(row)
        rise = self.least_cycles()[rows] / np.maximum(before[rows], 1.0)
        self._expect_rise(dict(zip(kinds.tolist(), rise.tolist(), strict=True)))

    def _expect_rise(self, rise: Mapping[int, float]) -> None:
        self.version += 1
        self._rise = dict(rise)
        kinds, of_row = np.unique(self._kind, return_inverse=True)
        self._risen = np.array([rise.get(kind, 1.0) for kind in kinds.tolist()])[of_row.reshape(-1)]

    def _factors(self, row: int) -> NDArray[np.int64]:
        factors: NDArray[np.int64] = self.lists[int(self._source[row])].factors
        chosen: NDArray[np.int64] = factors[int(self._position[row])]
        return chosen

    # ---- proved ------------------------------------------------------------------------

    def bounds(self, room: Room) -> tuple[_Floats, _Floats]:
        """No row takes fewer cycles than this within `room`; infinite where it does not fit.

        Rows that are known are exact, but where the banks of other nests may help. The intervals of
        the bounds are second.
        """
        interval = self.interval
        for work, own, available in (
            (self.lut + self.control + self.apart, self.own_lut, room.lut),
            (self.dsp, 0.0, room.dsp),
        ):
            left = np.maximum(available - own, 1e-9)
            interval = np.maximum(interval, np.ceil(work / left - 1e-9))
        found = self._cycles(interval)
        found[self.own_lut > room.lut] = np.inf
        known = self.is_exact
        within = self.known.within(room)
        found[known] = within[known]
        helped = self.is_relieved
        found[helped] = np.minimum(within, self.relieved.within(room))[helped]
        found[self.state == REFUSED] = np.inf
        return found, interval

    def refine_near(self, row: int) -> None:
        """Refine a row and those that promise about as much."""
        cycles = self.least_cycles()
        near = np.flatnonzero(
            ~self.is_refined
            & (self.state == OPEN)
            & (np.abs(cycles - cycles[row]) < NEAR * cycles[row])
        )
        order = np.argsort(np.abs(self.lanes[near] - self.lanes[row]), kind="stable")
        for other in (row, *near[order[:ALIKE]].tolist()):
            self.refine(other)

    def least_cycles(self) -> _Floats:
        """The bounds without limits on resources, of all rows, known or not."""
        return self._cycles(self.interval)

    def alone_cycles(self, interval: _Floats) -> _Floats:
        """Bounds of rows which the banks of other nests do not help, for intervals without ports."""
        waits = np.maximum(interval, self.waits)
        found = latency_bound(self.full, self.rest, waits, self.depth, self.runs)
        bound: _Floats = np.maximum(found, self.serial)
        return bound

    @property
    def may_be_faster(self) -> _Mask:
        """Rows for which bounds are lower than where no banks of other nests help."""
        found: _Mask = (self.saved > 0) | (self.waits > self.interval)
        return found

    def _cycles(self, interval: _Floats) -> _Floats:
        found = latency_bound(self.full, self.rest, interval, self.depth, self.runs)
        bound: _Floats = np.maximum(found - self.saved, self.serial)
        return bound

    def refine(self, row: int) -> None:
        """Count the memory accesses of a row; its bound rises."""
        if self.is_refined[row]:
            return
        self.is_refined[row] = True
        self.version += 1
        if self._blocks is not None and not self._is_counted[row]:
            self._count_blocks(self._blocks, np.array([row]), is_single=True)
        demand = self.footprint.demand(self.plan(row))
        if self.relief.frees(row, demand.array):
            self.waits[row] = demand.interval
        else:
            self.interval[row] = max(self.interval[row], demand.interval)
        self.own_lut[row] = demand.accesses * self._access_lut + self._loop_lut[row]

    def binding(self, row: int, cycles: float, room: Room) -> Binding:
        """Which limit the cycles of a row come from.

        Parameters
        ----------
        row : int
        cycles : float
            Of the row, in a bound.
        room : Room
            What all nests may use.
        """
        filled = float(self.runs[row] * self.depth[row])
        chosen = self.lists[int(self._source[row])]
        at = int(self._position[row])
        factors = chosen.factors[at : at + 1]
        extents = chosen.chains.shape.extents
        trips = extents // factors if self.nest.is_box else -(-extents // factors)
        interval = float(self.interval[row])
        if filled >= 0.5 * self.least_cycles()[row] and self.runs[row] <= 1.0:
            detail = f"{self.depth[row]:,.0f} cycles from operands to results"
            return Binding(self.nest.handle, BindingKind.LATENCY, "", detail, cycles)
        if filled >= 0.5 * self.least_cycles()[row]:
            detail = f"filled {self.runs[row]:,.0f} times, {self.depth[row]:,.0f} cycles each"
            around = [loop.name for loop in self.nest.prefix] or list(chosen.order)
            return Binding(self.nest.handle, BindingKind.ENTRIES, ", ".join(around), detail, cycles)
        recurrence = chosen.chains.recurrence(factors, trips)
        forced = float(chosen.chains.interval(factors, trips)[0])
        if recurrence is not None and forced >= interval:
            return Binding(self.nest.handle, BindingKind.RECURRENCE, *recurrence, cycles)
        demand = self.footprint.demand(self.plan(row))
        if demand.array and demand.interval >= interval:
            detail = f"{demand.array}, {demand.interval} cycles for the accesses of an iteration"
            return Binding(self.nest.handle, BindingKind.PORTS, demand.array, detail, cycles)
        is_known = self.state[row] == KNOWN
        lut = self.known.lut[row] if is_known else self.lut[row] / interval + self.own_lut[row]
        uses = {"DSP": self.dsp[row] / interval / max(room.dsp, 1), "LUT": lut / max(room.lut, 1)}
        resource = max(uses, key=lambda name: uses[name])
        detail = f"{self.lanes[row]:,} lanes, {resource} for operators"
        return Binding(self.nest.handle, BindingKind.COMPUTE, resource, detail, cycles)

    def _count_blocks(
        self, blocks: BlockCounts, rows: NDArray[np.int64], *, is_single: bool = False
    ) -> None:
        """Count iterations and how often the pipeline is filled, where that raises the bound."""
        # iterations of tiles are counted from the beginning
        self._is_counted[rows[self._tile[rows] > 0]] = True
        rows = rows[self._tile[rows] == 0]
        for source in np.unique(self._source[rows]).tolist():
            chosen = self.lists[source]
            of_order = rows[self._source[rows] == source]
            factors = chosen.factors[self._position[of_order]]
            shape = chosen.chains.shape
            trips = -(-shape.extents // factors)
            is_flat = ~shape.accumulates(factors, trips) | bool(self.nest.company)
            found = blocks.least_of(chosen.order, factors, is_flat, is_single=is_single)
            shortest = np.where(found.fewest > 0, found.fewest, trips)
            counted = np.stack((found.iterations, found.entries), axis=1)
            for number, loops in enumerate(found.loops):
                some = np.flatnonzero(found.inside == number)
                self._take_counts(
                    of_order[some],
                    counted[some],
                    chosen.chains.interval(factors[some], trips[some], loops, shortest[some]),
                )

    def _take_counts(self, rows: NDArray[np.int64], counted: _Floats, forced: _Floats) -> None:
        """Take in iterations and entries of rows, and intervals that recurrences force."""
        self._is_counted[rows] = True
        iterations, entries = counted.T
        interval = np.maximum(self._compute[rows], forced)
        cycles = (iterations - entries) * interval + entries * self.depth[rows]
        better = cycles > self.least_cycles()[rows]
        self.full[rows] = np.where(better, iterations, self.full[rows])
        self.runs[rows] = np.where(better, entries, self.runs[rows])
        self.interval[rows] = np.where(better, interval, self.interval[rows])
        self._save(rows)

    def _save(self, rows: NDArray[np.int64]) -> None:
        """Note what registers that other nests make may save."""
        most = self.runs[rows] * self._access[rows] + self._rest_access[rows]
        self.saved[rows] = np.where(self._is_freed[rows], most, 0.0)

    # ---- known -------------------------------------------------------------------------

    def learn(self, row: int, answer: Evaluation) -> None:
        """Take in the model's answer for a row, the nest alone."""
        self.version += 1
        self.refine(row)
        self.answers[row] = answer
        if answer.is_refused:
            self.state[row] = REFUSED
            if answer.refusal.startswith(TOO_LARGE):
                self.rule_out_larger(row)
            return
        self.state[row] = KNOWN
        self.is_half_known[row] = self.relief.helps(row, answer.busy)
        self.is_exact[row] = not self.is_half_known[row]
        self.known.learn(row, answer)
        slower = self._slowdown(row, answer.latency_cycles)
        self._slower[int(self._kind[row])] = slower
        if self._blocks is not None:
            # bounds of guarded lanes say little: what is alike is expected to be as slow
            self._slower_alike[int(self._loops[row])] = slower
        self._fit()

    def learn_relieved(self, row: int, answers: Sequence[Evaluation]) -> None:
        """Take in the answers for a row alone with what the banks of other nests may do for it.

        Where the fastest one still waits for ports, it may wait less with other banks, and nothing is
        known; nor is it without answers.
        """
        self.version += 1
        self.is_half_known[row] = False
        if not answers or any(answer.is_refused for answer in answers):
            return
        fastest = min(answers, key=lambda answer: answer.latency_cycles)
        if self.relief.is_waiting(row, fastest.busy):
            return
        self.is_relieved[row] = True
        self.relieved.learn(row, *answers)
        if self.relief.is_one(row, self.answers[row].busy):
            self.least_own[row] = self.relieved.own[row] - self.relieved.shared[row]

    def is_open(self, row: int, *, is_helped: bool) -> bool:
        """Whether there is something to ask about a row, or of one that is known alone, about what it
        takes where other nests help it."""
        return bool(self.state[row] == OPEN or (self.is_half_known[row] and is_helped))

    def _slowdown(self, row: int, cycles: float) -> tuple[float, float]:
        """How much slower than its bound a row is: a ratio, and cycles per entry of the pipeline."""
        least, runs = float(self.alone_cycles(self.interval)[row]), float(self.runs[row])
        later = (cycles - least) / max(runs, 1.0)
        if later <= ENTRY:
            return 1.0, later
        ratio = cycles / max(least, 1.0)
        return ratio if ratio > SLOWER else 1.0, 0.0

    def rule_out_larger(self, row: int) -> None:
        """Rows with as many lanes along every loop as one whose body is too large have no smaller one.

        Where a loop is unrolled completely, or a factor leaves no rest, guards are missing that others
        have: those are not compared.
        """
        source = int(self._source[row])
        chosen, start = self.lists[source], int(self._starts[source])
        extents = np.array([self.nest.loop(name).extent for name in chosen.order], dtype=np.int64)
        factors, own = chosen.factors, self._factors(row)
        is_alike = (factors >= extents) == (own >= extents)
        has_guards = (extents % factors != 0) | (extents % own == 0)
        rows = start + np.flatnonzero(((factors >= own) & is_alike & has_guards).all(axis=1))
        rows = rows[self.state[rows] == OPEN]
        self.state[rows] = REFUSED
        self.too_large += len(rows)
        self.version += 1

    # ---- likely ------------------------------------------------------------------------

    def guesses(self) -> Likely:
        """What the rows are likely to take."""
        offset, slope = self._guess
        interval = np.maximum(self.interval, self.waits)
        own = self.own_lut + self.apart / interval
        own = np.maximum(own + offset + slope * self.lanes, 0.0)
        operators = np.zeros_like(self.known.by_operator)
        operators[:, : self.by_operator.shape[1]] = self.by_operator / interval[:, None]
        dsp = np.ceil(self.dsp / interval)
        # iterations of a nest that is no box may be countable in part only
        full = np.where(self._is_counted, self.full, np.maximum(self.full, self.iterations))
        cycles = latency_bound(full, self.rest, interval, self.depth, self.runs)
        cycles = np.maximum(cycles, self.serial) * np.where(self.is_refined, 1.0, self._risen)
        ratios, later = np.ones(len(self)), np.zeros(len(self))
        for kinds, known in ((self._loops, self._slower_alike), (self._kind, self._slower)):
            for kind, (ratio, per_entry) in known.items():
                ratios[kinds == kind], later[kinds == kind] = ratio, per_entry
        cycles = cycles * ratios + later * self.runs
        is_known = self.state == KNOWN
        own[is_known] = (self.known.own - self.known.shared)[is_known]
        operators[is_known] = self.known.by_operator[is_known]
        cycles[is_known] = self.known.latency[is_known]
        dsp[is_known] = self.known.dsp[is_known]
        cycles[self.state == REFUSED] = np.inf
        if self.is_light and cycles[self.lanes == 1].min(initial=np.inf) < np.inf:
            cycles[self.lanes > 1] = np.inf
        return Likely(cycles, own, self.known.shared.copy(), operators, dsp)

    def lanes_along(self, loops: Sequence[str]) -> NDArray[np.int64]:
        """Lanes of the rows along some of the loops."""
        found = []
        for chosen in self.lists:
            columns = [chosen.order.index(loop) for loop in loops]
            found.append(chosen.factors[:, columns].prod(axis=1))
        return np.concatenate(found)

    def best_orders(
        self, rows: NDArray[np.int64], cycles: _Floats, lut: _Floats
    ) -> NDArray[np.int64]:
        """Of those of `rows` with equal factors, which want equal banks, the fastest, then smallest."""
        order, starts, group = self._alike
        least = np.full(len(self), np.inf)
        least[rows] = cycles[rows]
        least = least[order]
        is_best = (least == np.minimum.reduceat(least, starts)[group]) & (least < np.inf)
        needs = np.where(is_best, lut[order], np.inf)
        is_best &= needs == np.minimum.reduceat(needs, starts)[group]
        found = np.flatnonzero(is_best)
        first = np.ones(len(found), dtype=bool)
        first[1:] = group[found[1:]] != group[found[:-1]]
        best: NDArray[np.int64] = order[found[first]]
        return best

    @cached_property
    def _alike(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The rows by their factors, where others begin, and the number of each one's factors."""
        order = np.argsort(self._shape, kind="stable")
        shapes = self._shape[order]
        is_first = np.ones(len(shapes), dtype=bool)
        is_first[1:] = shapes[1:] != shapes[:-1]
        return order, np.flatnonzero(is_first), np.cumsum(is_first) - 1

    def _fit(self) -> None:
        """The line through the logic of the answers, drawn towards a usual one."""
        rows = [r for r, a in self.answers.items() if not a.is_refused]
        usual = np.array(USUAL)
        weights = 1 / usual
        left = np.array([[1.0, self.lanes[r]] for r in rows])
        own = self.known.own - self.known.shared
        right = np.array([own[r] - self.own_lut[r] for r in rows])
        scale = 1.0 / np.maximum([own[r] * 0.02 + 20.0 for r in rows], 1.0)
        matrix = np.vstack([left * scale[:, None], np.diag(weights)])
        target = np.concatenate([right * scale, usual * weights])
        found = np.linalg.lstsq(matrix, target, rcond=None)[0]
        self._guess = (float(found[0]), max(float(found[1]), 0.0))
