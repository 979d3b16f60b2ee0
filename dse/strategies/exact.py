"""Branch and bound over the analytical model, best bound first.

A branch is a structure with a choice of operator implementations. In a branch every nest has a table
of its parallelisations. Two things are done in turn, for the branch with the lowest bound: rows that
are expected to make a good design are evaluated, and so are the rows that keep the bound low. The
search ends when no bound is below the best design found, or with a gap when time or patience runs
out. What the bound is over, and what it takes for granted, is said in `pom.dse.branch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pom.dse.binding import Binding
from pom.dse.branch import Branch
from pom.dse.composer import Choice
from pom.dse.evaluation import own_lut
from pom.dse.plan import NestPlan
from pom.dse.problem import Resources
from pom.dse.search import Search
from pom.dse.space import Shape, by_weight, capped_plans, heaviest_shapes, problem_variants
from pom.qor_model.collection import rare_collection

SHRINKS = 10
"""How often a design that does not fit as a whole is composed again within smaller limits."""
ROUNDS = 10
"""How often rows are chosen and evaluated before a design is made of those that are known."""
FEW = 3
"""Rounds before the first design of a branch."""
REST = 15
"""Most steps of a branch in which no design is composed."""
AS_EXPECTED = 1.005
"""Up to this ratio to what was expected before its bounds were refined, a choice is evaluated."""
MORE = 1.02
"""From this ratio on, a design needs more than the nests alone."""
PROGRESS = 1.001
"""From this ratio on, a bound is better."""
PROMISE = 1.3
"""Up to this ratio to the lowest bound, a branch is looked at for a first design."""
HARDLY = 1.02
"""Up to this ratio, a branch with a first bound is looked at before those that have none."""
FIRST_LANES, BISECTIONS = 16, 6
"""Lanes of every nest in a first design of structures with guards, and how often there are others."""
MOST_SHAPES = 8
"""Shapes of the heaviest nest that are tried with that many lanes."""
ALIKE = 1.1
"""Up to this ratio of the fastest, others may be faster with more lanes."""
FAR = 3.0
"""From this ratio on, not even one with a low bound."""
MANY = 100
"""Fewer parallelisations are better looked at one by one."""
NEAR = 1.05
"""Up to this ratio of limits between which designs stop to fit, others are not looked at."""
LIGHT = 0.02
"""Nests with less than this share of the cycles are looked at last."""


class Exact:
    """Ends with the model's optimum, or with a gap when time or patience runs out.

    Parameters
    ----------
    tolerance : float
        Relative difference to the bound at which the search ends.
    patience : int
        Evaluations without a better design or bound after which it ends with a gap.
    """

    name = "exact"

    def __init__(self, tolerance: float = 0.005, patience: int = 600) -> None:
        self.tolerance = tolerance
        self.patience = patience
        self._sampled: dict[str, Branch] = {}
        self._is_composed = False

    def run(self, search: Search) -> bool:
        with rare_collection():
            try:
                return self._run(search)
            finally:
                search.forget_foreseen()

    def _run(self, search: Search) -> bool:
        branches = [Branch(search, v) for v in problem_variants(search.problem, search.local)]
        if not branches:
            return False
        self._sampled.clear()
        self._is_composed = False
        self._plain(search, branches)
        for branch in branches:
            if not branch.variant.candidates:
                # without loops there is nothing to choose
                (answer,) = search.evaluate([(branch.plan(()), "")])
                branch.bound, branch.is_exhausted = answer.latency_cycles, True
        patience = _Patience(search, self.patience)
        is_complete = True
        while True:
            search.lower_bound = min(*(b.bound for b in branches), _best(search))
            enough = _best(search) * (1 - self.tolerance)
            if search.lower_bound >= enough:
                break
            # the bound of a branch without open rows stays; others may still have better designs
            usable = [b for b in branches if not b.is_exhausted and b.bound < enough]
            if not usable or search.is_out_of_time or patience.is_over:
                is_complete = False
                break
            branch = _following(usable)
            search.phase = str(branch.variant.structure.name)
            if branch.is_bounded:
                self._step(search, branch)
            else:
                branch.is_bounded = True
                first = branch.lower_bound(_best(search), has_banks=False)
                branch.bound = max(branch.bound, min(first.cycles, _best(search)))
        overlapped = min(branch.overlapped_bound for branch in branches)
        if overlapped < search.lower_bound:
            search.lower_bound = overlapped
            is_complete = is_complete and overlapped >= _best(search) * (1 - self.tolerance)
        search.bindings = self._bindings(search, branches)
        self._count(search, branches)
        search.notify()
        return is_complete

    @staticmethod
    def _bindings(search: Search, branches: Sequence[Branch]) -> tuple[Binding, ...]:
        """What the lower bound rests on; of an optimal design, what its own cycles come from."""
        best = search.best
        if best is not None and search.lower_bound >= best.latency_cycles:
            for branch in branches:
                rows = branch.rows_of(best.plan)
                if rows is not None:
                    return branch.bindings(rows)
        lowest = min(branches, key=lambda branch: (branch.bound, not branch.is_tried))
        return lowest.bindings()

    def _plain(self, search: Search, branches: Sequence[Branch]) -> None:
        """The loops as they are, pipelined: a design that nearly always fits, early on."""
        search.phase = "first designs"
        done: set[str] = set()
        for branch in branches:
            structure = branch.variant.structure
            if structure.name in done or (done and search.is_out_of_time):
                continue
            done.add(structure.name)
            ones = tuple(
                NestPlan(nest.handle, nest.orders[0], (1,) * len(nest.band))
                for nest in structure.nests
            )
            search.evaluate([(branch.plan_of(ones), "")])
            if branch.variant.has_guards and branch.variant.size > MANY:
                for shape in self._best_shapes(search, branch):
                    self._widened(search, branch, shape)

    @staticmethod
    def _best_shapes(search: Search, branch: Branch) -> tuple[Shape, ...]:
        """Shapes of the heaviest nest with which it is fastest with a few lanes, and the one with the
        lowest bound."""
        variant = branch.variant
        shapes = heaviest_shapes(variant, FIRST_LANES)[:MOST_SHAPES]
        heaviest, _ = by_weight(variant)[0]
        asked = []
        for shape in shapes:
            plans = capped_plans(variant, FIRST_LANES, shape)
            own = next(plan for plan in plans if plan.statement == heaviest.handle)
            asked.append(branch.alone(heaviest, own))
        found: list[tuple[float, Shape]] = []
        for number, (shape, request) in enumerate(zip(shapes, asked, strict=True)):
            search.foresee(asked[number + 1 :])
            if search.is_out_of_time:
                break
            (answer,) = search.evaluate([request])
            if search.fits(answer.resources):
                found.append((answer.latency_cycles, shape))
        found.sort(key=lambda pair: pair[0])
        fastest = [shape for cycles, shape in found if cycles <= ALIKE * found[0][0]]
        near = [shape for cycles, shape in found if cycles <= FAR * found[0][0]]
        return tuple(dict.fromkeys((*fastest[:1], *(s for s in shapes[:1] if s in near))))

    @staticmethod
    def _widened(search: Search, branch: Branch, shape: Shape) -> None:
        """As many lanes in every nest as fit: guessed by the logic that lanes take, then by halves.

        Where nests have guards, it takes long to learn what lanes are worth, nest by nest.
        """
        fits, fails, lanes = 1, 0, FIRST_LANES
        known: list[tuple[int, int]] = []
        before: tuple[NestPlan, ...] = ()
        for _ in range(BISECTIONS):
            plans = capped_plans(branch.variant, lanes, shape)
            is_wide = any(plan.lanes > 1 for plan in plans)
            if search.is_out_of_time or not is_wide or plans == before:
                return
            before = plans
            (answer,) = search.evaluate([(branch.plan_of(plans), "")])
            if not answer.is_refused:
                known.append((lanes, answer.resources.lut))
            if not answer.is_refused and search.fits(answer.resources):
                fits = lanes
            else:
                fails = lanes
            guess = _lanes_within(known[-2:], search.problem.limits.lut)
            lanes = (fits + fails) // 2 if fails else 2 * fits
            if guess is not None:
                lanes = max(fits + 1, min(guess, fails - 1 if fails else 2 * lanes))
            if lanes in (fits, fails):
                return

    def _step(self, search: Search, branch: Branch) -> None:
        """Look for a better design in a branch, later for a better bound, too."""
        is_first = not branch.is_tried
        branch.is_tried = True
        if is_first:
            self._sample(search, branch)
        best = _best(search)
        branch.lighten(best)
        if not is_first and branch.idle < branch.rest:
            # composing again what did not get better takes longer than raising the bound
            branch.idle += 1
            self._bounded(search, branch)
            return
        if is_first and not self._is_composed:
            self._is_composed = True
            self._attempt(search, branch, FEW, FEW, is_quick=True)
        self._attempt(search, branch, FEW if is_first else 2)
        if is_first:
            self._attempt(search, branch, ROUNDS)
        if len(branch.tables) > 1:
            # a single lane of a heavy nest may choose among the banks of a light one, after all
            composer = branch.composer
            composer.is_strict = False
            # to look for lanes that select once more would cost the time for the bound
            for composer.is_hopeful in (False, True) if is_first else (False,):
                self._attempt(search, branch, FEW if is_first else 0, 2 * FEW if is_first else 2)
            composer.is_strict, composer.is_hopeful = True, False
        if is_first:
            self._overlapped(search, branch)
            self._with_registers(search, branch)
        # others should have a design before this one is the best that it can be
        self._improve(search, branch, FEW if is_first else ROUNDS)
        if not is_first:
            self._dive(search, branch)
        branch.idle = 0
        branch.rest = 0 if is_first or _best(search) < best else min(2 * branch.rest + 1, REST)
        if not is_first and not search.is_out_of_time:
            self._bounded(search, branch)

    def _dive(self, search: Search, branch: Branch) -> None:
        """Evaluate designs whose nests want the same banks, as long as they are news."""
        for _ in range(FEW):
            rows = branch.dive(_best(search) * (1 - self.tolerance))
            if rows is None or search.is_out_of_time:
                return
            self._ask(branch, rows)
            search.evaluate([(branch.plan(rows), "")])
            self._improve(search, branch, ROUNDS)

    def _improve(self, search: Search, branch: Branch, rounds: int) -> None:
        """Change one nest of the best design at a time, as long as that is news."""
        for _ in range(rounds):
            best = search.best
            rows = branch.rows_of(best.plan) if best and not best.plan.dataflow else None
            if best is None or rows is None or search.is_out_of_time:
                return
            self._ask(branch, rows)
            found = branch.improved(rows, best.resources.lut)
            if found is None:
                return
            self._ask(branch, found)
            search.evaluate([(branch.plan(found), "")])

    def _with_registers(self, search: Search, branch: Branch) -> None:
        """Evaluate designs whose nests make registers of an array together.

        What is expected of their logic is too low: limits for it are halved until designs fit.
        """
        allowed = float(search.problem.limits.lut)
        for array in branch.registers:
            fits, fails, limit = 0.0, allowed, allowed
            for _ in range(ROUNDS):
                best = search.best
                rows = branch.rows_of(best.plan) if best and not best.plan.dataflow else None
                if best is None or rows is None or search.is_out_of_time or fails <= NEAR * fits:
                    break
                least = best.latency_cycles * (1 - self.tolerance)
                found = branch.with_registers(array, rows, limit, least)
                if found is None:
                    fits = limit
                else:
                    design, expected = found
                    (answer,) = search.evaluate([(branch.plan(design), "")])
                    if search.fits(answer.resources):
                        fits = expected
                    else:
                        fails = expected
                limit = (fits + fails) / 2

    @staticmethod
    def _ask(branch: Branch, rows: Sequence[int]) -> None:
        """Have the rows of a design evaluated that are not known, each nest alone."""
        asked = [(n, r) for n, r in enumerate(rows) if r not in branch.tables[n].answers]
        branch.ask(asked, is_helped=False)

    def _bounded(self, search: Search, branch: Branch) -> None:
        """Raise the bound of a branch, or find a design that reaches it."""
        rows: list[tuple[int, int]] = []
        for _ in range(ROUNDS):
            bound = branch.lower_bound(_best(search))
            branch.bound = max(branch.bound, bound.cycles)
            if bound.cycles >= _best(search) * (1 - self.tolerance):
                branch.bound = max(branch.bound, min(bound.cycles, _best(search)))
                return
            if bound.design:
                search.evaluate([(branch.plan(bound.design), "")])
                return
            rows = _heavy(branch, bound.cycles, bound.rows)
            coarse = [(n, r) for n, r in rows if not branch.tables[n].is_refined[r]]
            if not coarse:
                break
            for n, row in coarse:
                branch.tables[n].refine(row)
        if not rows:
            # the rows that reach the bound are known: what they make together may not be yet
            self._attempt(search, branch, 0)
            branch.is_exhausted = True
            return
        branch.ask(rows)
        branch.foresee(_heavy(branch, bound.cycles, bound.later))

    def _sample(self, search: Search, branch: Branch) -> None:
        """Learn how fast the lanes of nests are whose bounds say little."""
        name = branch.variant.structure.name
        if name in self._sampled:
            # other operators change the ratios little
            for table, known in zip(branch.tables, self._sampled[name].tables, strict=True):
                table.expect_as(known)
            return
        self._sampled[name] = branch
        for n, table in enumerate(branch.tables):
            rows = table.samples()
            for number, row in enumerate(rows):
                if search.is_out_of_time:
                    return
                branch.foresee([(n, later) for later in rows[number + 1 :]])
                branch.ask([(n, row)], is_helped=False)
            table.refine_kinds(_best(search))

    @staticmethod
    def _overlapped(search: Search, branch: Branch) -> None:
        """Try the nests as a dataflow region, with equal shares of the resources."""
        graph = branch.variant.overlap
        if graph is None or graph.width < 2 or search.is_out_of_time:
            return
        limits = search.problem.limits
        share = Resources(**{name: most // len(graph.tasks) for name, most in limits.items()})
        choice = branch.composer.choose(share)
        if choice is not None:
            search.evaluate([(replace(branch.plan(choice.rows), dataflow=True), "")])

    def _attempt(
        self,
        search: Search,
        branch: Branch,
        rounds: int,
        designs: int = SHRINKS,
        *,
        is_quick: bool = False,
    ) -> None:
        """Compose designs of rows that are known, evaluating rows until the best are.

        Where it has to be quick, whole designs are evaluated before their nests are looked at inside
        of them.
        """
        limits = search.problem.limits
        # past the deadline, what is known is still made a design that fits
        late = 0
        for _ in range(designs):
            choice = self._settled(search, branch, limits, rounds)
            if choice is None or choice.cycles >= _best(search):
                return
            late += search.is_out_of_time
            if late > FEW:
                return
            is_alone = late or is_quick or len(branch.tables) == 1
            if not is_alone and self._looked_inside(search, branch, choice):
                continue
            (answer,) = search.evaluate([(branch.plan(choice.rows), "")])
            if answer.is_refused or search.fits(answer.resources):
                return
            limits = _shrunk(limits, search.problem.limits, answer.resources)

    def _settled(
        self, search: Search, branch: Branch, limits: Resources, rounds: int
    ) -> Choice | None:
        """The best choice of known rows, after those were evaluated that promise a better one."""
        composer, evaluations = branch.composer, 0
        known: Choice | None = None
        while not search.is_out_of_time:
            found = composer.choose(limits, is_known=True)
            # more rows may lead the choice, which is greedy, to a worse end
            if known is None or (found is not None and found.cycles < known.cycles):
                known = found
            choice = composer.choose(limits)
            best = min(_best(search), known.cycles if known else float("inf"))
            if evaluations == rounds or choice is None:
                return known
            if choice.cycles >= best * (1 - self.tolerance):
                return known
            pairs = list(enumerate(choice.rows))
            if all(r in branch.tables[n].answers for n, r in pairs):
                return choice
            coarse = [(n, r) for n, r in pairs if not branch.tables[n].is_refined[r]]
            for n, row in coarse:
                branch.tables[n].refine_near(row)
            expected = sum(float(branch.tables[n].guesses().cycles[r]) for n, r in pairs)
            if not coarse or expected <= AS_EXPECTED * choice.cycles:
                self._ask(branch, choice.rows)
                evaluations += 1
        # out of time: what is known is made a design of all the same
        return known or composer.choose(limits, is_known=True)

    @staticmethod
    def _looked_inside(search: Search, branch: Branch, choice: Choice) -> bool:
        """Note which nests need more beside the others, whose banks they share, than alone.

        Returns whether that was news.
        """
        plan = branch.plan(choice.rows)
        inside = search.evaluate([(plan, table.nest.handle) for table in branch.tables])
        known, is_news = branch.composer.inside, False
        for n, (row, found) in enumerate(zip(choice.rows, inside, strict=True)):
            if (n, row) in known:
                continue
            table, own, shared = branch.tables[n], own_lut(found), found.shared_lut
            if found.is_refused:
                known[n, row], is_news = (float("inf"), own, 0.0), True
                continue
            known[n, row] = found.latency_cycles, own - shared, shared
            is_news |= found.latency_cycles > MORE * table.known.latency[row]
            is_news |= own > MORE * table.known.own[row] + 50
        return is_news

    def _count(self, search: Search, branches: Sequence[Branch]) -> None:
        """Count what bounds ruled out."""
        best = _best(search)
        for branch in branches:
            if branch.bound >= best * (1 - self.tolerance):
                search.prune(branch.variant.size - branch.evaluated)
                search.decided += branch.variant.designs
            elif branch.is_tried:
                search.prune(branch.ruled_out(best))
                search.decided += branch.variant.designs - branch.undecided(best)


class _Patience:
    """Ends a search that evaluates a lot and neither finds a better design nor a better bound."""

    def __init__(self, search: Search, most: int) -> None:
        self._search = search
        self._most = most
        self._best = float("inf")
        self._bound = 0.0
        self._since = 0

    @property
    def is_over(self) -> bool:
        search = self._search
        if _best(search) < self._best or search.lower_bound > PROGRESS * self._bound:
            self._best, self._bound = _best(search), search.lower_bound
            self._since = search.judged_by_model
        return search.judged_by_model - self._since > self._most


def _lanes_within(known: Sequence[tuple[int, int]], limit: int) -> int | None:
    """With how many lanes the logic of two designs reaches a limit; None where that is open."""
    if len(known) < 2:
        return None
    (few, low), (many, high) = sorted(known)
    if high <= low:
        return None
    return int(few + (limit - low) * (many - few) / (high - low))


def _following(branches: Sequence[Branch]) -> Branch:
    """The branch that is looked at next: for a first bound, a first design, or a better bound.

    Bounds come before designs: they tell which branches promise most. Others wait until the bound of
    these has come near to theirs, and many are left out. The first design is looked for in the first
    branch whose bound hardly rises: it makes many of the bounds that are left superfluous.
    """
    lowest = min(branches, key=lambda b: b.bound)
    ratio = PROMISE if lowest.is_bounded else HARDLY
    near = [b for b in branches if not b.is_tried and b.bound <= ratio * lowest.bound]
    untried = [b for b in near if b.is_bounded]
    if not untried or (not lowest.is_bounded and any(b.is_tried for b in branches)):
        return lowest
    return min(untried, key=lambda b: (b.variant.kind, b.bound))


def _heavy(
    branch: Branch, cycles: float, of_nests: Sequence[tuple[int, tuple[int, ...]]]
) -> list[tuple[int, int]]:
    """Rows that may raise a bound; those of light nests only where there are no others."""
    rows = [(n, row) for n, found in of_nests for row in found]
    least = [float(t.known.latency.min(initial=np.inf)) for t in branch.tables]
    heavy = [(n, row) for n, row in rows if least[n] >= LIGHT * cycles]
    return heavy or rows


def _best(search: Search) -> float:
    return search.best.latency_cycles if search.best else float("inf")


def _shrunk(limits: Resources, allowed: Resources, needed: Resources) -> Resources:
    """`limits` reduced by as much as the whole design needs too much, and a little more."""
    amounts = {}
    for name, limit in limits.items():
        most, need = getattr(allowed, name), getattr(needed, name)
        amounts[name] = int(limit * most / need * 0.998) if need > most else limit
    if needed.ff > allowed.ff:
        # registers go with the lanes, and so does logic
        amounts["lut"] = min(amounts["lut"], int(limits.lut * allowed.ff / needed.ff))
    return Resources(**amounts)
