"""Best-first branch and bound over the analytical model.

Every structure and every choice of operator implementations is a branch, bounded by the sum of its
nests' bounds. Within a branch each nest is searched alone: candidates in order of their bound,
evaluated until the next bound is no better than the best latency found. Nests of one function run
one after the other and share operators, so their optima compose; what is not shared (registers,
multiplexers, control) is checked on the whole design, and where it does not fit, the nest that
gains least by its parallelism steps back to its next best plan.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from pom.dse.evaluation import Evaluation
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import with_partitions
from pom.dse.search import Search
from pom.dse.space import (
    Candidates,
    Variant,
    implementation_choices,
    make_variant,
    nest_plan,
)
from pom.dse.structures import find_structures


@dataclass
class NestSearch:
    """What is known of one nest of a variant.

    Attributes
    ----------
    found : list of Evaluation
        Evaluated plans that fit the limits.
    bound : float
        No plan of the nest is faster.
    is_complete : bool
        Whether the best plan found is proved to be the best.
    """

    nest: Nest
    found: list[Evaluation] = field(default_factory=list)
    bound: float = 0.0
    is_complete: bool = False

    @property
    def best(self) -> Evaluation | None:
        return min(self.found, key=lambda e: (e.latency_cycles, e.resources.lut), default=None)

    def ladder(self) -> list[Evaluation]:
        """Plans on the front of latency and LUT, fastest first."""
        steps: list[Evaluation] = []
        for e in sorted(self.found, key=lambda e: (e.latency_cycles, e.resources.lut)):
            if not steps or e.resources.lut < steps[-1].resources.lut:
                steps.append(e)
        return steps


class Exact:
    """Ends with the model's optimum, or with a gap when time runs out.

    Parameters
    ----------
    tolerance : float
        Relative difference to the bound at which a nest counts as solved.
    patience : int
        Evaluations of one nest without a better plan after which its search stops with a gap;
        bounds that ignore ports can leave very many candidates that turn out slow.
    """

    name = "exact"

    def __init__(self, tolerance: float = 0.005, patience: int = 48) -> None:
        self.tolerance = tolerance
        self.patience = patience

    def run(self, search: Search) -> bool:
        structures = find_structures(search.local.program, search.problem.fast_math)
        variants = [
            make_variant(search.problem, search.local.library, structure, implementations)
            for structure in structures
            for implementations in implementation_choices(search.local.library, structure)
        ]
        variants.sort(key=lambda v: (v.bound, v.structure.name, v.implementations))
        bounds: list[float] = []
        is_complete = True
        for variant in variants:
            search.phase = variant.structure.name
            limit = search.best.latency_cycles if search.best else float("inf")
            if variant.bound >= limit * (1 - self.tolerance):
                search.prune(variant.size)
                bounds.append(variant.bound)
                continue
            if search.is_out_of_time:
                bounds.append(variant.bound)
                is_complete = False
                continue
            reached, complete = self._variant(search, variant)
            bounds.append(reached)
            is_complete = is_complete and complete
            search.lower_bound = min(bounds + [v.bound for v in variants[len(bounds) :]])
            search.notify()
        best = search.best.latency_cycles if search.best else float("inf")
        search.lower_bound = min([*bounds, best])
        return is_complete

    def _variant(self, search: Search, variant: Variant) -> tuple[float, bool]:
        """Search one variant; its lower bound, and whether it was covered."""
        searches: list[NestSearch] = []
        rest = variant.bound
        for nest, lists in variant.candidates:
            first = min((float(c.bound[0]) for c in lists if len(c.bound)), default=0.0)
            rest -= first
            done = sum(s.bound for s in searches)
            limit = search.best.latency_cycles if search.best else float("inf")
            known = self._nest(search, variant, nest, lists, limit - done - rest)
            searches.append(known)
            if sum(s.bound for s in searches) + rest >= limit * (1 - self.tolerance):
                break
        bound = sum(s.bound for s in searches) + max(rest, 0.0)
        complete = all(s.is_complete for s in searches)
        if len(searches) == len(variant.candidates):
            self._compose(search, variant, searches)
        return bound, complete

    def _nest(
        self,
        search: Search,
        variant: Variant,
        nest: Nest,
        lists: tuple[Candidates, ...],
        limit: float,
    ) -> NestSearch:
        """Evaluate a nest's candidates, best bound first, until the next cannot be better."""
        known = NestSearch(nest)
        scale = _LaneScale(search)
        queue = (item for item in _by_bound(nest, lists) if scale.may_fit(item[1]))
        total = sum(len(c.bound) for c in lists)
        taken = 0
        since_better = 0
        best = float("inf")
        while True:
            batch: list[tuple[float, NestPlan]] = []
            while len(batch) < search.batch and (item := next(queue, None)) is not None:
                batch.append(item)
            if not batch:
                known.bound, known.is_complete = best if known.found else limit, True
                break
            if batch[0][0] >= min(best, limit) * (1 - self.tolerance):
                known.bound, known.is_complete = min(best, batch[0][0]), True
                break
            patience = self.patience if known.found else 4 * self.patience
            if since_better >= patience or search.is_out_of_time:
                known.bound = min(best, batch[0][0])
                break
            answers = search.evaluate(
                [(self._plan(variant, (plan,)), nest.handle) for _, plan in batch]
            )
            taken += len(batch)
            for answer in answers:
                since_better += 1
                scale.learn(answer)
                if not answer.is_refused and search.fits(answer.resources):
                    known.found.append(answer)
                    if answer.latency_cycles < best * (1 - 1e-9):
                        best, since_better = answer.latency_cycles, 0
        search.prune(total - taken)
        return known

    def _plan(self, variant: Variant, nests: tuple[NestPlan, ...]) -> Plan:
        plan = Plan(variant.structure.name, nests, (), variant.implementations)
        return with_partitions(variant.structure.program, variant.structure.nests, plan)

    def _compose(self, search: Search, variant: Variant, searches: list[NestSearch]) -> None:
        """Put the nests' best plans together; step back where the whole does not fit."""
        ladders = [s.ladder() for s in searches]
        positions = [0] * len(ladders)
        for _ in range(16):
            chosen = tuple(
                ladder[at].plan.nests[0]
                for ladder, at in zip(ladders, positions, strict=True)
                if ladder
            )
            (answer,) = search.evaluate([(self._plan(variant, chosen), "")])
            if not answer.is_refused and search.fits(answer.resources):
                return
            step = _cheapest_step(ladders, positions)
            if step is None:
                return
            positions[step] += 1


