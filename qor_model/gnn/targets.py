"""What is predicted, and where label files have it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pom.errors import PomError
from pom.qor_model.labels import Label, LabelFile, LabelKind, read_labels


class Stage(StrEnum):
    """Where in the flow the labels were measured."""

    SYNTHESIS = "synthesis"
    ROUTED = "routed"


SYNTHESIS_METRICS = ("latency", "lut", "ff", "dsp")
ROUTED_METRICS = ("lut", "ff", "dsp", "bram_18k", "srl", "lutram", "power_mw")
METRICS = {Stage.SYNTHESIS: SYNTHESIS_METRICS, Stage.ROUTED: ROUTED_METRICS}
_ROUTED_COLUMNS = {
    "lut": "impl_lut", "ff": "impl_ff", "dsp": "impl_dsp", "srl": "impl_srl",
    "lutram": "impl_lutram", "power_mw": "impl_dyn_mW",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """A label with the values of one stage, in the order of the stage's metrics.

    A value that was not measured is NaN.
    """

    label: Label
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """Measured designs of one file and stage."""

    kind: LabelKind
    stage: Stage
    rows: tuple[Measured, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the values."""
        return METRICS[self.stage]


def read_measured(path: Path) -> MeasuredFile:
    """Read a label file with everything that the networks can learn from it.

    Raises
    ------
    PomError
        ``POM-Q020`` and ``POM-Q021`` as `read_labels`; ``POM-Q040`` for labels of loops alone.
    """
    file = read_labels(path)
    if file.kind is LabelKind.HGNN_INNER:
        raise PomError(
            "POM-Q040", f"{path.name} has inner loops, not designs; give it with --inner"
        )
    if file.kind is not LabelKind.ML4ACCEL:
        return MeasuredFile(file.kind, Stage.SYNTHESIS, _synthesis(file))
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    measured = []
    for label, row in zip(file.labels, rows, strict=True):
        found = {name: float(row[column]) for name, column in _ROUTED_COLUMNS.items()}
        found["bram_18k"] = 2 * float(row["impl_ramb36"]) + float(row["impl_ramb18"])
        measured.append(Measured(label, tuple(found[m] for m in ROUTED_METRICS)))
    return MeasuredFile(file.kind, Stage.ROUTED, tuple(measured))


def _synthesis(file: LabelFile) -> tuple[Measured, ...]:
    nan = float("nan")
    return tuple(
        Measured(label, tuple(dict(label.values).get(m, nan) for m in SYNTHESIS_METRICS))
        for label in file.labels
    )
