"""Trained models as files: safetensors with JSON beside the tensors; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pom.errors import PomError
from pom.qor_model.gnn.fit import new_network
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.grove import Grove
from pom.qor_model.gnn.model import Model, TrainOptions
from pom.qor_model.gnn.nearby import Nearby
from pom.qor_model.gnn.nests import NEST
from pom.qor_model.gnn.origin import Origin
from pom.qor_model.gnn.samples import TERMS
from pom.qor_model.gnn.sums import SumForest
from pom.qor_model.gnn.trees import Forest

FORMAT = 7
_NEARBY = ("places", "scale", "offset", "weights", "length")
_FOREST = {
    "feature": torch.int16, "threshold": torch.float64, "left": torch.int32,
    "right": torch.int32, "value": torch.float64, "roots": torch.int32,
}  # fmt: skip
_ARRAYS = (
    "mean", "scale", "low", "high", "centre", "spread", "use_centre", "shrinkage", "tree_share",
    "radius", "difficulty", "ceiling", "nodes",
)  # fmt: skip
_PER_METRIC = (
    "centre", "spread", "use_centre", "shrinkage", "tree_share", "radius", "difficulty", "ceiling",
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
    forests, records = _flat(model.grove)
    for number, forest in enumerate(forests):
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
        "forests": [(forest.start, forest.scale) for forest in forests], "grove": records,
        "nests": NEST, "origin": None if model.origin is None else model.origin.to_json(),
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
        ``POM-Q044`` if the file is missing, damaged, of another program or of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {}).get("pom", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise PomError(
            "POM-Q044", f"{path} is no file of weights: {error}",
            hint="weights are safetensors, as `pom qor train` writes them; nothing is unpickled",
        ) from error  # fmt: skip
    if not isinstance(record, dict) or "format" not in record:
        raise PomError(
            "POM-Q044", f"{path} has tensors, but not of a model of POM",
            hint="`pom qor train` writes such files",
        )  # fmt: skip
    if record["format"] != FORMAT:
        is_newer = isinstance(record["format"], int) and record["format"] > FORMAT
        raise PomError(
            "POM-Q044",
            f"{path} has weights of format {record['format']}; this version reads {FORMAT}",
            hint="update POM" if is_newer else "train them again with `pom qor train`",
        )
    if tuple(record.get("terms", ())) != TERMS or tuple(record.get("nests", ())) != NEST:
        raise PomError(
            "POM-Q044", f"the weights {path} read other features of a design than this version",
            hint="train them again with `pom qor train`",
        )  # fmt: skip
    try:
        return _model(record, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        # a tensor or an entry is missing, or has another shape than the network
        reason = str(error).splitlines()[0]
        raise PomError("POM-Q044", f"the weights {path} are damaged: {reason}") from error


def _model(record: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Model:
    options = TrainOptions(**record["options"])
    networks = tuple(_network(n, tensors, options, record) for n in range(record["networks"]))
    arrays = {name: tensors[name].numpy() for name in _ARRAYS}
    metrics = tuple(record["metrics"])
    for name in _PER_METRIC:
        if len(arrays[name]) != len(metrics):
            raise ValueError(f"{name} is not of {len(metrics)} metrics")
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
        metrics=metrics, options=options, networks=networks,
        kernels=tuple(record["kernels"]), devices=tuple(record["devices"]),
        clock_ns=float(record["clock_ns"]), origin=_origin(record), grove=_grove(record, forests), nearby=nearby, **arrays,
    )  # fmt: skip


def _origin(record: dict[str, Any]) -> Origin | None:
    found = record.get("origin")
    return None if found is None else Origin.from_json(found)


def _flat(grove: Grove | None) -> tuple[list[Forest], list[list[list[float]]]]:
    """All forests in a row, and the ratios of each metric's parts (none where it is no sum)."""
    forests: list[Forest] = []
    records: list[list[list[float]]] = []
    for item in grove.forests if grove is not None else ():
        if isinstance(item, SumForest):
            forests += item.forests
            records.append([ratio.tolist() for ratio in item.ratios])
        else:
            forests.append(item)
            records.append([])
    return forests, records


def _grove(record: dict[str, Any], forests: Sequence[Forest]) -> Grove | None:
    if not record["grove"]:
        return None
    rest = iter(forests)
    found: list[Forest | SumForest] = []
    for metric, ratios in zip(record["metrics"], record["grove"], strict=True):
        if ratios:
            parts = tuple(next(rest) for _ in ratios)
            found.append(SumForest(metric, tuple(np.array(r) for r in ratios), parts))
        else:
            found.append(next(rest))
    return Grove(tuple(record["metrics"]), tuple(found))


def _wide(tensor: torch.Tensor) -> Any:
    return tensor.to(torch.float64 if tensor.is_floating_point() else torch.int64).numpy()


def _network(
    number: int, tensors: dict[str, torch.Tensor], options: TrainOptions, record: dict[str, Any]
) -> GNNg:
    network = new_network(options, len(record["metrics"]))
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