class _LaneScale:
    """Leaves out plans that cannot fit, judging by plans of the same nest.

    The model's logic grows at least in proportion to the lanes that an array of operators has,
    but for a fixed part; so a plan with more lanes than the limit allows at the lowest
    logic per lane seen so far, with a margin, is not worth an evaluation.
    """

    MARGIN = 0.95

    def __init__(self, search: Search) -> None:
        self.limits = search.problem.limits
        self.lut_per_lane = 0.0
        self.ff_per_lane = 0.0

    def learn(self, answer: Evaluation) -> None:
        lanes = answer.plan.nests[0].lanes
        if answer.is_refused:
            return
        lut, ff = answer.resources.lut / lanes, answer.resources.ff / lanes
        self.lut_per_lane = min(self.lut_per_lane or lut, lut)
        self.ff_per_lane = min(self.ff_per_lane or ff, ff)

    def may_fit(self, plan: NestPlan) -> bool:
        lanes = plan.lanes * self.MARGIN
        return (
            lanes * self.lut_per_lane <= self.limits.lut
            and lanes * self.ff_per_lane <= self.limits.ff
        )


def _cheapest_step(ladders: list[list[Evaluation]], positions: list[int]) -> int | None:
    """The nest whose next plan costs the fewest cycles per LUT that it frees."""
    best: tuple[float, int] | None = None
    for index, (ladder, at) in enumerate(zip(ladders, positions, strict=True)):
        if at + 1 < len(ladder):
            here, there = ladder[at], ladder[at + 1]
            freed = max(here.resources.lut - there.resources.lut, 1)
            price = (there.latency_cycles - here.latency_cycles) / freed
            if best is None or price < best[0]:
                best = (price, index)
    return None if best is None else best[1]


def _by_bound(nest: Nest, lists: tuple[Candidates, ...]) -> Iterator[tuple[float, NestPlan]]:
    """Candidates of all orders, best bound first; fewest lanes first among equal bounds."""
    heap = [
        (float(c.bound[0]), int(c.lanes[0]), number, 0)
        for number, c in enumerate(lists)
        if len(c.bound)
    ]
    heapq.heapify(heap)
    while heap:
        bound, _, number, position = heapq.heappop(heap)
        yield bound, nest_plan(nest, lists[number], position)
        position += 1
        if position < len(lists[number].bound):
            heapq.heappush(
                heap,
                (
                    float(lists[number].bound[position]),
                    int(lists[number].lanes[position]),
                    number,
                    position,
                ),
            )
