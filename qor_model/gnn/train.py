"""Training: members of an ensemble, each stopped by a kernel that it does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pom.errors import PomError
from pom.qor_model.design_graph import NUMBERS
from pom.qor_model.gnn.batch import DesignBatch, batch_designs
from pom.qor_model.gnn.checkpoints import checkpoint_key, forget, keep, restore
from pom.qor_model.gnn.encode import NODE_WIDTH
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.nearby import Nearby
from pom.qor_model.gnn.samples import TERMS, TOTALS, Sample
from pom.qor_model.gnn.tables import Array, base, features, measured
from pom.qor_model.gnn.trees import Forest, grow, size, tree_inputs

SHRINKAGE = (0.0, 0.25, 0.5, 0.75, 1.0)
TREE_SHARES = (0.0, 0.5, 1.0)
_WORTH = 0.05
"""By how much a correction has to be better than none: few kernels decide."""
COVERAGE = 0.9
_SCHEDULER_NUMBERS = ("loop_latency_cycles", "start_cycle")
_GROUP = 128


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
    forests : tuple of Forest
        One per metric, or none.
    nearby : Nearby or None
        What a few measured designs say about those that look like them (`fine_tune`).
    radius : ndarray
        Half width of the interval, in log, per metric (split conformal, `COVERAGE`).
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
    ceiling: Array
    kernels: tuple[str, ...]
    devices: tuple[str, ...]
    clock_ns: float
    nodes: Array
    forests: tuple[Forest, ...] = ()
    nearby: Nearby | None = None


Progress = Callable[[str], None]
Rows = NDArray[np.intp]


def train(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
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
        Folder where trained networks wait until all are there; a training that was interrupted
        takes them up again, with the same result, and the folder is removed at the end.

    Raises
    ------
    PomError
        ``POM-Q042`` if there are fewer than two kernels.
    """
    torch.set_num_threads(1)
    kernels = sorted({s.kernel for s in samples})
    if len(kernels) < 2:
        raise PomError(
            "POM-Q042", f"training needs designs of two kernels or more, got {len(kernels)}",
            hint="a kernel that is not trained on stops the training",
        )  # fmt: skip
    rng = np.random.default_rng(options.seed)
    held = [kernels[int(n)] for n in rng.permutation(len(kernels))][: options.members]
    table = _Table.of(samples, metrics, options)
    networks: list[GNNg] = []
    scores: list[tuple[Array, Array]] = []
    for number in range(options.members):
        kernel = held[number % len(held)]
        is_held = np.array([s.kernel == kernel for s in samples])
        torch.manual_seed(options.seed * 1000 + number)
        key = checkpoint_key(samples, metrics, options, number)
        network = restore(checkpoints, key, _network(options, len(metrics)))
        if network is None:
            network, error = _fit(table, is_held, options)
            keep(checkpoints, key, network)
        else:
            error = _validation(network, table.groups(np.flatnonzero(is_held)))
        networks.append(network)
        predicted = table.forward(network, np.flatnonzero(is_held))
        scores.append((predicted, table.target[is_held]))
        if progress is not None:
            progress(f"member {number + 1}/{options.members}: {kernel} left out, loss {error:.4f}")
    forests, held_out = _trees(table, metrics)
    members = [held[number % len(held)] for number in range(options.members)]
    use_centre, shrinkage, tree_share, radius = _calibrate(scores, members, table, held_out)
    forget(checkpoints)
    return Model(
        metrics, options, tuple(networks), table.mean, table.scale, table.raw.min(0),
        table.raw.max(0), table.centre, table.spread, use_centre, shrinkage, tree_share, radius,
        _ceiling(table, metrics), tuple(kernels), tuple(sorted({s.device for s in samples})),
        samples[0].clock_ns, _highest(samples), forests,
    )  # fmt: skip


def _trees(table: _Table, metrics: tuple[str, ...]) -> tuple[tuple[Forest, ...], Array]:
    """Trees of all designs, and the corrections of trees that did not see a design's kernel."""
    options, samples = table.options, table.samples
    held_out = np.zeros_like(table.correction)
    if not options.is_residual or not options.boosters:
        return (), held_out
    inputs, start = tree_inputs(samples), size(samples, metrics)
    target = measured(samples) - start
    offset = start - base(samples, metrics)
    kernels = np.array([s.kernel for s in samples])
    for kernel in sorted(set(kernels)):
        seen = kernels != kernel
        for column in range(len(metrics)):
            forest = grow(
                inputs[seen], target[seen, column], 2 * options.rounds // 3, 1, options.seed
            )
            held_out[~seen, column] = forest.predict(inputs[~seen]) + offset[~seen, column]
    forests = tuple(
        grow(inputs, target[:, column], options.rounds, options.boosters, options.seed)
        for column in range(len(metrics))
    )
    return forests, held_out


