"""A search from its start to its ranked designs: strategy, limits, front, and what may go wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import TypeVar

from pom import devices
from pom.devices import Device
from pom.dse.binding import Binding
from pom.dse.evaluation import Evaluation
from pom.dse.executor import Workers
from pom.dse.pareto import pareto_front
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Problem, Resources
from pom.dse.realise import implementations_of, with_partitions
from pom.dse.search import Progress, Search, identity, objectives
from pom.dse.space import implementation_choices
from pom.dse.store import Store, content_key
from pom.dse.strategies import make_strategy
from pom.errors import PomError

T = TypeVar("T")

FRONT_SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
"""Shares of the limits at which `explore` searches for a front."""

FRONT_TIME = 0.1
"""Share of a time budget that is kept for the rest of the front."""

COMPOSED_DESIGNS = 12
"""Designs between the fastest and the smallest that are evaluated for the front of one search."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found.

    Parameters
    ----------
    problem : Problem
    strategy : str
    ranked : tuple of Evaluation
        Whole designs within the limits and the latency cap, best first.
    front : tuple of Evaluation
        Those of `ranked` that no other beats in latency and in the largest share of a resource;
        fastest first.
    designs : tuple of Evaluation
        Every whole design that the model accepted, within the limits or not.
    lower_bound : float
        No design of the space has fewer cycles.
    is_complete : bool
        Whether the strategy covered its space.
    evaluated : int
        Different plans that the model answered, those of earlier runs on the store included.
    from_store : int
        Answers that were not computed again.
    pruned : int
        Plans ruled out by a bound.
    seconds : float
        Of this run and of the runs that it continues.
    bindings : tuple of Binding
        What the bound rests on, per nest; empty where the strategy does not say.
    """

    problem: Problem
    strategy: str
    ranked: tuple[Evaluation, ...]
    front: tuple[Evaluation, ...]
    designs: tuple[Evaluation, ...]
    lower_bound: float
    is_complete: bool
    evaluated: int
    from_store: int
    pruned: int
    seconds: float
    bindings: tuple[Binding, ...] = ()

    @property
    def best(self) -> Evaluation:
        return self.ranked[0]

    @property
    def gap(self) -> float:
        """Relative distance of the best design from the lower bound."""
        return relative_gap(self.best.latency_cycles, self.lower_bound)


def relative_gap(latency_cycles: float, lower_bound: float) -> float:
    """How far a latency is from a bound at the most; a design that does nothing takes no cycle."""
    return max(0.0, (latency_cycles - lower_bound) / max(latency_cycles, 1.0))


@dataclass
class Run:
    """How a search is carried out.

    Parameters
    ----------
    strategy : str
    store : Store
    executor : Workers
    batch : int
        Evaluations that are asked for at a time.
    time_budget_s : float, optional
    is_resumed : bool
        Continue a run that the store knows.
    report : callable, optional
        Called with `Progress` after every evaluation.
    """

    strategy: str
    store: Store
    executor: Workers
    batch: int = 4
    time_budget_s: float | None = None
    is_resumed: bool = False
    report: Callable[[Progress], None] | None = None
    started: float = field(default_factory=time.monotonic)

    def search(self, problem: Problem, rounds: int) -> Search:
        """A search with its part of the time that is left, of which there will be `rounds`."""
        deadline = None
        if self.time_budget_s is not None:
            now = time.monotonic()
            deadline = now + (self.started + self.time_budget_s - now) / rounds
        return Search(
            problem, self.store, self.executor, self.batch, deadline, self.report,
            run_started=self.started,
        )  # fmt: skip


def explore(problem: Problem, run: Run) -> Outcome:
    """Search, and rank what was found.

    Raises
    ------
    PomError
        POM-X150 there is no run to resume; POM-X160 no design fits; POM-X161 the kernel is outside
        of the model; POM-X162, POM-X163 the latency cap cannot be met; POM-X140 no such strategy.
    """
    strategy = make_strategy(run.strategy)
    key = run_key(problem, run.strategy)
    before = run.store.get_run(key)
    if run.is_resumed and before is None:
        raise PomError(
            "POM-X150",
            f"the store {str(run.store.path)!r} has no run of {problem.kernel.name} on "
            f"{problem.device.name} with these limits and this strategy",
            hint="start one without --resume, or name its store with --store",
        )
    earlier = _seconds(before) if run.is_resumed else 0.0
    finished: list[tuple[Search, bool]] = []
    state = "interrupted"
    try:
        run.store.put_run(key, {"state": "running", "seconds": earlier})
        shares = FRONT_SHARES if problem.objective == "pareto" else (1.0,)
        for number, share in enumerate(shares):
            search = run.search(_scaled(problem, share), len(shares) - number)
            deadline = search.deadline
            if deadline is not None:
                # something is left for the designs between the fastest and the smallest
                search.deadline = deadline - FRONT_TIME * (deadline - time.monotonic())
            _start(search)
            finished.append((search, strategy.run(search)))
            search.deadline = deadline
            _fill_front(search)
        state = "done"
    finally:
        seconds = earlier + time.monotonic() - run.started
        run.store.put_run(key, {"state": state, "seconds": seconds})
    return _outcome(problem, run.strategy, finished, seconds)


def run_key(problem: Problem, strategy: str) -> str:
    """Under which a store keeps the state of a run."""
    return content_key(
        identity(problem),
        f"{problem.limits!r} {problem.latency_cap_cycles!r} {problem.objective}",
        strategy,
    )


def _seconds(record: dict[str, object] | None) -> float:
    found = record.get("seconds") if record else None
    return float(found) if isinstance(found, int | float) else 0.0


def _scaled(problem: Problem, share: float) -> Problem:
    """The problem with a share of the DSP and LUT that it allows."""
    limits = problem.limits
    scaled = replace(limits, dsp=int(limits.dsp * share), lut=int(limits.lut * share))
    return replace(problem, limits=scaled)


def _start(search: Search) -> None:
    """Evaluate the kernel as written; so there is a design whenever one fits.

    Raises
    ------
    PomError
        POM-X161 the model cannot judge it.
    """
    structure = search.local.structure("written")
    choices = implementation_choices(search.local.library, structure)
    answers = search.evaluate([(Plan("written", (), (), choice), "") for choice in choices])
    if search.best is None or search.problem.objective == "pareto":
        # with nothing pipelined, nests share the fewest operators
        small = tuple(
            NestPlan(nest.handle, nest.orders[0], (1,) * len(nest.orders[0]), ii=0)
            for nest in structure.nests
        )
        search.evaluate([(Plan("written", small, (), choice), "") for choice in choices])
    if all(a.is_refused for a in answers):
        raise PomError(
            "POM-X161",
            f"{search.problem.kernel.name} is outside of the model: {answers[0].refusal}",
            search.problem.kernel.location,
            hint="`pom compile` with a schedule of your own still builds it",
        )


def _fill_front(search: Search) -> None:
    """Evaluate designs between the best and the smallest, made of plans known of its nests."""
    best = search.best
    if best is None or not best.plan.nests:
        return
    structure = search.local.structure(best.plan.structure)
    by_handle = {nest.handle: nest for nest in structure.nests}
    ladders = []
    for chosen in best.plan.nests:
        own = implementations_of(by_handle[chosen.statement], best.plan.implementations)
        answers = [
            p
            for p in search.parts
            if p.nest == chosen.statement
            and p.plan.structure == best.plan.structure
            and p.plan.implementations in (own, best.plan.implementations)
        ]
        front = pareto_front(answers, lambda a: (a.latency_cycles, a.resources.lut))
        ladders.append(_thinned(front, 2 if len(best.plan.nests) > 3 else COMPOSED_DESIGNS))
    if not all(ladders):
        return
    plans = []
    for parts in _mixes(ladders):
        nests = tuple(p.plan.nests[0] for p in parts)
        plan = replace(best.plan, nests=nests, partitions=())
        plans.append((with_partitions(structure.program, structure.nests, plan), ""))
    for start in range(0, len(plans), search.batch):
        if search.is_out_of_time:
            return
        search.evaluate(plans[start : start + search.batch])


def _mixes(ladders: list[list[Evaluation]]) -> list[tuple[Evaluation, ...]]:
    """Combinations that no other is expected to beat, thinned to a number that is quick to judge.

    Nests run one after the other and share operators: cycles add up, and the logic of the design is
    about that of all of its nests.
    """
    partial: list[tuple[Evaluation, ...]] = [()]
    for ladder in ladders:
        longer = [(*chosen, step) for chosen, step in product(partial, ladder)]
        partial = _thinned(
            pareto_front(
                longer,
                lambda parts: (
                    sum(p.latency_cycles for p in parts),
                    sum(p.resources.lut for p in parts),
                ),
            ),
            COMPOSED_DESIGNS,
        )
    return partial


def _thinned(items: list[T], count: int) -> list[T]:
    """At most `count` of the items, first and last included, evenly spread."""
    if len(items) <= count:
        return items
    return [items[round(n * (len(items) - 1) / (count - 1))] for n in range(count)]


def _outcome(
    problem: Problem, strategy: str, finished: list[tuple[Search, bool]], seconds: float
) -> Outcome:
    first = finished[0][0]
    designs = list(dict.fromkeys(d for search, _ in finished for d in search.designs))
    fitting = [d for d in designs if not d.resources.exceeded(problem.limits)]
    if not fitting:
        raise does_not_fit(problem, designs)
    bound = min(first.lower_bound, min(d.latency_cycles for d in fitting))
    cap = problem.latency_cap_cycles
    # the first is on the front too
    ranked = sorted(
        fitting, key=lambda d: (*objectives(d, problem.limits), *_operators(d), d.plan.text)
    )
    if cap is not None:
        _check_cap(problem, cap, bound, ranked[0].latency_cycles)
        ranked = [d for d in ranked if d.latency_cycles <= cap]
    return Outcome(
        problem,
        strategy,
        tuple(ranked),
        tuple(pareto_front(ranked, lambda d: objectives(d, problem.limits))),
        tuple(designs),
        bound,
        all(complete for _, complete in finished),
        sum(search.judged_by_model for search, _ in finished),
        sum(search.from_store for search, _ in finished),
        sum(search.pruned for search, _ in finished),
        seconds,
        first.bindings,
    )


def _operators(design: Evaluation) -> tuple[int, int]:
    """What decides among designs of equal latency and share: fewer DSP blocks, fewer LUTs."""
    return design.resources.dsp, design.resources.lut


def _check_cap(problem: Problem, cap: int, bound: float, best: float) -> None:
    name = problem.kernel.name
    if cap < bound:
        raise PomError(
            "POM-X162",
            f"no design of {name} within the limits can take {cap:,} cycles: the lower bound is "
            f"{bound:,.0f}",
            hint=f"raise the limits, or the cap to at least {best:,.0f}, which was found",
        )
    if cap < best:
        raise PomError(
            "POM-X163",
            f"no design of {name} with at most {cap:,} cycles was found; the best takes "
            f"{best:,.0f}, the lower bound is {bound:,.0f}",
            hint="give the search more time, raise the limits or raise the cap",
        )


def does_not_fit(problem: Problem, designs: list[Evaluation]) -> PomError:
    """The error for a kernel without a design within the limits: what is missing, and what helps."""

    def excess(design: Evaluation) -> float:
        limits = dict(problem.limits.items())
        return max(need / max(limits[name], 0.5) for name, need in design.resources.items())

    smallest = min(designs, key=lambda d: (excess(d), d.latency_cycles)).resources
    missing = ", ".join(
        f"{need:,} {_LABELS[name]}, {need - getattr(problem.limits, name):,} more than the limit "
        f"of {getattr(problem.limits, name):,}"
        for name, need in smallest.items()
        if need > getattr(problem.limits, name)
    )
    needs = " ".join(f"{name}={need}" for name, need in smallest.items())
    larger = _smallest_device(smallest)
    if not smallest.exceeded(_all_of(problem.device)):
        hint = f"{problem.device.name} has room for it: raise the limits to {needs}"
    elif larger is not None:
        hint = f"choose a larger device, such as --target {larger.name}"
    else:
        hint = (
            "no device that POM knows has room for it; make large local arrays arguments of the "
            "kernel, or smaller"
        )
    return PomError(
        "POM-X160",
        f"{problem.kernel.name} does not fit: its smallest design needs {missing}",
        problem.kernel.location,
        hint,
        (f"the smallest design: {needs}",),
    )


_LABELS = {"dsp": "DSP", "lut": "LUT", "ff": "FF", "bram_18k": "BRAM", "uram": "URAM"}


def _all_of(device: Device) -> Resources:
    return Resources(**{f.name: int(getattr(device, f.name)) for f in fields(Resources)})


def _smallest_device(needs: Resources) -> Device | None:
    """The device with the fewest LUT that has room."""
    known = [devices.load(name) for name in devices.available()]
    fitting = [d for d in known if not needs.exceeded(_all_of(d))]
    return min(fitting, key=lambda d: (d.lut, d.name), default=None)
