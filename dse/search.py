"""A search in progress: evaluations through the store and an executor, and what is known so far.

A strategy only ever asks `Search.evaluate`. Answers that the store has are not computed again, so
an interrupted search that is started again walks the same path and ends with the same result.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from pom import __version__
from pom.dse.binding import Binding
from pom.dse.evaluation import (
    Evaluation,
    Request,
    evaluate,
    evaluator_of,
    parse_evaluation,
    without_wishes,
)
from pom.dse.executor import Workers
from pom.dse.pareto import pareto_front
from pom.dse.plan import NestPlan, Plan
from pom.dse.problem import Problem, Resources
from pom.dse.store import Store, content_key

AHEAD = 2
"""Plans that a helper is given before they are asked for."""
MODEL_VERSION = "analytical-7"
"""Part of every key: raised when the analytical model's answers change."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress line shows."""

    seconds: float
    evaluated: int
    from_store: int
    pruned: int
    best_cycles: float
    lower_bound: float
    front: int
    phase: str
    remaining_s: float | None = None

    @property
    def gap(self) -> float:
        """Relative distance of the best design from the bound; 1 while nothing is known."""
        if self.best_cycles == float("inf") or self.best_cycles <= 0:
            return 1.0
        return max(0.0, (self.best_cycles - self.lower_bound) / self.best_cycles)