def forward(model: Model, samples: Sequence[Sample]) -> Array:
    """Return log(1 + value) of every sample and metric, shape (samples, metrics)."""
    inputs = _inputs(features(samples), model.mean, model.scale)
    target = _mean_target(model, samples, inputs)
    if not model.options.is_residual:
        return np.clip(model.centre + model.spread * target, 0.0, model.ceiling)
    correction = model.use_centre * model.centre + model.shrinkage * model.spread * target
    start = base(samples, model.metrics)
    if model.forests:
        given, offset = tree_inputs(samples), size(samples, model.metrics) - start
        trees = np.stack([f.predict(given) for f in model.forests], axis=1) + offset
        correction = correction + model.tree_share * (trees - correction)
    if model.nearby is not None:
        correction = correction + model.nearby.correction(inputs)
    return np.clip(start + correction, 0.0, model.ceiling)


def normalised(model: Model, samples: Sequence[Sample]) -> Array:
    """The analytical features as the model reads them, shape (samples, len(TERMS))."""
    return _inputs(features(samples), model.mean, model.scale)


def _ceiling(table: _Table, metrics: tuple[str, ...]) -> Array:
    """Twice the largest measured value where nothing physical bounds the network's answer."""
    highest = np.nan_to_num(np.nanmax(measured(table.samples), axis=0)) + np.log(2.0)
    bounded = np.array([not table.options.is_residual or m not in TOTALS for m in metrics])
    return np.where(bounded, highest, np.inf)


def _mean_target(model: Model, samples: Sequence[Sample], inputs: Array) -> Array:
    """Mean of the networks; one thread, since the matrices are too small to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = [
            _group_target(model, samples[start : start + _GROUP], inputs[start : start + _GROUP])
            for start in range(0, len(samples), _GROUP)
        ]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate(found) if found else np.zeros((0, len(model.metrics)))


def _group_target(model: Model, samples: Sequence[Sample], inputs: Array) -> Array:
    batch = _masked(batch_designs([s.graph for s in samples]), model.options)
    extra = torch.from_numpy(inputs.astype(np.float32)) if model.options.is_residual else None
    with torch.no_grad():
        results = [network(batch, extra) for network in model.networks]
    return np.asarray(torch.stack(results).mean(0).numpy(), dtype=np.float64)


def _inputs(raw: Array, mean: Array, scale: Array) -> Array:
    return np.asarray(np.clip((raw - mean) / scale, -4.0, 4.0))


def _highest(samples: Sequence[Sample]) -> Array:
    highest = np.zeros(NODE_WIDTH)
    for graph in {
        id(g): g for s in samples for g in (s.graph.application, *s.graph.regions)
    }.values():
        if len(graph.nodes):
            highest = np.maximum(highest, graph.nodes.max(0))
    return highest


def _masked(batch: DesignBatch, options: TrainOptions) -> DesignBatch:
    """Without the scheduler's cycle counts, which H-GNN as published does not have."""
    if options.is_residual:
        return batch
    for name in _SCHEDULER_NUMBERS:
        column = NODE_WIDTH - 1 - len(NUMBERS) + NUMBERS.index(name)
        for graphs in (batch.application, batch.pipelined, batch.sequential):
            graphs.nodes[:, column] = 0.0
    return batch


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    samples: Sequence[Sample]
    options: TrainOptions
    raw: Array
    mean: Array
    scale: Array
    inputs: Array
    correction: Array
    centre: Array
    spread: Array
    target: Array

    @classmethod
    def of(
        cls, samples: Sequence[Sample], metrics: tuple[str, ...], options: TrainOptions
    ) -> _Table:
        raw = features(samples)
        mean, scale = raw.mean(0), np.maximum(raw.std(0), 0.1)
        truth = measured(samples)
        correction = truth - base(samples, metrics) if options.is_residual else truth
        centre = np.nan_to_num(np.nanmedian(correction, axis=0))
        spread = np.maximum(np.nan_to_num(np.nanstd(correction, axis=0)), 1e-3)
        return cls(
            samples, options, raw, mean, scale, _inputs(raw, mean, scale), correction, centre,
            spread, (correction - centre) / spread,
        )  # fmt: skip

    def groups(self, rows: Rows) -> list[tuple[DesignBatch, Tensor | None, Tensor]]:
        found = []
        for start in range(0, len(rows), _GROUP):
            chosen = [int(r) for r in rows[start : start + _GROUP]]
            batch = _masked(batch_designs([self.samples[r].graph for r in chosen]), self.options)
            inputs = torch.from_numpy(self.inputs[chosen].astype(np.float32))
            target = torch.from_numpy(self.target[chosen].astype(np.float32))
            found.append((batch, inputs if self.options.is_residual else None, target))
        return found

    def forward(self, network: GNNg, rows: Rows) -> Array:
        network.eval()
        with torch.no_grad():
            results = [network(batch, inputs) for batch, inputs, _ in self.groups(rows)]
        return np.asarray(torch.cat(results).numpy(), dtype=np.float64)


