"""Trained models as files: safetensors with JSON beside the tensors; nothing is unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pom.errors import PomError
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.nearby import Nearby
from pom.qor_model.gnn.samples import TERMS
from pom.qor_model.gnn.train import Model, TrainOptions
from pom.qor_model.gnn.trees import Forest

FORMAT = 2
_NEARBY = ("places", "offset", "weights", "length")
_FOREST = {
    "feature": torch.int16, "threshold": torch.float64, "left": torch.int32,
    "right": torch.int32, "value": torch.float64, "roots": torch.int32,
}  # fmt: skip
_ARRAYS = (
    "mean", "scale", "low", "high", "centre", "spread", "use_centre", "shrinkage", "tree_share",
    "radius", "ceiling", "nodes",
)  # fmt: skip


def save(model: Model, path: Path, source: str) -> None:
    """Write a model.

    Parameters
    ----------
    model : Model
    path : Path
    source : str
        What it was trained on, for people.

    Raises
    ------
    PomError
        ``POM-Q043`` if the file cannot be written.
    """
    tensors = {name: torch.from_numpy(np.asarray(getattr(model, name))) for name in _ARRAYS}
    for number, network in enumerate(model.networks):
        for name, value in network.state_dict().items():
            tensors[f"network{number}.{name}"] = value.contiguous()
    for number, forest in enumerate(model.forests):
        for name, kind in _FOREST.items():
            value = torch.from_numpy(np.asarray(getattr(forest, name)))
            tensors[f"forest{number}.{name}"] = value.to(kind)
    if model.nearby is not None:
        for name in _NEARBY:
            tensors[f"nearby.{name}"] = torch.from_numpy(getattr(model.nearby, name).copy())
    record = {
        "format": FORMAT, "metrics": model.metrics, "options": asdict(model.options),
        "kernels": model.kernels, "devices": model.devices, "clock_ns": model.clock_ns,
        "terms": TERMS, "networks": len(model.networks), "source": source,
        "is_corrected": model.nearby is not None,
        "forests": [(forest.start, forest.scale) for forest in model.forests],
    }  # fmt: skip
    try:
        save_file(tensors, path, {"pom": json.dumps(record, sort_keys=True)})
    except (OSError, SafetensorError) as error:
        raise PomError("POM-Q043", f"cannot write the weights {path}: {error}") from error


def load(path: Path) -> Model:
    """Read a model.

    Raises
    ------
    PomError
        ``POM-Q044`` if the file is missing or no model of this version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {}).get("pom", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise PomError("POM-Q044", f"{path} is no file of weights: {error}") from error
    if record.get("format") != FORMAT or tuple(record.get("terms", ())) != TERMS:
        raise PomError(
            "POM-Q044", f"the weights {path} were made by another version",
            hint="train them again with `pom qor train`",
        )  # fmt: skip
    options = TrainOptions(**record["options"])
    networks = tuple(_network(n, tensors, options, record) for n in range(record["networks"]))
    arrays = {name: tensors[name].numpy() for name in _ARRAYS}
    forests = tuple(
        Forest(
            **{name: _wide(tensors[f"forest{number}.{name}"]) for name in _FOREST},
            start=float(start), scale=float(scale),
        )
        for number, (start, scale) in enumerate(record["forests"])
    )  # fmt: skip
    nearby = None
    if record["is_corrected"]:
        nearby = Nearby(**{name: _wide(tensors[f"nearby.{name}"]) for name in _NEARBY})
    return Model(
        metrics=tuple(record["metrics"]), options=options, networks=networks,
        kernels=tuple(record["kernels"]), devices=tuple(record["devices"]),
        clock_ns=float(record["clock_ns"]), forests=forests, nearby=nearby, **arrays,
    )  # fmt: skip


def _wide(tensor: torch.Tensor) -> Any:
    return tensor.to(torch.float64 if tensor.is_floating_point() else torch.int64).numpy()


def _network(
    number: int, tensors: dict[str, torch.Tensor], options: TrainOptions, record: dict[str, Any]
) -> GNNg:
    inputs = len(TERMS) if options.is_residual else 0
    network = GNNg(
        options.layer, options.width, len(record["metrics"]), inputs, options.dropout
    )  # fmt: skip
    prefix = f"network{number}."
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    network.load_state_dict(state)
    network.eval()
    return network


def shipped(stage: str) -> Path:
    """Where the package's own weights for a stage are (``synthesis`` or ``routed``).

    Raises
    ------
    PomError
        ``POM-Q044`` if the package has none.
    """
    path = Path(str(resources.files("pom.qor_model"))) / "data" / "weights"
    path = path / f"{stage}.safetensors"
    if not path.is_file():
        raise PomError("POM-Q044", f"the package has no weights for {stage!r}")
    return path
