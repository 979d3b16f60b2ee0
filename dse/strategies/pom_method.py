"""The two-stage search of the published POM (HPCA 2024, arXiv 2401.05154), as a baseline.

Stage 1 transforms every nest by its dependences: loops that carry none go innermost. Stage 2 looks
at the slowest nest again and again, gives it more lanes, and keeps them where the design is faster
and within the DSP budget; the first design that is not ends the nest's growth. As published: at
most 32 lanes, factors made of 2, 3, 5 and 7 that divide the trip count, the two innermost loops,
no other resource than DSP, and nests that were skewed keep one lane and no pipeline.
"""

from __future__ import annotations

from itertools import product

from pom.dse.evaluation import Evaluation
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import with_partitions
from pom.dse.search import Search
from pom.dse.structures import Structure
from pom.passes.poly_skew import Skew

MOST_LANES = 32
PRIMES = (2, 3, 5, 7)
TILED_LOOPS = 2


class PomMethod:
    """Dependence-aware transformation, then bottleneck-driven parallelisation."""

    name = "pom"

    def run(self, search: Search) -> bool:
        structure = search.local.structure("dependence-aware")
        search.phase = "dependence-aware transformation"
        is_skewed = any(isinstance(p, Skew) for p in structure.primitives)
        chosen = [
            NestPlan(n.handle, tuple(loop.name for loop in n.band), (1,) * len(n.band))
            for n in structure.nests
        ]
        if is_skewed:
            chosen = [NestPlan(p.statement, p.order, p.factors, False) for p in chosen]
        (current,) = search.evaluate([(_plan(structure, chosen), "")])
        if current.is_refused and is_skewed:
            # a skewed nest that is not parallelised runs as many iterations as the written one
            structure = search.local.structure("written")
            chosen = [
                NestPlan(n.handle, n.orders[0], (1,) * len(n.band), False) for n in structure.nests
            ]
            (current,) = search.evaluate([(_plan(structure, chosen), "")])
        growing = set() if is_skewed else set(range(len(chosen)))
        search.phase = "bottleneck-driven parallelisation"
        while growing and not search.is_out_of_time:
            slowest = self._slowest(search, structure, chosen, growing)
            wider = _next_plan(structure.nests[slowest], chosen[slowest])
            if wider is None:
                growing.discard(slowest)
                continue
            trial = [*chosen[:slowest], wider, *chosen[slowest + 1 :]]
            (answer,) = search.evaluate([(_plan(structure, trial), "")])
            if self._is_accepted(search, answer, current):
                chosen, current = trial, answer
            else:
                growing.discard(slowest)
        self._keep(search, current)
        return False

    @staticmethod
    def _is_accepted(search: Search, answer: Evaluation, current: Evaluation) -> bool:
        return (
            not answer.is_refused
            and answer.latency_cycles < current.latency_cycles
            and answer.resources.dsp <= search.problem.limits.dsp
        )

    @staticmethod
    def _keep(search: Search, current: Evaluation) -> None:
        """The method's answer is its last design, whether or not LUT and FF fit."""
        if not current.is_refused:
            search.best = current

    @staticmethod
    def _slowest(
        search: Search, structure: Structure, chosen: list[NestPlan], growing: set[int]
    ) -> int:
        order = sorted(growing)
        answers = search.evaluate(
            [(_plan(structure, chosen), structure.nests[n].handle) for n in order]
        )
        return max(zip(order, answers, strict=True), key=lambda p: (p[1].latency_cycles, -p[0]))[0]


def _plan(structure: Structure, nests: list[NestPlan]) -> Plan:
    return with_partitions(structure.program, structure.nests, Plan(structure.name, tuple(nests)))


def _smooth_divisors(extent: int) -> list[int]:
    """Divisors made of the allowed primes."""
    found = []
    for factor in range(1, min(extent, MOST_LANES) + 1):
        rest = factor
        for prime in PRIMES:
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and extent % factor == 0:
            found.append(factor)
    return found


def _next_plan(nest: Nest, plan: NestPlan) -> NestPlan | None:
    """The tiling of the innermost loops with the next larger number of lanes, squarest first."""
    parallel = plan.order[-TILED_LOOPS:]
    carried = {
        loop for r in nest.recurrences for loop, low, high in r.distance if low != 0 or high != 0
    }
    options = [
        _smooth_divisors(nest.loop(loop).extent) if loop not in carried else [1]
        for loop in parallel
    ]
    tilings = [t for t in product(*options) if plan.lanes < _lanes(t) <= MOST_LANES]
    if not tilings:
        return None
    best = min(tilings, key=lambda t: (_lanes(t), max(t), t))
    outer = len(plan.order) - len(parallel)
    return NestPlan(plan.statement, plan.order, (*(1,) * outer, *best))


def _lanes(tiling: tuple[int, ...]) -> int:
    lanes = 1
    for factor in tiling:
        lanes *= factor
    return lanes