@dataclass
class Search:
    """State of a search.

    Parameters
    ----------
    problem : Problem
    store : Store
    executor : Workers
    batch : int
        How many evaluations are asked for at a time; does not change the result.
    deadline : float, optional
        ``time.monotonic()`` after which a strategy has to end with what it has.
    report : callable, optional
        Called with `Progress` now and then.
    size : int
        Points of the space, where the strategy knows it.
    run_started : float, optional
        When the first search of the run began, of which this one may be the second or later.

    Attributes
    ----------
    evaluated, from_store : int
        Answers computed in this run, and answers that the store had.
    decided : int
        Designs, one parallelisation per nest, that were evaluated or that a bound ruled out.
    designs : list of Evaluation
        Whole designs that the model accepts, in the order in which they were asked for.
    parts : list of Evaluation
        Single nests that the model accepts.
    front : list of Evaluation
        Of `designs`, those within the limits that no other beats in latency and share of resources.
    bindings : tuple of Binding
        What the lower bound rests on, where the strategy says so.
    too_large : dict of (structure, handle) to list of NestPlan
        Plans of nests whose loop bodies have more operations than an estimate may take.
    """

    problem: Problem
    store: Store
    executor: Workers
    batch: int = 4
    deadline: float | None = None
    report: Callable[[Progress], None] | None = None
    size: int = 0
    evaluated: int = 0
    from_store: int = 0
    pruned: int = 0
    decided: int = 0
    best: Evaluation | None = None
    lower_bound: float = 0.0
    phase: str = "start"
    designs: list[Evaluation] = field(default_factory=list)
    parts: list[Evaluation] = field(default_factory=list)
    front: list[Evaluation] = field(default_factory=list)
    bindings: tuple[Binding, ...] = ()
    too_large: dict[tuple[str, str], list[NestPlan]] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    run_started: float | None = None
    _identity: str = ""
    _asked: set[str] = field(default_factory=set)
    _foreseen: dict[str, Future[Evaluation]] = field(default_factory=dict)
    _likely: Iterator[tuple[Plan, str]] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        self._modelled = without_wishes(self.problem)
        self.local = evaluator_of(self._modelled)
        self._identity = identity(self.problem)

    @property
    def judged_by_model(self) -> int:
        """Different plans that the model answered, now or in an earlier run on the store."""
        return len(self._asked)

    @property
    def is_out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def fits(self, resources: Resources) -> bool:
        """Whether a design with these resources is within the limits."""
        return not resources.exceeded(self.problem.limits)

    def evaluate(self, plans: Sequence[tuple[Plan, str]]) -> list[Evaluation]:
        """The model's answers for plans, each whole (``""``) or for one nest alone, in order.

        Parameters
        ----------
        plans : sequence of (plan, handle of a nest)
        """
        keys = [content_key(self._identity, plan.text, nest) for plan, nest in plans]
        known = {k: parse_evaluation(r) for k, r in self.store.get(keys).items()}
        missing = {
            key: Request(self._modelled, plan, nest)
            for key, (plan, nest) in zip(keys, plans, strict=True)
            if key not in known
        }
        self.from_store += len(keys) - len(missing)
        for key, answer in self._answers(missing):
            known[key] = answer
            self.evaluated += 1
            self.store.put([(key, answer.record())])
            self.notify()
        self._keep_busy()
        result = [known[key] for key in keys]
        for key, answer in zip(keys, result, strict=True):
            if key not in self._asked:
                self._asked.add(key)
                self._note(answer)
        return result

    def foresee(self, plans: Iterable[tuple[Plan, str]]) -> None:
        """Have helpers begin with plans that are likely to be asked for next.

        What is found is an answer when it is asked for, and nothing before: with or without helpers
        a search knows the same at the same step.

        Parameters
        ----------
        plans : iterable of (plan, handle of a nest)
            Looked at when there is time for more of them.
        """
        if self.executor.helpers:
            self._likely = iter(plans)
            self._keep_busy()

    def _keep_busy(self) -> None:
        """Give helpers something to begin with."""
        left = AHEAD * self.executor.helpers - self._helped(self._foreseen)
        while left > 0:
            found = self._next_likely()
            if found is None:
                return
            key, request = found
            self._foreseen[key] = self.executor.submit(evaluate, request)
            left -= 1

    def _next_likely(self) -> tuple[str, Request] | None:
        """The next plan that is likely to be asked for and that nobody has begun with."""
        for plan, nest in self._likely:
            key = content_key(self._identity, plan.text, nest)
            if not (key in self._asked or key in self._foreseen or self.store.get([key])):
                return key, Request(self._modelled, plan, nest)
        return None

    def _use_time_before(self, awaited: Future[Evaluation]) -> None:
        """While a helper is busy with what was asked for, do what is likely to come next."""
        while not awaited.done():
            found = self._next_likely()
            if found is None:
                return
            key, request = found
            self._foreseen[key] = Future()
            self._foreseen[key].set_result(evaluate(request))

    def forget_foreseen(self) -> None:
        """Give up what helpers were told to begin with and was not asked for."""
        for future in self._foreseen.values():
            future.cancel()
        self._foreseen.clear()
        self._likely = iter(())

    @staticmethod
    def _helped(futures: Mapping[str, Future[Evaluation]]) -> int:
        """Calls that helpers have not done yet."""
        return sum(not future.done() for future in futures.values())

    def _answers(self, requests: Mapping[str, Request]) -> Iterator[tuple[str, Evaluation]]:
        """Answers in any order: this process takes requests from the left, helpers from the right."""
        begun = {key: self._foreseen.pop(key) for key in requests if key in self._foreseen}
        waiting = deque((key, request) for key, request in requests.items() if key not in begun)
        try:
            while waiting or begun:
                running = self._helped(begun) + self._helped(self._foreseen)
                for _ in range(min(self.executor.helpers - running, len(waiting) - 1)):
                    key, request = waiting.pop()
                    begun[key] = self.executor.submit(evaluate, request)
                if waiting:
                    key, request = waiting.popleft()
                    yield key, evaluate(request)
                else:
                    key = next(
                        (k for k, future in begun.items() if future.done()), next(iter(begun))
                    )
                    self._use_time_before(begun[key])
                    yield key, begun.pop(key).result()
        finally:
            for future in begun.values():
                future.cancel()

    def _note(self, answer: Evaluation) -> None:
        if answer.is_refused:
            return
        if answer.nest:
            self.parts.append(answer)
            return
        self.designs.append(answer)
        if not self.fits(answer.resources):
            return
        limits = self.problem.limits
        self.front = pareto_front([*self.front, answer], lambda a: objectives(a, limits))
        if self.best is None or answer.latency_cycles < self.best.latency_cycles:
            self.best = answer
            self.notify()

    def prune(self, count: int) -> None:
        """Designs that a bound ruled out."""
        self.pruned += count

    def notify(self) -> None:
        """Tell whoever watches."""
        if self.report is not None:
            self.report(self.progress())

    def progress(self) -> Progress:
        return Progress(
            seconds=time.monotonic() - (self.run_started or self.started),
            evaluated=self.evaluated,
            from_store=self.from_store,
            pruned=self.pruned,
            best_cycles=self.best.latency_cycles if self.best else float("inf"),
            lower_bound=self.lower_bound,
            front=len(self.front),
            phase=self.phase,
            remaining_s=self._remaining(),
        )

    def _remaining(self) -> float | None:
        """Seconds to the end at the rate so far, at most to the deadline; None while unknown."""
        now = time.monotonic()
        left = None if self.deadline is None else max(0.0, self.deadline - now)
        done = self.judged_by_model + self.pruned
        if self.size and done:
            rest = (now - self.started) * max(self.size - done, 0) / done
            left = rest if left is None else min(left, rest)
        return left


def objectives(answer: Evaluation, limits: Resources) -> tuple[float, float]:
    """What a front is over: latency, and the largest share of a resource that is needed."""
    return answer.latency_cycles, answer.resources.share(limits)


def identity(problem: Problem) -> str:
    """Hash of everything but the plan that an evaluation depends on."""
    device = problem.device
    return content_key(
        __version__,
        MODEL_VERSION,
        repr(problem.kernel),
        repr(device),
        f"{problem.clock_ns!r} {problem.fast_math}",
    )


def batches(items: Iterable[Plan], size: int) -> Iterable[list[Plan]]:
    """`items` in lists of `size`."""
    group: list[Plan] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
