"""The answer of a search."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pom import files
from pom.dse.binding import binding_text
from pom.dse.charts import duration
from pom.dse.evaluation import Evaluation
from pom.dse.problem import Resources
from pom.dse.run import Outcome, relative_gap
from pom.errors import PomError
from pom.exploration.baseline import Baseline
from pom.exploration.finalist import Finalist, Refusal
from pom.exploration.prediction import LABELS
from pom.exploration.rerank import Reranking
from pom.exploration.synthesis import Synthesis

if TYPE_CHECKING:
    from pom.api import Design
    from pom.dse.report import ReportData
    from pom.qor_model.explain import Explanation
    from pom.qor_model.resources import ResourceReport
    from pom.qor_model.schedule_result import DesignResult
    from pom.schedule import Schedule

SCHEDULE_FILE, REPORT_FILE, RESULT_FILE = "best_schedule.py", "report.html", "result.json"
PROJECT_FOLDER = "project"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the model says of the best design, with the reasons."""

    timing: DesignResult
    resources: ResourceReport
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A design on the front; `is_checked` where it was built and executed too."""

    evaluation: Evaluation
    is_checked: bool


@dataclass(frozen=True)
class SearchResult:
    """The best design that was found and checked, and how good it is.

    Parameters
    ----------
    outcome : Outcome
        Of the search.
    finalist : Finalist
        The best design that passed every check.
    front : tuple of FrontPoint
        Fastest first.
    refused : tuple of Refusal
        Faster designs by the model that did not pass a check.
    baselines : (Baseline, Baseline)
        The kernel without pragmas: nothing pipelined, and as Vitis pipelines it by default.
    estimate : Estimate
    seconds : float
        Search and checks.
    reranking : Reranking, optional
        What the networks predict of the finalists after place and route.
    synthesis : Synthesis, optional
        What Vitis HLS reports of the finalists.
    """

    outcome: Outcome
    finalist: Finalist
    front: tuple[FrontPoint, ...]
    refused: tuple[Refusal, ...]
    baselines: tuple[Baseline, Baseline]
    estimate: Estimate
    seconds: float
    reranking: Reranking | None = None
    synthesis: Synthesis | None = None

    @property
    def kernel(self) -> str:
        return self.outcome.problem.kernel.name

    @property
    def design(self) -> Design:
        """Call it to run it; ``design.cpp`` is the HLS C++."""
        return self.finalist.design

    @property
    def schedule(self) -> Schedule:
        return self.finalist.schedule

    @property
    def cpp(self) -> str:
        return self.design.cpp

    @property
    def latency_cycles(self) -> float:
        return self.finalist.evaluation.latency_cycles

    @property
    def lower_bound(self) -> float:
        """No design of the space that was searched is faster, by the model."""
        return self.outcome.lower_bound

    @property
    def gap(self) -> float:
        """How far the design is from `lower_bound` at the most, as a share of its latency."""
        return relative_gap(self.latency_cycles, self.lower_bound)

    @property
    def bound_text(self) -> str:
        """What `lower_bound` rests on, in words; empty where the strategy does not say."""
        return binding_text(self.outcome.bindings)

    @property
    def speedup(self) -> float:
        """Over the design without pragmas in which nothing is pipelined."""
        return max(self.baselines[0].latency_cycles, 1.0) / max(self.latency_cycles, 1.0)

    @property
    def speedup_over_defaults(self) -> float:
        """Over the design without pragmas as Vitis pipelines it by default."""
        return max(self.baselines[1].latency_cycles, 1.0) / max(self.latency_cycles, 1.0)

    @property
    def usage(self) -> tuple[tuple[str, int, int], ...]:
        """Resource, used, limit."""
        limits = dict(self.outcome.problem.limits.items())
        return tuple((n, used, limits[n]) for n, used in self.finalist.evaluation.resources.items())

    def schedule_source(self) -> str:
        """The schedule as a Python file that ``pom compile --schedule`` reads."""
        problem = self.outcome.problem
        head = (
            f'"""Schedule of {self.kernel} for {problem.device.name} at {problem.clock_ns:g} ns: '
            f'{self.latency_cycles:,.0f} cycles."""\n\n\n'
        )
        return head + self.schedule.as_python()

    @cached_property
    def report_data(self) -> ReportData:
        """What `report_html` shows."""
        from pom.exploration.report_data import report_data

        return report_data(self)

    def report_html(self) -> str:
        """The report: one page, without scripts, that needs no network."""
        from pom.dse.report import render

        return render(self.report_data)

    def write(self, folder: str | Path) -> None:
        """Write schedule, HLS project, report and result into `folder`.

        Raises
        ------
        PomError
            POM-X170 the folder cannot be made, and what writing the files raises.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PomError(
                "POM-X170",
                f"cannot make the folder {str(path)!r}: {error.strerror}",
                hint="choose another place with -o",
            ) from error
        self.design.write_project(path / PROJECT_FOLDER)
        files.write_text(path / SCHEDULE_FILE, self.schedule_source())
        files.write_text(path / REPORT_FILE, self.report_html())
        files.write_text(path / RESULT_FILE, json.dumps(self.to_json(), indent=2) + "\n")

    def to_json(self) -> dict[str, Any]:
        """The result as values that JSON has."""
        problem, outcome = self.outcome.problem, self.outcome
        return {
            "kernel": self.kernel,
            "device": problem.device.name,
            "clock_ns": problem.clock_ns,
            "limits": asdict(problem.limits),
            "objective": problem.objective,
            "strategy": outcome.strategy,
            "latency_cycles": self.latency_cycles,
            "lower_bound": self.lower_bound,
            "gap": self.gap,
            "bound": [binding.to_json() for binding in outcome.bindings],
            "is_complete": outcome.is_complete,
            "resources": asdict(self.finalist.evaluation.resources),
            "baselines": [asdict(b) for b in self.baselines],
            "speedup": self.speedup,
            "speedup_over_defaults": self.speedup_over_defaults,
            "evaluated": outcome.evaluated,
            "from_store": outcome.from_store,
            "pruned": outcome.pruned,
            "seconds": round(self.seconds, 3),
            "plan": json.loads(self.finalist.evaluation.plan.text),
            "schedule": self.schedule.as_python(),
            "front": [_point_json(p, problem.limits) for p in self.front],
            "check": self.finalist.check.to_json(),
            "refused": [
                {"plan": json.loads(r.evaluation.plan.text), "reason": r.reason}
                for r in self.refused
            ],
            "reranking": None if self.reranking is None else self.reranking.to_json(),
            "synthesis": None if self.synthesis is None else self.synthesis.to_json(),
            "estimate": self.estimate.explanation.to_json(),
        }

    def _front_text(self) -> str:
        limits = self.outcome.problem.limits
        checked = sum(p.is_checked for p in self.front)
        text = f"{len(self.front)} designs, {checked} of them executed"
        if len(self.front) < 2:
            return text
        first, last = self.front[0].evaluation, self.front[-1].evaluation
        return (
            f"{text}, from {first.latency_cycles:,.0f} cycles with {first.resources.share(limits):.0%} "
            f"of the scarcest resource to {last.latency_cycles:,.0f} with "
            f"{last.resources.share(limits):.1%}"
        )

    def _routed(self) -> tuple[tuple[str, str], ...]:
        """Label and text of what is predicted after place and route."""
        if self.reranking is None:
            return ()
        verdict = self.reranking.of(self.finalist.evaluation)
        if not self.reranking.is_used or verdict is None:
            return (("GNN", self.reranking.reason),)
        values = ", ".join(
            f"{LABELS[e.metric]} {e.value:,.0f} ({e.low:,.0f} to {e.high:,.0f})"
            for e in verdict.prediction.estimates
        )
        return (("routed", values), ("GNN", self.reranking.reason))

    def _synthesised(self) -> tuple[tuple[str, str], ...]:
        """Label and text of what Vitis HLS reports."""
        if self.synthesis is None:
            return ()
        rows = (("synthesis", self.synthesis.note),)
        found = self.synthesis.of(self.finalist.evaluation)
        if found is None or found.resources is None:
            return rows
        used = ", ".join(f"{n} {u:,}" for n, u in found.resources.items() if u)
        return (*rows, ("", f"{found.latency_cycles:,.0f} cycles, {used}"))

    def summary(self) -> tuple[tuple[str, str], ...]:
        """Label and text of what matters most."""
        problem, outcome = self.outcome.problem, self.outcome
        pipelined = f"{self.speedup_over_defaults:,.1f}× over {self.baselines[1].name}"
        end = "space covered" if outcome.is_complete else "not all of the space was covered"
        used = ", ".join(f"{n} {u:,} of {a:,}" for n, u, a in self.usage if u)
        seconds = self.latency_cycles * problem.clock_ns * 1e-9
        return (
            ("latency", f"{self.latency_cycles:,.0f} cycles, {duration(seconds)}"),
            ("speed-up", f"{self.speedup:,.1f}× over {self.baselines[0].name}"),
            ("", pipelined),
            (
                "gap",
                f"{self.gap:.2%} to the lower bound of {self.lower_bound:,.0f} cycles ({end})",
            ),
            *((("bound by", self.bound_text),) if self.bound_text else ()),
            ("resources", used),
            *self._routed(),
            *self._synthesised(),
            ("front", self._front_text()),
            (
                "search",
                f"{outcome.evaluated:,} evaluated, {outcome.pruned:,} pruned, {self.seconds:.1f} s",
            ),
            ("checked", "translation validation; " + checks_text(self.finalist)),
        )

    def __str__(self) -> str:
        problem = self.outcome.problem
        lines = [f"{self.kernel} on {problem.device.name} at {problem.clock_ns:g} ns"]
        lines += [f"  {label:<10} {text}" for label, text in self.summary()]
        lines += [
            f"  refused    {r.evaluation.latency_cycles:,.0f} cycles: {r.reason}"
            for r in self.refused
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<search result of {self.kernel}: {self.latency_cycles:,.0f} cycles>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(label)}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for label, text in self.summary()
        )
        source = escape(self.schedule.as_python())
        # a frame of its own keeps the report's style sheet away from the notebook
        report = escape(self.report_html())
        return (
            f"<b>{escape(self.kernel)} on {escape(self.outcome.problem.device.name)}</b>"
            f"<table>{rows}</table><details><summary>schedule</summary><pre>{source}</pre></details>"
            "<details><summary>report</summary><iframe style='width:100%;height:640px;border:0' "
            f'srcdoc="{report}"></iframe></details>'
        )


def checks_text(finalist: Finalist) -> str:
    """What was executed, in words."""
    scopes: dict[str, list[str]] = {}
    for r in finalist.check.results:
        scopes.setdefault(r.scope.split(" (")[0], []).append(r.name)
    return "; ".join(
        f"{' and '.join(dict.fromkeys(names))} equal on {scope}" for scope, names in scopes.items()
    )


def _point_json(point: FrontPoint, limits: Resources) -> dict[str, Any]:
    return {
        "latency_cycles": point.evaluation.latency_cycles,
        "share": point.evaluation.resources.share(limits),
        "resources": asdict(point.evaluation.resources),
        "is_checked": point.is_checked,
        "plan": json.loads(point.evaluation.plan.text),
    }
