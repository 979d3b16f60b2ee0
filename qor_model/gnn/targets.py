"""What is predicted, and where label files have it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pom.errors import PomError
from pom.qor_model.labels import Label, LabelKind, read_labels


class Stage(StrEnum):
    """Where in the flow the labels were measured."""

    SYNTHESIS = "synthesis"
    ROUTED = "routed"


SYNTHESIS_METRICS = ("latency", "lut", "ff", "dsp", "est_clock_ns")
ROUTED_METRICS = ("lut", "ff", "dsp", "bram_18k", "srl", "lutram", "power_mw", "clock_ns")
METRICS = {Stage.SYNTHESIS: SYNTHESIS_METRICS, Stage.ROUTED: ROUTED_METRICS}


@dataclass(frozen=True, slots=True)
class Measured:
    """A label with the values of one stage, in the order of the file's metrics.

    A value that was not measured is NaN.
    """

    label: Label
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """Measured designs of one file and stage.

    Attributes
    ----------
    kind : LabelKind
    stage : Stage
        Place and route where any design has values from there, otherwise synthesis.
    rows : tuple of Measured
    metrics : tuple of str
        Names of the values: those of the stage that any design has.
    unread : tuple of (str, str)
        Lines that could not be read, with the reason.
    """

    kind: LabelKind
    stage: Stage
    rows: tuple[Measured, ...]
    metrics: tuple[str, ...]
    unread: tuple[tuple[str, str], ...] = ()


def read_measured(path: Path) -> MeasuredFile:
    """Read a label file with everything that the networks can learn from it.

    Raises
    ------
    PomError
        ``POM-Q020``, ``POM-Q021`` and ``POM-Q028`` as `read_labels`; ``POM-Q040`` for labels of
        loops alone, or without a measured value.
    """
    file = read_labels(path)
    if file.kind is LabelKind.HGNN_INNER:
        raise PomError(
            "POM-Q040", f"{path.name} has inner loops, not designs; give it with --inner"
        )
    stage = Stage.ROUTED if any(label.routed for label in file.labels) else Stage.SYNTHESIS
    found = [dict(label.routed if stage is Stage.ROUTED else label.values) for label in file.labels]
    metrics = tuple(m for m in METRICS[stage] if any(m in values for values in found))
    if not metrics:
        raise PomError(
            "POM-Q040", f"{path.name} has no design with a measured value",
            notes=tuple(f"{line}: {reason}" for line, reason in file.unread[:5]),
        )  # fmt: skip
    nan = float("nan")
    rows = tuple(
        Measured(label, tuple(values.get(m, nan) for m in metrics))
        for label, values in zip(file.labels, found, strict=True)
    )
    return MeasuredFile(file.kind, stage, rows, metrics, file.unread)
