"""Best-first branch and bound over the analytical model.

Every structure and every choice of operator implementations is a branch, bounded by the sum of its
nests' bounds. Within a branch the nests are searched one by one, the heaviest first: candidates in
order of their bound, until the next bound is no better than the best latency found. Nests of one
function run one after the other and share operators, so their optima compose; what they do not
share (multiplexers, registers, control) is checked on the whole design, and where it does not fit,
the nests are searched again within smaller limits.

The bound that is reported holds under the two assumptions of `pom.dse.nest_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import lcm

from pom.dse.bounds import Candidates
from pom.dse.evaluation import Evaluation
from pom.dse.nest_search import NestCandidates
from pom.dse.nests import Nest
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Resources
from pom.dse.realise import wanted_banks, with_partitions
from pom.dse.search import Search
from pom.dse.space import Variant, problem_variants
from pom.dse.strategies.pom_method import PomMethod

SHRINKS = 5
"""How often a design that does not fit as a whole is tried again within smaller limits."""

LEAST_EFFORT = 64
"""What an evaluation counts for, in lanes, however few it has."""
FIRST_SHARES = (0.8, 0.5, 0.2)
"""Shares of the limits that each nest of a first design may use."""
MANY_NESTS = 5
"""From so many nests on, the published method's design is taken as a first one."""
QUICK = 6
"""Most evaluations per nest for a first design."""


@dataclass
class NestOutcome:
    """What a search of one nest found.

    Attributes
    ----------
    best : Evaluation or None
        The fastest plan that fits.
    bound : float
        No plan of the nest is faster.
    is_complete : bool
        Whether the best plan found is proved to be the best.
    """

    best: Evaluation | None = None
    bound: float = 0.0
    is_complete: bool = False

    @property
    def latency_cycles(self) -> float:
        return self.best.latency_cycles if self.best else float("inf")


@dataclass(frozen=True, slots=True)
class _Task:
    """A nest to search, with what is decided already."""

    variant: Variant
    nest: Nest
    lists: tuple[Candidates, ...]
    limits: Resources
    fixed: tuple[NestPlan, ...] = ()
    others: float = 0.0
    banks: dict[tuple[str, int], int] = field(default_factory=dict)
    is_quick: bool = False


