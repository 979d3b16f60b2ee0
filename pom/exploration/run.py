"""`pom.auto_dse`: search, build, check, compare, explain."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pom import devices
from pom.devices import Device
from pom.dse.evaluation import Evaluation
from pom.dse.executor import open_executor
from pom.dse.problem import Objective, Problem, limits_of
from pom.dse.run import Outcome, Run, explore
from pom.dse.search import Progress
from pom.dse.store import Store
from pom.errors import PomError
from pom.exploration.baseline import baselines
from pom.exploration.finalist import Finalist, Refusal, build_finalist, first_finalist
from pom.exploration.prediction import require_weights
from pom.exploration.rerank import RerankMode
from pom.exploration.rerank import rerank as rerank_finalists
from pom.exploration.result import Estimate, FrontPoint, SearchResult
from pom.exploration.synthesis import SynthesisOptions, synthesise_finalists

if TYPE_CHECKING:
    from pom.dsl.kernel import KernelFunction
    from pom.ir.graph import Kernel

MAX_CHECKED_FRONT = 12
"""Designs of a front that are built and executed."""
FRONT_CASES = 1
"""Inputs that they are run on; the design that is handed out is run on more."""
SEARCH_SHARES: Mapping[Objective, float] = {"latency": 0.75, "pareto": 0.5}
"""Of the time budget that the search has: the answer, or a whole front, is built in the rest."""


def make_problem(
    kernel: KernelFunction | Kernel,
    target: str | Device,
    *,
    clock_ns: float | None = None,
    limits: Sequence[str] | Mapping[str, str | int] = (),
    latency_cap: int | None = None,
    objective: Objective = "latency",
    fast_math: bool = False,
) -> Problem:
    """The search problem that the arguments of `auto_dse` describe.

    Parameters
    ----------
    kernel : KernelFunction or Kernel
    target : str or Device
        A name that ``pom devices`` lists.
    clock_ns : float, optional
        Clock period; the device's default without it.
    limits : sequence of str, or mapping
        Of the device's resources: ``["dsp=80%", "lut=40000"]`` or ``{"dsp": 64}``.
    latency_cap : int, optional
        In cycles; slower designs are of no interest.
    objective : {"latency", "pareto"}
        ``pareto`` searches under a series of resource limits and checks every design on the front.
    fast_math : bool
        Floating-point reductions may be reassociated.

    Raises
    ------
    PomError
        POM-X112, POM-X113 the cap or the objective makes no sense; POM-X110, POM-X111 limits.
    """
    from pom.ir.graph import Kernel as Graph

    device = target if isinstance(target, Device) else devices.load(target)
    if isinstance(limits, Mapping):
        limits = [f"{name}={amount}" for name, amount in limits.items()]
    if latency_cap is not None and latency_cap < 1:
        raise PomError(
            "POM-X112",
            f"the latency cap {latency_cap} is not positive",
            hint="give it in cycles, or leave it out",
        )
    if objective not in ("latency", "pareto"):
        raise PomError(
            "POM-X113", f"there is no objective {objective!r}", hint="one of latency, pareto"
        )
    return Problem(
        kernel if isinstance(kernel, Graph) else kernel.graph,
        device,
        device.clock_ns if clock_ns is None else clock_ns,
        limits_of(device, tuple(limits)),
        latency_cap,
        objective,
        fast_math,
    )


def auto_dse(
    kernel: KernelFunction | Kernel,
    target: str | Device = "xczu9eg",
    *,
    clock_ns: float | None = None,
    strategy: str = "exact",
    limits: Sequence[str] | Mapping[str, str | int] = (),
    latency_cap: int | None = None,
    objective: Objective = "latency",
    fast_math: bool = False,
    time_budget_s: float | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    store: str | Path | None = None,
    resume: bool = False,
    rerank: RerankMode = "auto",
    weights: str | Path | None = None,
    synthesis: SynthesisOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """The best accelerator for a kernel: searched with the model, built, and executed.

    Parameters
    ----------
    kernel, target, clock_ns, limits, latency_cap, objective, fast_math
        The question, as in `make_problem`.
    strategy : {"exact", "exhaustive", "pom", "nsga2", "random"}
    time_budget_s : float, optional
        See `search_budget`. Designs of a front that are not executed by then are marked.
    jobs, cluster : int and str
        Local processes; or a Dask scheduler, ``tcp://host:port``.
    store, resume : path and bool
        SQLite file that keeps every answer of the model, in memory without it; continue its run.
    rerank : {"auto", "gnn", "none"}
        Whether networks that predict place and route have a word on the finalists.
    weights : path, optional
        Weights of one's own for that (`pom qor train`), instead of the shipped ones.
    synthesis : SynthesisOptions, optional
        The best finalists are synthesised with Vitis HLS, where it is installed.
    progress : callable, optional
        Called after every evaluation, and when a later stage begins.

    Raises
    ------
    PomError
        POM-X151 `resume` without a store; what `make_problem`, `explore` and `first_finalist` raise.
    """
    started = time.monotonic()
    problem = make_problem(
        kernel, target, clock_ns=clock_ns, limits=limits, latency_cap=latency_cap,
        objective=objective, fast_math=fast_math,
    )  # fmt: skip
    if resume:
        _require_store(store)
    own = None if weights is None else Path(weights)
    if own is not None and rerank != "none":
        require_weights(own)
    budget = search_budget(time_budget_s, objective)
    deadline = None if time_budget_s is None else started + time_budget_s
    stages = _Stages(progress, started)
    with Store(None if store is None else Path(store)) as kept:
        with open_executor(jobs, cluster) as pool:
            batch = max(4, pool.helpers + 1)
            run = Run(strategy, kept, pool, batch, budget, resume, stages.search)
            outcome = explore(problem, run)
        return finish(outcome, started, rerank, synthesis, kept, deadline, stages.enter, own)


def search_budget(time_budget_s: float | None, objective: Objective) -> float | None:
    """Seconds of a time budget that the search has; the rest is for building and executing.

    The search ends after the evaluation that it is in. Past the budget, the answer is run on one
    input only, and no further design of a front.

    Raises
    ------
    PomError
        POM-X114 the budget is negative or no number.
    """
    if time_budget_s is None:
        return None
    if not time_budget_s >= 0.0:
        raise PomError(
            "POM-X114",
            f"a time budget of {time_budget_s} seconds makes no sense",
            hint="give a number of seconds, or leave it out",
        )
    return SEARCH_SHARES[objective] * time_budget_s


def _require_store(store: str | Path | None) -> None:
    if store is None or not Path(store).is_file():
        raise PomError(
            "POM-X151",
            "there is no store to resume from" + (f" at {str(store)!r}" if store else ""),
            hint="name the store of the interrupted run, or start without --resume",
        )


class _Stages:
    """Reports the progress of a search, and afterwards its last state with what is being done."""

    def __init__(self, report: Callable[[Progress], None] | None, started: float) -> None:
        self._report = report
        self._started = started
        self._last: Progress | None = None

    def search(self, progress: Progress) -> None:
        self._last = progress
        if self._report is not None:
            self._report(progress)

    def enter(self, stage: str) -> None:
        if self._last is not None and self._report is not None:
            seconds = time.monotonic() - self._started
            self._report(replace(self._last, phase=stage, seconds=seconds, remaining_s=None))


def finish(
    outcome: Outcome,
    started: float,
    mode: RerankMode = "none",
    synthesis: SynthesisOptions | None = None,
    store: Store | None = None,
    deadline: float | None = None,
    enter: Callable[[str], None] = lambda stage: None,
    weights: Path | None = None,
) -> SearchResult:
    """Build and check what a search ranked best.

    Parameters
    ----------
    outcome : Outcome
    started : float
        A ``time.monotonic()``.
    mode : {"auto", "gnn", "none"}
        See `auto_dse`.
    synthesis : SynthesisOptions, optional
    store : Store, optional
        Where what is measured is kept; needed for `synthesis`.
    deadline : float, optional
        A ``time.monotonic()`` after which the answer is run on one input only, and no more designs
        of the front are executed.
    enter : callable, optional
        Told what begins.
    weights : Path, optional
        See `auto_dse`.
    """
    problem = outcome.problem
    enter("predicting")
    order, reranking = rerank_finalists(problem, outcome.ranked, mode, weights)
    chosen: tuple[Finalist, ...] = ()
    refused: tuple[Refusal, ...] = ()
    measured = None
    if synthesis is not None and store is not None:
        chosen, refused, measured = synthesise_finalists(problem, order, synthesis, store, enter)
    if chosen:
        finalist = chosen[0]
    else:
        enter("building and executing the design")
        finalist, refused = first_finalist(problem, order, deadline)
    if problem.objective == "pareto":
        enter("building and executing the front")
    return SearchResult(
        outcome,
        finalist,
        _front(outcome, finalist, tuple(r.evaluation for r in refused), deadline),
        refused,
        baselines(problem.kernel, problem.device, problem.clock_ns),
        _estimate(problem, finalist),
        time.monotonic() - started,
        reranking,
        measured,
    )


def _front(
    outcome: Outcome,
    finalist: Finalist,
    refused: tuple[Evaluation, ...],
    deadline: float | None,
) -> tuple[FrontPoint, ...]:
    """The front without refused designs; for the objective ``pareto`` they are built and executed.

    Of a long front some are, evenly spread, and as many as there is time for; the others are marked.
    """
    known = [e for e in outcome.front if e not in refused]
    if outcome.problem.objective == "latency":
        return tuple(FrontPoint(e, e == finalist.evaluation) for e in known)
    last = len(known) - 1
    chosen = set(range(len(known)))
    if len(known) > MAX_CHECKED_FRONT:
        chosen = {round(n * last / (MAX_CHECKED_FRONT - 1)) for n in range(MAX_CHECKED_FRONT)}
    points = []
    for place, e in enumerate(known):
        is_late = deadline is not None and time.monotonic() > deadline
        if e == finalist.evaluation:
            points.append(FrontPoint(e, True))
        elif place not in chosen or is_late:
            points.append(FrontPoint(e, False))
        elif isinstance(build_finalist(outcome.problem, e, FRONT_CASES), Finalist):
            points.append(FrontPoint(e, True))
    return tuple(points)


def _estimate(problem: Problem, finalist: Finalist) -> Estimate:
    from pom.qor_model.explain import explain
    from pom.qor_model.from_affine import design_from_affine
    from pom.qor_model.latency import estimate_latency
    from pom.qor_model.operators import OperatorLibrary
    from pom.qor_model.resources import ResourceModel

    library = OperatorLibrary.for_device(problem.device, problem.clock_ns)
    design = design_from_affine(finalist.design.module)
    timing = estimate_latency(design, library)
    resources = ResourceModel(library).estimate(design, timing)
    limits = problem.limits.items()
    found = explain(design, timing, problem.device.name, resources, limits)
    return Estimate(timing, resources, found)