def _loss(predicted: Tensor, target: Tensor) -> Tensor:
    known = ~torch.isnan(target)
    return torch.nn.functional.smooth_l1_loss(predicted[known], target[known], beta=0.1)


def _network(options: TrainOptions, metrics: int) -> GNNg:
    inputs = len(TERMS) if options.is_residual else 0
    return GNNg(options.layer, options.width, metrics, inputs, options.dropout)


def _validation(network: GNNg, held: list[tuple[DesignBatch, Tensor | None, Tensor]]) -> float:
    network.eval()
    with torch.no_grad():
        return float(np.mean([float(_loss(network(b, g), t)) for b, g, t in held]))


def _fit(table: _Table, is_held: NDArray[np.bool_], options: TrainOptions) -> tuple[GNNg, float]:
    network = _network(options, table.target.shape[1])
    rng = np.random.default_rng(options.seed)
    groups = table.groups(rng.permutation(np.flatnonzero(~is_held)))
    held = table.groups(np.flatnonzero(is_held))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    best, waited = float("inf"), 0
    kept = {k: v.clone() for k, v in network.state_dict().items()}
    for _ in range(options.epochs):
        network.train()
        for number in rng.permutation(len(groups)):
            batch, given, target = groups[int(number)]
            optimiser.zero_grad()
            _loss(network(batch, given), target).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        error = _validation(network, held)
        if error < best:
            best, waited = error, 0
            kept = {k: v.clone() for k, v in network.state_dict().items()}
        else:
            waited += 1
            if waited > options.patience:
                break
    network.load_state_dict(kept)
    network.eval()
    return network, best


def _calibrate(
    scores: list[tuple[Array, Array]], members: list[str], table: _Table, trees: Array
) -> tuple[Array, Array, Array, Array]:
    """Shares of the corrections, and the interval, on kernels that a model did not see."""
    options = table.options
    metrics = table.target.shape[1]
    use_centre, shrinkage, radius = np.ones(metrics), np.ones(metrics), np.zeros(metrics)
    tree_share = np.zeros(metrics)
    kernels = np.array([s.kernel for s in table.samples])
    shares = TREE_SHARES if options.is_residual and options.boosters else (0.0,)
    for column in range(metrics):
        candidates: list[tuple[float, float, float, float, float]] = []
        centre, spread = table.centre[column], table.spread[column]
        for tree in shares:
            for share, shrink in _mixtures(options, only_trees=tree == 1.0):
                rests = []
                for (predicted, target), kernel in zip(scores, members, strict=True):
                    truth = centre + spread * target[:, column]
                    network = share * centre + shrink * spread * predicted[:, column]
                    grown = trees[kernels == kernel, column]
                    rest = truth - network - tree * (grown - network)
                    rests.append(np.abs(rest[~np.isnan(rest)]))
                known = [r for r in rests if len(r)]
                if known:
                    error = float(np.mean([r.mean() for r in known]))
                    error *= 1.0 if share or shrink or tree else 1.0 - _WORTH
                    candidates.append((error, share, shrink, tree, _rank(np.concatenate(known))))
        if candidates:
            _, use_centre[column], shrinkage[column], tree_share[column], radius[column] = min(
                candidates
            )
        if tree_share[column] == 1.0:
            rest = np.abs(table.correction[:, column] - trees[:, column])
            radius[column] = _rank(rest[~np.isnan(rest)])
    return use_centre, shrinkage, tree_share, radius


def _mixtures(options: TrainOptions, *, only_trees: bool) -> list[tuple[float, float]]:
    """Shares of the mean correction and of the networks' that are tried."""
    if only_trees:
        return [(0.0, 0.0)]
    if not options.is_residual:
        return [(1.0, 1.0)]
    return [(share, shrink) for share in (0.0, 1.0) for shrink in SHRINKAGE]


def _rank(rest: Array) -> float:
    """The error that `COVERAGE` of the designs stay below (split conformal)."""
    ordered = np.sort(rest)
    rank = min(len(ordered) - 1, int(np.ceil((len(ordered) + 1) * COVERAGE)) - 1)
    return float(ordered[rank])
