"""Trained members of an ensemble on disk, so that an interrupted training goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pom.errors import PomError
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.samples import TERMS, Sample

if TYPE_CHECKING:
    from pom.qor_model.gnn.train import TrainOptions


def checkpoint_key(
    samples: Sequence[Sample], metrics: tuple[str, ...], options: TrainOptions, number: int
) -> str:
    """Return a name that is the same only for the same member of the same training."""
    found = hashlib.sha256(json.dumps([asdict(options), metrics, TERMS, number]).encode())
    for sample in samples:
        found.update(repr((sample.name, sample.terms, sample.labels)).encode())
    return found.hexdigest()[:24]


def restore(folder: Path | None, key: str, network: GNNg) -> GNNg | None:
    """Return the network with the weights kept under `key`; None if there are none."""
    path = None if folder is None else folder / f"{key}.safetensors"
    if path is None or not path.is_file():
        return None
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError):
        # Cut off while it was written: the member is trained again.
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
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(state, folder / f"{key}.safetensors")
    except (OSError, SafetensorError) as error:
        raise PomError("POM-Q043", f"cannot write the weights {folder}: {error}") from error


def forget(folder: Path | None) -> None:
    """Remove what was kept."""
    if folder is None or not folder.is_dir():
        return
    for path in folder.glob("*.safetensors"):
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
