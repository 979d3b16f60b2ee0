"""What the shipped networks predict of designs; the one place where the tool asks them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

from pom.errors import PomError
from pom.qor_model.settings import VITIS_DEFAULTS, ToolSettings

if TYPE_CHECKING:
    from pom.qor_model.gnn.predict import Prediction
    from pom.qor_model.operators import OperatorLibrary
    from pom.qor_model.region import Design

ROUTED_RESOURCES = ("dsp", "lut", "ff", "bram_18k")
"""Resources of a device that are predicted after place and route."""

SHOWN_WARNINGS = 3

LABELS = {
    "latency": "latency", "dsp": "DSP", "lut": "LUT", "ff": "FF", "bram_18k": "BRAM 18k",
    "srl": "SRL", "lutram": "LUTRAM", "power_mw": "dynamic power, mW",
}  # fmt: skip


def predict_designs(
    designs: Sequence[Design],
    library: OperatorLibrary,
    stage: str = "routed",
    tool: ToolSettings = VITIS_DEFAULTS,
) -> tuple[Prediction, ...]:
    """Predict designs in one batch; PyTorch is imported here and nowhere before.

    Parameters
    ----------
    designs : sequence of Design
        With their directives.
    library : OperatorLibrary
        Of their device and clock.
    stage : {"routed", "synthesis"}
    tool : ToolSettings
        What the tool that will read them does by itself.

    Raises
    ------
    PomError
        POM-X180 a package is missing; and what loading the weights raises.
    """
    try:
        from pom.qor_model.gnn.designs import design_samples
        from pom.qor_model.gnn.predict import predict
        from pom.qor_model.gnn.targets import Stage
    except ModuleNotFoundError as error:
        raise PomError(
            "POM-X180",
            f"predictions need the package {error.name}",
            hint="pip install 'pom[gnn]'",
        ) from None
    return predict(design_samples(designs, library, Stage(stage), tool), stage)


def trained_devices(stage: str = "routed") -> tuple[str, ...] | None:
    """Devices that the shipped networks know, read without PyTorch; None where nothing says so."""
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError:
        return None
    path = resources.files("pom.qor_model") / "data" / "weights" / f"{stage}.safetensors"
    try:
        with safe_open(str(path), framework="numpy") as file:
            record = json.loads((file.metadata() or {}).get("pom", "{}"))
    except (OSError, SafetensorError, json.JSONDecodeError):
        return None
    return tuple(record["devices"]) if "devices" in record else None


def warnings_text(prediction: Prediction) -> str:
    """In what a design differs most from the training designs."""
    return _first(prediction.warnings)


def _first(texts: Sequence[str]) -> str:
    shown = "; ".join(texts[:SHOWN_WARNINGS])
    more = len(texts) - SHOWN_WARNINGS
    return f"{shown}; and {more} more" if more > 0 else shown


def prediction_text(prediction: Prediction, estimated: dict[str, float]) -> str:
    """A table of a prediction with its 90 % intervals beside the analytical estimate."""
    rows = [("", "analytical", "predicted", "90 % interval")]
    for item in prediction.estimates:
        known = estimated.get(item.metric)
        rows.append(
            (
                LABELS.get(item.metric, item.metric),
                "" if known is None else f"{known:,.0f}",
                f"{item.value:,.0f}",
                f"{item.low:,.0f} to {item.high:,.0f}",
            )
        )
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(row[n].rjust(widths[n]) for n in range(1, 4))]
        ).rstrip()
        for row in rows
    ]
    lines += [f"out of the trained range: {text}" for text in prediction.warnings]
    if prediction.notes:
        lines.append("less than in any training design: " + _first(prediction.notes))
    return "\n".join(lines)


def prediction_json(prediction: Prediction) -> dict[str, object]:
    """A prediction as values that JSON has."""
    return {
        "estimates": {
            item.metric: {"value": item.value, "low": item.low, "high": item.high}
            for item in prediction.estimates
        },
        "warnings": list(prediction.warnings),
        "notes": list(prediction.notes),
    }