class Exact:
    """Ends with the model's optimum, or with a gap when time or patience runs out.

    Parameters
    ----------
    tolerance : float
        Relative difference to the bound at which a nest counts as solved.
    patience : int
        Lanes evaluated in one nest without a better plan after which its search stops with a gap;
        an evaluation counts as `LEAST_EFFORT` lanes at the least.
    """

    name = "exact"

    def __init__(self, tolerance: float = 0.005, patience: int = 1200) -> None:
        self.tolerance = tolerance
        self.patience = patience

    def run(self, search: Search) -> bool:
        variants = problem_variants(search.problem, search.local)
        self._incumbents(search, variants)
        bounds: list[float] = []
        is_complete = True
        for number, variant in enumerate(variants):
            search.phase = variant.structure.name
            if variant.bound >= _best(search) * (1 - self.tolerance):
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
            search.lower_bound = min(bounds + [v.bound for v in variants[number + 1 :]])
            search.notify()
        search.lower_bound = min([*bounds, _best(search)])
        return is_complete

    def _incumbents(self, search: Search, variants: Sequence[Variant]) -> None:
        """A design of every structure that fits, so that there is an answer early on."""
        search.phase = "first designs"
        if any(len(variant.candidates) >= MANY_NESTS for variant in variants):
            PomMethod().run(search)
            if search.best is not None and not search.fits(search.best.resources):
                search.best = None
        for variant in variants:
            if variant.implementations or search.is_out_of_time:
                continue
            ones = tuple(
                NestPlan(nest.handle, order, (1,) * len(order))
                for nest, lists in variant.candidates
                for order in nest.orders[:1]
            )
            search.evaluate([(_plan(variant, ones), "")])
            for share in FIRST_SHARES:
                outcomes = self._nests(search, variant, _part(search.problem.limits, share), True)
                plans = tuple(o.best.plan.nests[0] for o in outcomes if o.best)
                if len(plans) < len(variant.candidates) or not plans:
                    continue
                (answer,) = search.evaluate([(_plan(variant, plans), "")])
                if not answer.is_refused and search.fits(answer.resources):
                    break

    def _variant(self, search: Search, variant: Variant) -> tuple[float, bool]:
        """Search one variant; its lower bound, and whether it was covered."""
        limits = search.problem.limits
        bound, complete = variant.bound, False
        for attempt in range(SHRINKS):
            outcomes = self._nests(search, variant, limits)
            if attempt == 0:
                rest = len(variant.candidates) - len(outcomes)
                bound = max(bound, sum(o.bound for o in outcomes)) if not rest else bound
                complete = all(o.is_complete for o in outcomes)
            plans = tuple(o.best.plan.nests[0] for o in outcomes if o.best)
            if len(plans) < len(variant.candidates) or not plans:
                break
            if sum(o.latency_cycles for o in outcomes) >= _best(search):
                break
            (answer,) = search.evaluate([(_plan(variant, plans), "")])
            if answer.is_refused or search.fits(answer.resources) or search.is_out_of_time:
                break
            limits = _shrunk(limits, search.problem.limits, answer.resources)
            complete = False
        return bound, complete

    def _nests(
        self, search: Search, variant: Variant, limits: Resources, is_quick: bool = False
    ) -> list[NestOutcome]:
        """The nests of a variant, heaviest first; fewer where the whole cannot be better."""
        first = {n.handle: _first_bound(lists) for n, lists in variant.candidates}
        heaviest = sorted(variant.candidates, key=lambda c: (-first[c[0].handle], c[0].handle))
        outcomes: list[NestOutcome] = []
        fixed: tuple[NestPlan, ...] = ()
        banks: dict[tuple[str, int], int] = {}
        rest = sum(first.values())
        for nest, lists in heaviest:
            rest -= first[nest.handle]
            others = rest + sum(o.latency_cycles for o in outcomes)
            task = _Task(variant, nest, lists, limits, fixed, others, banks, is_quick)
            outcome = self._nest(search, task)
            outcomes.append(outcome)
            if outcome.best is None or others + outcome.bound >= _best(search) * (
                1 - self.tolerance
            ):
                break
            chosen = outcome.best.plan.nests[0]
            fixed = (*fixed, chosen)
            for key, number in wanted_banks(variant.structure.program, nest, chosen).items():
                banks[key] = lcm(banks.get(key, 1), number)
        return outcomes

    def _nest(self, search: Search, task: _Task) -> NestOutcome:
        """Evaluate a nest's candidates, best bound first, until the next cannot be better."""
        table = NestCandidates(task.nest, task.lists, task.limits, bool(task.banks))
        program = task.variant.structure.program
        is_whole = len(program.statements) == len(task.nest.statements)
        found = NestOutcome()
        limit = _best(search) - task.others
        skipped = table.close_if(lambda plan: not _is_compatible(plan, task))
        taken = idle = 0
        dive: int | None = None
        matched = table.matching(lambda plan: _is_matched(plan, task)) if task.banks else None
        while True:
            row = table.first()
            ceiling = min(found.latency_cycles, limit)
            floor = float("inf") if row is None else float(table.floor[row])
            found.bound = min(found.latency_cycles, floor, skipped)
            # what is left to win is compared with the whole design, not with a light nest
            enough = ceiling - self.tolerance * (task.others + ceiling)
            if row is None or floor >= enough:
                found.is_complete = skipped >= enough
                break
            if task.is_quick and ((found.best and taken > 1) or taken > QUICK):
                break
            if idle >= self.patience or search.is_out_of_time:
                break
            if dive is not None and (likely := table.likely(dive)) is not None:
                row, dive = likely, None
            if matched is not None:
                row, matched = matched, None
            elif not table.is_known(row):
                row = table.sample(row)
                dive = row if found.best is None else None
            ask = partial(_ask, task, "" if is_whole else task.nest.handle, table)
            (answer,) = search.evaluate([ask(row)], likely=map(ask, table.upcoming(row)))
            table.learn(row, answer)
            taken += 1
            idle += max(int(table.lanes[row]), LEAST_EFFORT)
            if answer.is_refused or answer.resources.exceeded(task.limits):
                continue
            if answer.latency_cycles < found.latency_cycles * (1 - 1e-9):
                found.best, idle = answer, 0
        search.prune(len(table) - taken)
        return found


def _best(search: Search) -> float:
    return search.best.latency_cycles if search.best else float("inf")


def _first_bound(lists: Sequence[Candidates]) -> float:
    return min((float(c.bound[0]) for c in lists if len(c.bound)), default=0.0)


def _plan(variant: Variant, nests: tuple[NestPlan, ...]) -> Plan:
    plan = Plan(variant.structure.name, nests, (), variant.implementations)
    return with_partitions(variant.structure.program, variant.structure.nests, plan)


def _ask(task: _Task, part: str, table: NestCandidates, row: int) -> tuple[Plan, str]:
    """What to evaluate for a candidate: it and the nests before it, and which nest of them."""
    return _plan(task.variant, (table.plan(row), *task.fixed)), part


def _is_matched(plan: NestPlan, task: _Task) -> bool:
    """Whether the plan wants exactly the banks that the nests before it want."""
    wanted = wanted_banks(task.variant.structure.program, task.nest, plan)
    arrays = {array for array, _ in task.banks}
    shared = [key for key in wanted if key[0] in arrays]
    return bool(shared) and all(task.banks.get(key, 1) == wanted[key] for key in shared)


def _is_compatible(plan: NestPlan, task: _Task) -> bool:
    """Whether one number of banks serves the nest and those before it in every dim."""
    program = task.variant.structure.program
    return all(
        max(number, task.banks.get(key, 1)) % min(number, task.banks.get(key, 1)) == 0
        for key, number in wanted_banks(program, task.nest, plan).items()
    )


def _part(limits: Resources, share: float) -> Resources:
    return Resources(**{name: int(limit * share) for name, limit in limits.items()})


def _shrunk(limits: Resources, allowed: Resources, needed: Resources) -> Resources:
    """`limits` reduced by as much as the whole design needs too much, and a little more."""
    amounts = {}
    for name, limit in limits.items():
        most, need = getattr(allowed, name), getattr(needed, name)
        amounts[name] = int(limit * most / need * 0.995) if need > most else limit
    return Resources(**amounts)
