"""Training: members of an ensemble, each stopped by a kernel that it does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from pom.errors import PomError
from pom.qor_model.gnn.calibrate import Held, calibrate
from pom.qor_model.gnn.checkpoints import checkpoint_key, forget
from pom.qor_model.gnn.encode import NODE_WIDTH
from pom.qor_model.gnn.fit import Ticker, fit
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.grove import Grove, grow_grove
from pom.qor_model.gnn.inner_loops import InnerLoop
from pom.qor_model.gnn.learning_set import LearningSet
from pom.qor_model.gnn.model import Model, TrainOptions
from pom.qor_model.gnn.samples import TOTALS, Sample
from pom.qor_model.gnn.tables import Array, base, measured

Progress = Callable[[str], None]


def choose_device(name: str = "auto") -> torch.device:
    """The device to train on: a GPU where there is one, unless another is asked for.

    Raises
    ------
    PomError
        ``POM-Q050`` if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PomError(
            "POM-Q050", f"there is no device {name!r} to train on: {reason}", hint="auto or cpu"
        ) from error
    return device


def train(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
    *,
    device: str = "auto",
    tick: Ticker | None = None,
    inner: Sequence[InnerLoop] = (),
) -> Model:
    """Train a model on all samples.

    Parameters
    ----------
    samples : sequence of Sample
        With labels, of at least two kernels.
    metrics : tuple of str
        Names of the labels.
    options : TrainOptions
    progress : callable, optional
        Gets one line a member.
    checkpoints : Path, optional
        Folder where networks wait until all are trained, the one in training as it is after
        every epoch; a training that was interrupted takes them up again, with the same result,
        and they are removed at the end.
    device : str
        ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``. On the CPU the same seed gives
        the same bits.
    tick : callable, optional
        Called after every epoch with the number of epochs that are behind, and the most there
        can be.
    inner : sequence of InnerLoop
        Measured inner loops: GNNp and GNNnp are trained on those of the kernels at hand first,
        and stay as they are then (H-GNN, section III).

    Raises
    ------
    PomError
        ``POM-Q042`` if there are fewer than two kernels; ``POM-Q050`` without the device.
    """
    torch.set_num_threads(1)
    kernels = sorted({s.kernel for s in samples})
    if len(kernels) < 2:
        raise PomError(
            "POM-Q042", f"training needs designs of two kernels or more, got {len(kernels)}",
            hint="a kernel that is not trained on stops the training",
        )  # fmt: skip
    place = choose_device(device)
    rng = np.random.default_rng(options.seed)
    held = [kernels[int(n)] for n in rng.permutation(len(kernels))][: options.members]
    table = LearningSet.of(samples, metrics, options)
    loops = tuple(loop for loop in inner if loop.kernel in kernels)
    networks: list[GNNg] = []
    scores: list[Held] = []
    keys: list[str] = []
    for number in range(options.members):
        kernel = held[number % len(held)]
        is_held = np.array([s.kernel == kernel for s in samples])
        torch.manual_seed(options.seed * 1000 + number)
        keys.append(checkpoint_key(samples, metrics, options, number, loops))
        beat = _beat(tick, number, options) if tick is not None else None
        network, error = fit(table, is_held, checkpoints, keys[-1], place, beat, loops)
        networks.append(network)
        rows = np.flatnonzero(is_held)
        scores.append(Held(rows, table.forward(network, rows)))
        if progress is not None:
            progress(f"member {number + 1}/{options.members}: {kernel} left out, loss {error:.4f}")
    grove, held_out = _trees(table, metrics)
    found = calibrate(table, metrics, scores, held_out)
    forget(checkpoints, keys)
    return Model(
        metrics, options, tuple(networks), table.mean, table.scale, table.raw.min(0),
        table.raw.max(0), table.centre, table.spread, found.use_centre, found.shrinkage,
        found.tree_share, found.radius, found.difficulty, _ceiling(table, metrics),
        tuple(kernels), tuple(sorted({s.device for s in samples})), samples[0].clock_ns,
        _highest(samples), grove,
    )  # fmt: skip


def _beat(tick: Ticker, number: int, options: TrainOptions) -> Ticker:
    """A ticker of one member as one of the whole training."""
    return lambda done, most: tick(number * options.epochs + done, options.members * most)


def _trees(table: LearningSet, metrics: tuple[str, ...]) -> tuple[Grove | None, Array]:
    """Trees of all designs, and the corrections of trees that did not see a design's kernel."""
    options, samples = table.options, table.samples
    held_out = np.zeros_like(table.correction)
    if not options.is_residual or not options.boosters:
        return None, held_out
    start = base(samples, metrics)
    kernels = np.array([s.kernel for s in samples])
    for kernel in sorted(set(kernels)):
        own = kernels == kernel
        seen = [s for s in samples if s.kernel != kernel]
        left = [s for s in samples if s.kernel == kernel]
        grove = grow_grove(seen, metrics, options.rounds, 1, options.seed)
        held_out[own] = grove.predict(left) - start[own]
    grove = grow_grove(samples, metrics, options.rounds, options.boosters, options.seed)
    return grove, held_out


def _ceiling(table: LearningSet, metrics: tuple[str, ...]) -> Array:
    """Twice the largest measured value where nothing physical bounds the network's answer."""
    highest = np.nan_to_num(np.nanmax(measured(table.samples), axis=0)) + np.log(2.0)
    bounded = np.array([not table.options.is_residual or m not in TOTALS for m in metrics])
    return np.where(bounded, highest, np.inf)


def _highest(samples: Sequence[Sample]) -> Array:
    highest = np.zeros(NODE_WIDTH)
    for graph in {
        id(g): g for s in samples for g in (s.graph.application, *s.graph.regions)
    }.values():
        if len(graph.nodes):
            highest = np.maximum(highest, graph.nodes.max(0))
    return highest
