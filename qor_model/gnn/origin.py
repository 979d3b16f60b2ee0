"""For which tool the features of a model's training designs were made.

A correction learned on estimates for one tool says nothing of estimates for another, so a model
keeps how the tool of its training designs was set, and designs are estimated that way for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pom.qor_model.evaluate import label_settings, settings_of
from pom.qor_model.gnn.targets import MeasuredFile, Stage
from pom.qor_model.labels import LabelKind
from pom.qor_model.settings import ToolSettings


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model's training designs come from.

    Parameters
    ----------
    stage : Stage
        What was measured.
    kind : LabelKind
        The collection, which says what stands for a device's operators.
    settings : ToolSettings
        How the tool was set.
    """

    stage: Stage
    kind: LabelKind
    settings: ToolSettings

    @classmethod
    def of_stage(cls, stage: Stage) -> Origin:
        """That of the shipped model of a stage."""
        kind = LabelKind.ML4ACCEL if stage is Stage.ROUTED else LabelKind.HGNN_DESIGNS
        return cls(stage, kind, settings_of(kind))

    @classmethod
    def of_file(cls, file: MeasuredFile) -> Origin | None:
        """That of a label file; None where its designs are of differently set tools."""
        settings = {label_settings(file.kind, row.label) for row in file.rows}
        return cls(file.stage, file.kind, settings.pop()) if len(settings) == 1 else None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "stage": str(self.stage), "kind": str(self.kind), "settings": asdict(self.settings),
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Origin:
        """What `to_json` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        settings = ToolSettings(**record["settings"])
        return cls(Stage(record["stage"]), LabelKind(record["kind"]), settings)
