"""The candidates of one nest, and what evaluations of some of them say about the others.

Candidates of one *class* have the same loop order and, per loop, the same way of being unrolled:
not at all, by a divisor of the trip count, with a remainder, or completely. Within a class two
things are assumed, and `tests/dse/test_nest_search.py` checks them on samples:

- the cycles per iteration do not fall when more lanes are added;
- logic and registers beyond the operators grow linearly with the lanes, and differ little
  between the classes of a nest.

Along a parallel loop both hold on the samples. Between members of different shapes, and where a
recurrence makes lanes share operators, the second is only approximate: a candidate near a limit
may be excluded wrongly. What is proved is proved under
these assumptions.

So a cheap small member of a class bounds the latency of the large ones from below, and tells which
of them cannot fit. A candidate that is excluded in this way is never evaluated; everything that is
kept is evaluated exactly before it counts as a design.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pom.dse.bounds import Candidates
from pom.dse.evaluation import Evaluation
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan
from pom.dse.problem import Resources

SAMPLE_LANES = 16
"""Lanes of the member of a class that is evaluated first."""
FIXED_LOGIC = 500
"""LUTs and FFs that a nest has whatever its lanes, where only one member of a class is known."""
FAR, NEAR = 0.03, 0.01
"""Margins of the linear estimate: beyond 1.5 times the largest member seen, and up to there."""
UPCOMING = 64
"""Candidates that are looked at to guess which ones come next."""
NO_LIMIT = 1 << 62
ALIKE = 0.8
"""Least share of the smallest overhead of all known classes that a class without members has."""


@dataclass
class _Class:
    """Evaluated members of a class: lanes, logic beyond the operators, registers, DSP beyond."""

    cycles_per_iteration: float = 0.0
    points: dict[int, tuple[float, float, float]] = field(default_factory=dict)

    def line(self, which: int) -> tuple[float, float]:
        """Offset and slope over the lanes."""
        lanes = sorted(self.points)
        small, large = lanes[0], lanes[-1]
        at_large = self.points[large][which]
        if small == large:
            offset = min(FIXED_LOGIC, max(at_large, 0.0)) if which < 2 else 0.0
            return offset, (at_large - offset) / large
        slope = (at_large - self.points[small][which]) / (large - small)
        return at_large - slope * large, slope


class NestCandidates:
    """All candidates of a nest in one table, best lower bound first.

    Parameters
    ----------
    nest : Nest
    lists : sequence of Candidates
        One per loop order.
    limits : Resources
    has_fixed_banks : bool
        Whether other nests have chosen the banks of some arrays.
    """

    def __init__(
        self,
        nest: Nest,
        lists: Sequence[Candidates],
        limits: Resources,
        has_fixed_banks: bool = False,
    ) -> None:
        self.nest = nest
        self.has_fixed_banks = has_fixed_banks
        self.lists = tuple(lists)
        self.limits = limits
        self.source = np.concatenate([np.full(len(c.bound), n) for n, c in enumerate(lists)])
        self.position = np.concatenate([np.arange(len(c.bound)) for c in lists])
        self.floor = np.concatenate([c.bound for c in lists])
        self.lanes = np.concatenate([c.lanes for c in lists])
        self.iterations = np.concatenate([c.iterations for c in lists])
        self.dsp = np.concatenate([c.dsp for c in lists])
        self.lut = np.concatenate([c.lut for c in lists])
        self.kind = np.concatenate([_kinds(nest, n, c) for n, c in enumerate(lists)])
        self.is_open = np.ones(len(self.floor), dtype=bool)
        self.excluded = 0
        self._classes: dict[int, _Class] = {}

    def __len__(self) -> int:
        return len(self.floor)

    def first(self) -> int | None:
        """The open candidate with the lowest floor; among equals the one with fewest lanes."""
        floors = np.where(self.is_open, self.floor, np.inf)
        if not len(floors):
            return None
        lowest = floors.min()
        if lowest == np.inf:
            return None
        ties = np.flatnonzero(floors <= lowest * (1 + 1e-6))
        return int(ties[np.argmin(self.lanes[ties])])

    def upcoming(self, row: int) -> Iterator[int]:
        """Candidates that are likely to be evaluated after `row`: by their floors as they are."""
        floors = np.where(self.is_open, self.floor, np.inf)
        count = min(UPCOMING, len(floors))
        near = np.argpartition(floors, count - 1)[:count]
        seen = {int(self.kind[row])}
        for other in near[np.lexsort((self.lanes[near], floors[near]))].tolist():
            kind = int(self.kind[other])
            if other == row or not self.is_open[other]:
                continue
            if kind in self._classes:
                yield other
            elif kind not in seen:
                seen.add(kind)
                yield self.sample(other)

    def plan(self, row: int) -> NestPlan:
        """The plan of a candidate."""
        chosen = self.lists[int(self.source[row])]
        factors = chosen.factors[int(self.position[row])]
        return NestPlan(self.nest.handle, chosen.order, tuple(int(f) for f in factors))

    def is_known(self, row: int) -> bool:
        """Whether a member of the candidate's class was evaluated."""
        return int(self.kind[row]) in self._classes

    def sample(self, row: int) -> int:
        """The member of the candidate's class to evaluate first."""
        members = np.flatnonzero(self.kind == self.kind[row])
        small = members[self.lanes[members] <= SAMPLE_LANES]
        if len(small):
            return int(small[np.argmax(self.lanes[small])])
        return int(members[np.argmin(self.lanes[members])])

    def close_if(self, is_unwanted: Callable[[NestPlan], bool]) -> float:
        """Close candidates with a loop whose factor alone is unwanted; the lowest floor of them."""
        unwanted = np.zeros(len(self.floor), dtype=bool)
        for number, chosen in enumerate(self.lists):
            here = np.flatnonzero(self.source == number)
            for column in range(len(chosen.order)):
                factors = chosen.factors[self.position[here], column]
                for factor in np.unique(factors):
                    alone = [1] * len(chosen.order)
                    alone[column] = int(factor)
                    plan = NestPlan(self.nest.handle, chosen.order, tuple(alone))
                    if factor > 1 and is_unwanted(plan):
                        unwanted[here[factors == factor]] = True
        self.is_open &= ~unwanted
        return float(self.floor[unwanted].min()) if unwanted.any() else float("inf")

    def matching(self, is_match: Callable[[NestPlan], bool]) -> int | None:
        """The candidate whose every loop has the most lanes that match on their own, if any."""
        found: list[int] = []
        for number, chosen in enumerate(self.lists):
            factors = []
            for column in range(len(chosen.order)):
                best = 1
                for factor in np.unique(chosen.factors[:, column]):
                    alone = [1] * len(chosen.order)
                    alone[column] = int(factor)
                    if is_match(NestPlan(self.nest.handle, chosen.order, tuple(alone))):
                        best = max(best, int(factor))
                factors.append(best)
            same = (self.source == number) & self.is_open
            rows = np.flatnonzero(same)
            equal = (chosen.factors[self.position[rows]] == factors).all(axis=1)
            found += rows[equal].tolist()
        found = [row for row in found if self.lanes[row] > 1]
        return min(found, key=lambda row: (self.floor[row], row), default=None)

    def close(self, row: int) -> None:
        self.is_open[row] = False

    def learn(self, row: int, answer: Evaluation) -> None:
        """Take in an evaluation: floors rise, and what cannot fit is closed."""
        self.close(row)
        kind = int(self.kind[row])
        known = self._classes.setdefault(kind, _Class())
        members = np.flatnonzero((self.kind == kind) & self.is_open)
        if answer.is_refused:
            if not known.points:
                # the reason is the shape of the class, not the number of lanes
                self.is_open[members] = False
            return
        if answer.resources.exceeded(replace(self.limits, dsp=NO_LIMIT, lut=NO_LIMIT, ff=NO_LIMIT)):
            # more lanes never need less memory
            self.is_open[members] = False
            return
        iterations, lanes = self.iterations[row], int(self.lanes[row])
        # the pipeline's depth is not repeated per iteration
        cycles = (answer.latency_cycles - self._depth(row, answer)) / iterations
        known.cycles_per_iteration = max(known.cycles_per_iteration, cycles)
        known.points[lanes] = (
            answer.resources.lut - self.lut[row],
            float(answer.resources.ff),
            answer.resources.dsp - self.dsp[row],
        )
        self.floor[members] = np.maximum(
            self.floor[members], known.cycles_per_iteration * self.iterations[members]
        )
        self._exclude(members, known)
        if not self.has_fixed_banks:
            # against banks that other nests chose, classes differ by how well they match
            self._exclude_alike()

    def _depth(self, row: int, answer: Evaluation) -> float:
        """An upper bound on what of the latency is not the interval times the iterations."""
        return answer.latency_cycles * min(1.0, 64.0 / float(self.iterations[row]))

    def _exclude(self, members: NDArray[np.int64], known: _Class) -> None:
        lanes = self.lanes[members]
        margin = np.where(lanes > 1.5 * max(known.points), 1 + FAR, 1 + NEAR)
        fits = np.ones(len(members), dtype=bool)
        lines = (
            (self.lut[members], known.line(0), self.limits.lut),
            (np.zeros(len(members)), known.line(1), self.limits.ff),
            (self.dsp[members], known.line(2), self.limits.dsp),
        )
        for operators, (offset, slope), limit in lines:
            fits &= operators + offset + slope * lanes <= limit * margin
        self.is_open[members[~fits]] = False
        self.excluded += int((~fits).sum())

    def _exclude_alike(self) -> None:
        """Close candidates of classes without members that would not fit as any known class."""
        others = np.flatnonzero(self.is_open & ~np.isin(self.kind, list(self._classes)))
        lines = [c for c in self._classes.values() if c.points]
        if not len(others) or not lines:
            return
        lanes = self.lanes[others]
        fits = np.ones(len(others), dtype=bool)
        for which, operators, limit in (
            (0, self.lut[others], self.limits.lut),
            (1, np.zeros(len(others)), self.limits.ff),
        ):
            least = np.full(len(others), np.inf)
            for known in lines:
                offset, slope = known.line(which)
                least = np.minimum(least, offset + slope * lanes)
            fits &= operators + np.where(least > 0, ALIKE * least, least) <= limit
        fits &= self.dsp[others] <= self.limits.dsp
        self.is_open[others[~fits]] = False
        self.excluded += int((~fits).sum())

    def likely(self, row: int, share: float = 0.97) -> int | None:
        """The best open candidate of the row's class that fits with some room, if any."""
        known = self._classes.get(int(self.kind[row]))
        if known is None or not known.points:
            return None
        members = np.flatnonzero((self.kind == self.kind[row]) & self.is_open)
        lanes = self.lanes[members]
        fits = np.ones(len(members), dtype=bool)
        for operators, which, limit in (
            (self.lut[members], 0, self.limits.lut),
            (np.zeros(len(members)), 1, self.limits.ff),
            (self.dsp[members], 2, self.limits.dsp),
        ):
            offset, slope = known.line(which)
            # the limit on DSP blocks is met exactly: their number is known
            room = 1.0 if which == 2 else share
            fits &= operators + offset + slope * lanes <= room * limit
        if not fits.any():
            return None
        chosen = members[fits]
        return int(chosen[np.argmin(self.floor[chosen])])


def _kinds(nest: Nest, number: int, candidates: Candidates) -> NDArray[np.int64]:
    """A number per class: 0 one lane, 1 a divisor, 2 a remainder, 3 all lanes, for each loop."""
    extents = np.array([nest.loop(name).extent for name in candidates.order], dtype=np.int64)
    factors = candidates.factors
    digit = np.where(extents % factors == 0, 1, 2)
    digit = np.where(factors >= extents, 3, digit)
    digit = np.where(factors == 1, 0, digit)
    code = np.full(len(factors), number, dtype=np.int64)
    for column in range(factors.shape[1]):
        code = code * 4 + digit[:, column]
    return code
