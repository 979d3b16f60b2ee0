"""A trained model as a value, and what it says of designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pom.qor_model.design_graph import NUMBERS
from pom.qor_model.gnn.batch import DesignBatch, GraphBatch, batch_designs
from pom.qor_model.gnn.encode import NODE_WIDTH
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.grove import Grove
from pom.qor_model.gnn.nearby import Nearby
from pom.qor_model.gnn.origin import Origin
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.sums import take_apart
from pom.qor_model.gnn.tables import Array, base, features
from pom.qor_model.gnn.trees import Forest

_SCHEDULER_NUMBERS = ("loop_latency_cycles", "start_cycle")
GROUP = 128
"""Designs that the networks read at once."""
_STRETCH = 1.4
"""Most that the features widen or narrow an interval, in log: a factor of four."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a model is trained.

    Parameters
    ----------
    layer : str
        Message-passing layer.
    width : int
        Width of embeddings.
    epochs, patience : int
        Most epochs, and epochs without a better validation error after which training stops.
    members : int
        Networks in the ensemble.
    learning_rate, weight_decay, dropout : float
    seed : int
    is_residual : bool
        Predict the logarithm of measured over analytical, with analytical features; otherwise
        the logarithm of the measured value from the graph alone, as H-GNN was published.
    boosters, rounds : int
        Gradient boosters beside the networks of a residual model (0 for none), and trees in each.
    """

    layer: str = "sage"
    width: int = 32
    epochs: int = 24
    patience: int = 6
    members: int = 3
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    dropout: float = 0.1
    seed: int = 0
    is_residual: bool = True
    boosters: int = 2
    rounds: int = 150


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained ensemble with everything that prediction needs.

    Attributes
    ----------
    metrics : tuple of str
    options : TrainOptions
    networks : tuple of GNNg
    mean, scale : ndarray
        Of the features, shape (len(TERMS),).
    low, high : ndarray
        Range of the features in training.
    centre, spread : ndarray
        Of the targets, shape (metrics,).
    use_centre, shrinkage : ndarray
        Share of the mean correction and of the networks' correction that is used, per metric:
        chosen on kernels that a network did not see; 0 and 0 is the analytical estimate.
    tree_share : ndarray
        Share of the trees' correction in the whole one, per metric, chosen likewise.
    grove : Grove or None
        The trees of all metrics.
    nearby : Nearby or None
        What a few measured designs say about those that look like them (`fine_tune`).
    origin : Origin or None
        For which tool the features were made; None where there were several.
    radius : ndarray
        Half width of the interval, in log, per metric (split conformal, `COVERAGE`), of a design
        of mean difficulty.
    difficulty : ndarray
        How the half width depends on the features: see `interval`, shape
        (metrics, len(TERMS) + 1); all 0 where it does not.
    ceiling : ndarray
        Log of the most that is predicted of a metric without an analytical estimate.
    kernels, devices : tuple of str
    clock_ns : float
    nodes : ndarray
        Highest value of every node feature in training, shape (NODE_WIDTH,).
    """

    metrics: tuple[str, ...]
    options: TrainOptions
    networks: tuple[GNNg, ...]
    mean: Array
    scale: Array
    low: Array
    high: Array
    centre: Array
    spread: Array
    use_centre: Array
    shrinkage: Array
    tree_share: Array
    radius: Array
    difficulty: Array
    ceiling: Array
    kernels: tuple[str, ...]
    devices: tuple[str, ...]
    clock_ns: float
    nodes: Array
    grove: Grove | None = None
    nearby: Nearby | None = None
    origin: Origin | None = None

    @property
    def reads_graphs(self) -> bool:
        """Whether the networks have a say in a metric."""
        say = self.shrinkage * (1.0 - self.tree_share * (self.grove is not None))
        return not self.options.is_residual or bool(np.any(say))


def forward(model: Model, samples: Sequence[Sample]) -> Array:
    """Return log(1 + value) of every sample and metric, shape (samples, metrics)."""
    target = np.zeros((len(samples), len(model.metrics)))
    if model.reads_graphs:
        target = _mean_target(model, samples, normalised(model, samples))
    if not model.options.is_residual:
        return np.clip(model.centre + model.spread * target, 0.0, model.ceiling)
    correction = model.use_centre * model.centre + model.shrinkage * model.spread * target
    start = base(samples, model.metrics)
    if model.grove is not None:
        wanted = [m for m, share in zip(model.metrics, model.tree_share, strict=True) if share]
        trees = model.grove.predict(samples, wanted) - start
        correction = correction + model.tree_share * (trees - correction)
    if model.nearby is not None:
        parts, judges = take_apart(samples), nest_trees(model)
        correction = correction + model.nearby.correction(parts, model.metrics, judges)
    return np.clip(start + correction, 0.0, model.ceiling)


def nest_trees(model: Model) -> dict[str, Forest]:
    """The trees of the model that read nests, by metric."""
    return {} if model.grove is None else model.grove.of_nests


def normalised(model: Model, samples: Sequence[Sample]) -> Array:
    """The analytical features as the model reads them, shape (samples, len(TERMS))."""
    return scaled(features(samples), model.mean, model.scale)


def interval(model: Model, samples: Sequence[Sample]) -> Array:
    """Half width of the 90 % intervals in log, shape (samples, metrics)."""
    return model.radius * stretch(model.difficulty, normalised(model, samples))


def stretch(difficulty: Array, inputs: Array) -> Array:
    """How much wider the intervals of these designs are than those of mean difficulty.

    Parameters
    ----------
    difficulty : ndarray, shape (metrics, len(TERMS) + 1)
        Weights of the features in the logarithm, and a constant.
    inputs : ndarray, shape (samples, len(TERMS))
        From `normalised`.
    """
    found = inputs @ difficulty[:, :-1].T + difficulty[:, -1]
    return np.asarray(np.exp(np.clip(found, -_STRETCH, _STRETCH)))


def scaled(raw: Array, mean: Array, scale: Array) -> Array:
    """Features as the networks read them: standardised, and cut off far outside."""
    return np.asarray(np.clip((raw - mean) / scale, -4.0, 4.0))


def _mean_target(model: Model, samples: Sequence[Sample], inputs: Array) -> Array:
    """Mean of the networks; one thread, since the matrices are too small to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = [
            _group_target(model, samples[start : start + GROUP], inputs[start : start + GROUP])
            for start in range(0, len(samples), GROUP)
        ]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate(found) if found else np.zeros((0, len(model.metrics)))


def _group_target(model: Model, samples: Sequence[Sample], inputs: Array) -> Array:
    batch = masked(batch_designs([s.graph for s in samples]), model.options)
    extra = torch.from_numpy(inputs.astype(np.float32)) if model.options.is_residual else None
    with torch.no_grad():
        results = [network(batch, extra) for network in model.networks]
    return np.asarray(torch.stack(results).mean(0).numpy(), dtype=np.float64)


def masked(batch: DesignBatch, options: TrainOptions) -> DesignBatch:
    """Without the scheduler's cycle counts, which H-GNN as published does not have."""
    if not options.is_residual:
        for graphs in (batch.application, batch.pipelined, batch.sequential):
            without_cycles(graphs)
    return batch


def without_cycles(graphs: GraphBatch) -> None:
    """Set the scheduler's cycle counts of a batch to 0."""
    for name in _SCHEDULER_NUMBERS:
        graphs.nodes[:, NODE_WIDTH - 1 - len(NUMBERS) + NUMBERS.index(name)] = 0.0
