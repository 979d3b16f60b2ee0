"""One network of an ensemble: epochs, early stopping, and where it is after each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pom.qor_model.gnn.checkpoints import Standing, keep, keep_standing, restore, restore_standing
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.inner_loops import InnerLoop, pretrain
from pom.qor_model.gnn.learning_set import CPU, Group, LearningSet
from pom.qor_model.gnn.model import TrainOptions
from pom.qor_model.gnn.samples import TERMS

Ticker = Callable[[int, int], None]


def fit(
    table: LearningSet,
    is_held: NDArray[np.bool_],
    checkpoints: Path | None,
    key: str,
    device: torch.device = CPU,
    tick: Ticker | None = None,
    inner: Sequence[InnerLoop] = (),
) -> tuple[GNNg, float]:
    """Train one network, and return it with its loss on the designs that it does not see.

    Parameters
    ----------
    table : LearningSet
    is_held : ndarray of bool, shape (samples,)
        Designs that only say when to stop.
    checkpoints : Path or None
        Folder where a network that was trained, or is in training, is looked for under `key`.
    key : str
    device : torch.device
    tick : callable, optional
        Called with the epochs done and their most.
    inner : sequence of InnerLoop
        What GNNp and GNNnp are trained on before, if anything.
    """
    options = table.options
    network = new_network(options, table.target.shape[1])
    held = table.groups(np.flatnonzero(is_held), device)
    done = restore(checkpoints, key, network)
    if done is not None:
        error = _validation(done.to(device), held)
        return done.to(CPU), error
    if inner:
        pretrain(network, inner, options)
    rng = np.random.default_rng(options.seed)
    groups = table.groups(rng.permutation(np.flatnonzero(~is_held)), device)
    network.to(device)
    free = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(free, lr=options.learning_rate, weight_decay=options.weight_decay)
    now = restore_standing(checkpoints, key, network, optimiser, rng)
    if now is None:
        now = Standing(0, float("inf"), 0, _copy(network))
    while now.epoch < options.epochs and now.waited <= options.patience:
        network.train()
        for number in rng.permutation(len(groups)):
            batch, given, target = groups[int(number)]
            optimiser.zero_grad()
            _loss(network(batch, given), target).backward()
            torch.nn.utils.clip_grad_norm_(free, 1.0)
            optimiser.step()
        error = _validation(network, held)
        if error < now.best:
            now = Standing(now.epoch + 1, error, 0, _copy(network))
        else:
            now = Standing(now.epoch + 1, now.best, now.waited + 1, now.kept)
        keep_standing(checkpoints, key, now, network, optimiser, rng)
        if tick is not None:
            tick(now.epoch, options.epochs)
    network.load_state_dict(now.kept)
    network.to(CPU).eval()
    keep(checkpoints, key, network)
    return network, now.best


def new_network(options: TrainOptions, metrics: int) -> GNNg:
    """A network with random weights, on the processor."""
    inputs = len(TERMS) if options.is_residual else 0
    with CPU:
        return GNNg(options.layer, options.width, metrics, inputs, options.dropout)


def _copy(network: GNNg) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _loss(predicted: Tensor, target: Tensor) -> Tensor:
    known = ~torch.isnan(target)
    if not known.any():
        return predicted.sum() * 0.0
    return torch.nn.functional.smooth_l1_loss(predicted[known], target[known], beta=0.1)


def _validation(network: GNNg, held: list[Group]) -> float:
    network.eval()
    with torch.no_grad():
        return float(np.mean([float(_loss(network(b, g), t)) for b, g, t in held]))
