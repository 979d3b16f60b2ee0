"""Networks on disk, trained ones and one in training, so that an interrupted training goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pom.errors import PomError
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.samples import TERMS, Sample

if TYPE_CHECKING:
    from pom.qor_model.gnn.inner_loops import InnerLoop
    from pom.qor_model.gnn.model import TrainOptions

_SUFFIXES = (".safetensors", ".epoch.safetensors")


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where a training is.

    Attributes
    ----------
    epoch : int
        Epochs done.
    best : float
        Smallest validation error.
    waited : int
        Epochs since.
    kept : dict
        The weights that had it.
    """

    epoch: int
    best: float
    waited: int
    kept: dict[str, Tensor]


def checkpoint_key(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    number: int,
    inner: Sequence[InnerLoop] = (),
) -> str:
    """Return a name that is the same only for the same member of the same training."""
    found = hashlib.sha256(json.dumps([asdict(options), metrics, TERMS, number]).encode())
    for sample in samples:
        found.update(repr((sample.name, sample.kernel, sample.terms, sample.labels)).encode())
        for graph in (sample.graph.application, *sample.graph.regions):
            found.update(graph.nodes.tobytes())
    for loop in inner:
        found.update(repr((loop.kernel, loop.values)).encode())
    return found.hexdigest()[:24]


def restore(folder: Path | None, key: str, network: GNNg) -> GNNg | None:
    """Return the network with the weights kept under `key`; None if there are none."""
    path = None if folder is None else folder / f"{key}.safetensors"
    if path is None or not path.is_file():
        return None
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError):
        # damaged: the member is trained again
        return None
    network.eval()
    return network


def keep(folder: Path | None, key: str, network: GNNg) -> None:
    """Write a trained network.

    Raises
    ------
    PomError
        ``POM-Q043`` if it cannot be written.
    """
    if folder is not None:
        _write(folder / f"{key}.safetensors", dict(network.state_dict()), {})
        (folder / f"{key}.epoch.safetensors").unlink(missing_ok=True)


def keep_standing(
    folder: Path | None,
    key: str,
    now: Standing,
    network: GNNg,
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> None:
    """Write everything that the next epoch depends on.

    Raises
    ------
    PomError
        ``POM-Q043`` if it cannot be written.
    """
    if folder is None:
        return
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors.update({f"kept.{name}": value for name, value in now.kept.items()})
    for number, state in optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser.{number}.{name}": value for name, value in state.items()})
    tensors["random"] = torch.get_rng_state()
    if _is_cuda(network):
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    record = {
        "epoch": now.epoch, "best": now.best.hex(), "waited": now.waited,
        "order": rng.bit_generator.state,
    }  # fmt: skip
    _write(folder / f"{key}.epoch.safetensors", tensors, {"pom": json.dumps(record)})


def restore_standing(
    folder: Path | None,
    key: str,
    network: GNNg,
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> Standing | None:
    """Set everything as it was after the last epoch that was kept; None if there is none."""
    path = None if folder is None else folder / f"{key}.epoch.safetensors"
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})["pom"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network.load_state_dict(_under(tensors, "network."))
    except (OSError, SafetensorError, KeyError, RuntimeError, json.JSONDecodeError):
        # damaged: the member is trained from its first epoch
        return None
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimiser.").items():
        number, _, field = name.partition(".")
        state.setdefault(int(number), {})[field] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    rng.bit_generator.state = record["order"]
    torch.set_rng_state(tensors["random"])
    if _is_cuda(network) and "random_cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random_cuda"])
    best = float.fromhex(record["best"])
    return Standing(record["epoch"], best, record["waited"], _under(tensors, "kept."))


def forget(folder: Path | None, keys: Iterable[str]) -> None:
    """Remove what was kept under these keys, and the folder if nothing else is in it."""
    if folder is None or not folder.is_dir():
        return
    for key in keys:
        for suffix in _SUFFIXES:
            (folder / f"{key}{suffix}").unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _is_cuda(network: GNNg) -> bool:
    return bool(next(network.parameters()).is_cuda)


def _write(path: Path, tensors: dict[str, Any], record: dict[str, str]) -> None:
    """Write beside the place and rename: a process that is killed leaves no half of a file."""
    unfinished = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.cpu().contiguous().clone() for k, v in tensors.items()}, unfinished, record)
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        raise PomError("POM-Q043", f"cannot write the weights {path}: {error}") from error
