"""The finalists of a search by what place and route will make of them, as the networks predict it.

The search keeps the synthesis estimate within the limits. Place and route may need more LUTs and
registers than that, so a finalist is wanted that is within the device with the upper end of the
predicted intervals. Where the networks were not trained for the device, the clock or the design, their word
counts for nothing and the order of the search stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pom.dse.evaluation import Evaluation, evaluator_of, without_wishes
from pom.errors import PomError
from pom.exploration.prediction import (
    LABELS,
    ROUTED_RESOURCES,
    predict_designs,
    prediction_json,
    trained_devices,
    warnings_text,
)

if TYPE_CHECKING:
    from pom.dse.problem import Problem
    from pom.qor_model.gnn.predict import Prediction

RerankMode = Literal["auto", "gnn", "none"]
MAX_PREDICTED = 24
"""Finalists that are predicted."""
RIGID = ("dsp", "bram_18k")
"""Resources of which place and route needs no more than synthesis says: so it is in all 7,433 routed
designs of ML4Accel. Their intervals end there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finalist, what is predicted of it, and what of that is beyond the device.

    Parameters
    ----------
    evaluation : Evaluation
    prediction : Prediction
    excess : tuple of (str, float, int)
        Resource, upper end of its interval, what the device has: where that is less.
    """

    evaluation: Evaluation
    prediction: Prediction
    excess: tuple[tuple[str, float, int], ...]

    @property
    def is_trusted(self) -> bool:
        """Whether the design is like those that the networks were trained on."""
        return not self.prediction.warnings

    @property
    def overrun(self) -> float:
        """How far the worst resource is beyond what there is, as a share of it; 0 within."""
        return max(((high - room) / max(room, 1) for _, high, room in self.excess), default=0.0)

    def to_json(self) -> dict[str, Any]:
        return {
            "latency_cycles": self.evaluation.latency_cycles,
            **prediction_json(self.prediction),
            "exceeds": [
                {"resource": n, "high": high, "limit": lim} for n, high, lim in self.excess
            ],
        }


@dataclass(frozen=True, slots=True)
class Reranking:
    """What the networks said of the finalists.

    Parameters
    ----------
    is_used : bool
        Whether the order follows it.
    reason : str
        What was done, or why it was not.
    verdicts : tuple of Verdict
        In the order of the search.
    """

    is_used: bool
    reason: str
    verdicts: tuple[Verdict, ...] = ()

    def of(self, evaluation: Evaluation) -> Verdict | None:
        """The verdict on one finalist."""
        return next((v for v in self.verdicts if v.evaluation == evaluation), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "is_used": self.is_used,
            "reason": self.reason,
            "verdicts": [v.to_json() for v in self.verdicts],
        }


def rerank(
    problem: Problem,
    ranked: Sequence[Evaluation],
    mode: RerankMode,
    weights: Path | None = None,
) -> tuple[tuple[Evaluation, ...], Reranking | None]:
    """The finalists in the order in which they are to be built, and why.

    Parameters
    ----------
    problem : Problem
    ranked : sequence of Evaluation
        Best first.
    mode : {"auto", "gnn", "none"}
        ``auto`` goes without where PyTorch is not installed; ``gnn`` insists on it.
    weights : Path, optional
        Weights of one's own instead of the shipped ones.

    Raises
    ------
    PomError
        POM-X180 with ``gnn``, a package is missing; POM-X181 no such mode.
    """
    order = tuple(ranked)
    if mode not in ("auto", "gnn", "none"):
        raise PomError(
            "POM-X181", f"there is no way {mode!r} to rank finalists", hint="auto, gnn or none"
        )
    if mode == "none" or not order:
        return order, None
    if mode == "auto" and (devices := trained_devices(weights=weights)) is not None:
        name = problem.device.name
        if not any(known.startswith(name) for known in devices):
            reason = f"not used, trained for {', '.join(devices)} and not for {name}"
            return order, Reranking(False, reason)
    try:
        first = _verdicts(problem, order[:1], weights)
        if not first[0].is_trusted:
            why = warnings_text(first[0].prediction)
            return order, Reranking(False, f"not used, out of the trained range: {why}", first)
        verdicts = first + _verdicts(problem, order[1:MAX_PREDICTED], weights)
    except PomError as error:
        if mode == "gnn" or error.code != "POM-X180":
            raise
        return order, Reranking(False, f"not used: {error.summary}")
    within = [v for v in verdicts if v.is_trusted and not v.excess]
    if within:
        passed = verdicts.index(within[0])
        reason = "the design fits after place and route, at the upper end of its 90 % interval"
        if passed:
            reason += f"; {passed} faster ones do not, or are out of the trained range"
        chosen = within
    else:
        chosen = sorted(verdicts, key=lambda v: v.overrun)
        reason = (
            "no finalist fits after place and route at the upper end of its 90 % interval; "
            "the one that exceeds them least was taken: "
        ) + excess_text(chosen[0])
    first_ones = tuple(v.evaluation for v in chosen)
    rest = tuple(e for e in order if e not in first_ones)
    return (*first_ones, *rest), Reranking(True, reason, verdicts)


def excess_text(verdict: Verdict) -> str:
    """What may be beyond the device after place and route, in words."""
    return ", ".join(
        f"up to {high:,.0f} {LABELS[name]} of {room:,}" for name, high, room in verdict.excess
    )


def _verdicts(
    problem: Problem, finalists: Sequence[Evaluation], weights: Path | None
) -> tuple[Verdict, ...]:
    evaluator = evaluator_of(without_wishes(problem))
    designs = [evaluator.timed(evaluation.plan)[0] for evaluation in finalists]
    predictions = predict_designs(designs, evaluator.library, weights=weights)
    found = []
    for evaluation, prediction in zip(finalists, predictions, strict=True):
        excess = []
        measured = {item.metric for item in prediction.estimates}
        for name in ROUTED_RESOURCES:
            # what was never measured in a training of one's own is not judged
            if name not in measured:
                continue
            high = prediction.estimate(name).high
            if name in RIGID:
                high = min(high, getattr(evaluation.resources, name))
            room = int(getattr(problem.device, name))
            if high > room:
                excess.append((name, high, room))
        found.append(Verdict(evaluation, prediction, tuple(excess)))
    return tuple(found)
