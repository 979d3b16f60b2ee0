"""The last stage: the best finalists through Vitis HLS, chosen again by what it reports.

Every finalist that is synthesised has been built, validated and executed before. Its project stays
in a folder of its own, so that `pom qor import` reads all of them as labels. What was measured is in
the store, so no design is synthesised twice by one version of the tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pom import files
from pom.codegen.project import ProjectTarget, write_project
from pom.dse.evaluation import Evaluation
from pom.dse.problem import Problem, Resources
from pom.dse.search import identity
from pom.dse.store import Store, content_key
from pom.errors import PomError
from pom.exploration.finalist import MAX_TRIES, Finalist, Refusal, build_finalist
from pom.exploration.vitis import Tool, find_tool, synthesise
from pom.qor_model.gnn.reports import Report, read_design, to_csv

LABELS_FILE = "labels.csv"
NOT_INSTALLED = "not done: neither v++ (2023.1 or later) nor vitis_hls is on the PATH; the numbers are the model's"


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """Whether and how finalists are synthesised.

    Parameters
    ----------
    folder : Path
        Where their projects go.
    finalists : int
        How many.
    tool : str, optional
        A launcher or its folder; without it what the PATH has.
    timeout_s : float
        For one design.
    """

    folder: Path
    finalists: int = 3
    tool: str | None = None
    timeout_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A finalist and what the tool reports of it; `reason` says why there is nothing.

    Parameters
    ----------
    evaluation : Evaluation
    latency_cycles : float, optional
    resources : Resources, optional
    clock_ns : float, optional
        The clock period that the tool expects to reach.
    reason : str
    """

    evaluation: Evaluation
    latency_cycles: float | None = None
    resources: Resources | None = None
    clock_ns: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "estimated_latency_cycles": self.evaluation.latency_cycles,
            "latency_cycles": self.latency_cycles,
            "resources": None if self.resources is None else dict(self.resources.items()),
            "clock_ns": self.clock_ns,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What came of the stage.

    Parameters
    ----------
    tool : str
        Name and version; empty where there is none.
    note : str
        What was done, or why nothing was.
    measured : tuple of Measured
        In the order of the search.
    """

    tool: str
    note: str
    measured: tuple[Measured, ...] = ()

    def of(self, evaluation: Evaluation) -> Measured | None:
        """What was measured of one finalist, if anything was."""
        return next((m for m in self.measured if m.evaluation == evaluation and not m.reason), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "note": self.note,
            "measured": [m.to_json() for m in self.measured],
        }


def synthesise_finalists(
    problem: Problem,
    order: Iterable[Evaluation],
    options: SynthesisOptions,
    store: Store,
    notify: Callable[[str], None] = lambda text: None,
) -> tuple[tuple[Finalist, ...], tuple[Refusal, ...], Synthesis]:
    """Build the first finalists, synthesise them, and rank them by the reports.

    Parameters
    ----------
    problem : Problem
    order : iterable of Evaluation
        Best first.
    options : SynthesisOptions
    store : Store
    notify : callable, optional
        Told what is being done.

    Returns
    -------
    finalists : tuple of Finalist
        Best first by the reports; those without a usable report last, in their order. Empty where
        no tool is installed.
    refused : tuple of Refusal
        Designs that did not pass their checks.
    synthesis : Synthesis

    Raises
    ------
    PomError
        POM-X190 the tool that was named is none; and what writing projects raises.
    """
    tool = find_tool(options.tool)
    if tool is None:
        return (), (), Synthesis("", NOT_INSTALLED)
    finalists: list[Finalist] = []
    refused: list[Refusal] = []
    for evaluation in order:
        if len(finalists) == options.finalists or len(refused) == MAX_TRIES:
            break
        found = build_finalist(problem, evaluation)
        if isinstance(found, Finalist):
            finalists.append(found)
        else:
            refused.append(found)
    measured: list[Measured] = []
    for number, finalist in enumerate(finalists, 1):
        notify(f"{tool.name}: finalist {number} of {len(finalists)}")
        key = content_key(identity(problem), finalist.evaluation.plan.text, tool.name)
        kept = store.get_measured(key)
        if kept is not None:
            measured.append(_known(finalist.evaluation, kept))
            continue
        place = options.folder / f"design_{key[:12]}"
        target = ProjectTarget(problem.device.part, problem.clock_ns)
        write_project(place, finalist.design.module, target)
        answer = synthesise(tool, place, problem.kernel.name, options.timeout_s)
        if isinstance(answer, Report):
            store.put_measured(key, dict(answer.values))
            measured.append(_known(finalist.evaluation, dict(answer.values)))
        else:
            measured.append(Measured(finalist.evaluation, reason=answer.reason))
    _write_labels(options.folder)
    ranked = sorted(zip(measured, finalists, strict=True), key=lambda pair: _rank(problem, pair[0]))
    note = _note(tool, problem, tuple(measured), ranked[0][0] if ranked else None)
    chosen = tuple(finalist for _, finalist in ranked)
    return chosen, tuple(refused), Synthesis(tool.name, note, tuple(measured))


def _write_labels(folder: Path) -> None:
    """Write every report of the folder, of earlier runs too, as labels."""
    found = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        with suppress(PomError):
            report = read_design(place) if place.is_dir() else None
            found += [report] if report else []
    if found:
        files.write_text(folder / LABELS_FILE, to_csv(tuple(found)))


def _known(evaluation: Evaluation, values: dict[str, Any]) -> Measured:
    resources = Resources(
        **{n: int(values.get(n, 0)) for n in ("dsp", "lut", "ff", "bram_18k", "uram")}
    )
    clock = values.get("est_clock_ns")
    return Measured(evaluation, float(values["latency"]), resources, clock)


def _rank(problem: Problem, measured: Measured) -> tuple[bool, bool, float]:
    """Designs within the limits first, then by the time that they take."""
    if measured.latency_cycles is None or measured.resources is None:
        return True, True, 0.0
    period = max(problem.clock_ns, measured.clock_ns or 0.0)
    beyond = bool(measured.resources.exceeded(problem.limits))
    return False, beyond, measured.latency_cycles * period


def _note(
    tool: Tool, problem: Problem, measured: tuple[Measured, ...], best: Measured | None
) -> str:
    done = sum(not m.reason for m in measured)
    parts = [f"{done} of {len(measured)} finalists synthesised by {tool.name}"]
    parts += list(dict.fromkeys(m.reason for m in measured if m.reason))
    if best is not None and best.resources is not None:
        beyond = best.resources.exceeded(problem.limits)
        if beyond:
            parts.append(f"the best of them exceeds the limits of {', '.join(beyond)}")
        if best.clock_ns is not None and best.clock_ns > problem.clock_ns:
            parts.append(f"it reaches {best.clock_ns:g} ns, not the {problem.clock_ns:g} ns asked")
    return "; ".join(parts)
