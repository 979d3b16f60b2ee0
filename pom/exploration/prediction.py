"""What trained models predict of designs; the one place where the tool asks them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    stage: str | None = "routed",
    tool: ToolSettings = VITIS_DEFAULTS,
    weights: Path | None = None,
) -> tuple[Prediction, ...]:
    """Predict designs in one batch; PyTorch is imported here and nowhere before.

    Parameters
    ----------
    designs : sequence of Design
        With their directives.
    library : OperatorLibrary
        Of their device and clock.
    stage : {"routed", "synthesis"}, optional
        None: that of the weights.
    tool : ToolSettings
        What the tool that will read them does by itself.
    weights : Path, optional
        Weights of one's own instead of the shipped ones.

    Raises
    ------
    PomError
        POM-X180 a package is missing; POM-X182 the weights are for something else; and what
        loading them raises.
    """
    try:
        from pom.qor_model.gnn.designs import design_samples
        from pom.qor_model.gnn.origin import Origin
        from pom.qor_model.gnn.predict import predict
        from pom.qor_model.gnn.targets import Stage
        from pom.qor_model.gnn.weights import load
    except ModuleNotFoundError as error:
        raise PomError(
            "POM-X180",
            f"predictions need the package {error.name}",
            hint="pip install 'pom[gnn]'",
        ) from None
    if weights is None:
        known = Stage(stage or "routed")
        return predict(design_samples(designs, library, Origin.of_stage(known), tool), known)
    model = load(weights)
    if model.origin is None:
        raise PomError(
            "POM-X182",
            f"the weights {weights} do not say for which tool the designs were estimated that they "
            "were trained on",
            hint="train or fine-tune them again with `pom qor train`, on designs of one tool version",
        )
    if stage is not None and model.origin.stage is not Stage(stage):
        raise _wrong_stage(weights, model.origin.stage, stage)
    return predict(design_samples(designs, library, model.origin, tool), model)


def trained_devices(stage: str = "routed", weights: Path | None = None) -> tuple[str, ...] | None:
    """Devices that the shipped networks know, or those of `weights`, read without PyTorch.

    None where nothing says so.
    """
    record = _record(weights or _shipped(stage))
    return tuple(record["devices"]) if "devices" in record else None


def stage_of(weights: Path | None) -> str:
    """What weights predict, ``routed`` or ``synthesis``; ``routed`` where nothing says so."""
    found = _record(weights).get("origin") if weights is not None else None
    return str(found["stage"]) if found else "routed"


def require_weights(weights: Path, stage: str = "routed") -> None:
    """Refuse weights that are none, or of another stage, before anything long begins.

    Raises
    ------
    PomError
        POM-X182 if the file has no weights that say what they predict, or others than these.
    """
    if not _record(weights):
        raise PomError(
            "POM-X182", f"{weights} is no file of weights",
            hint="`pom qor train` writes such files",
        )  # fmt: skip
    if stage_of(weights) != stage:
        raise _wrong_stage(weights, stage_of(weights), stage)


def _wrong_stage(weights: Path, found: str, wanted: str) -> PomError:
    return PomError(
        "POM-X182", f"the weights {weights} predict {found} values, not {wanted} ones",
        hint="train them on reports of place and route" if wanted == "routed" else "",
    )  # fmt: skip


def _shipped(stage: str) -> Path:
    folder = Path(str(resources.files("pom.qor_model"))) / "data" / "weights"
    return folder / f"{stage}.safetensors"


def _record(path: Path) -> dict[str, Any]:
    """What a file of weights says of itself; empty where nothing can be read."""
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError:
        return {}
    try:
        with safe_open(str(path), framework="numpy") as file:
            record = json.loads((file.metadata() or {}).get("pom", "{}"))
    except (OSError, SafetensorError, json.JSONDecodeError):
        return {}
    return record if isinstance(record, dict) else {}


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
