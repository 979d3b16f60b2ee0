"""The trees of all metrics: sums of parts where a metric is one, else trees on the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.sums import PARTS, Parts, SumForest, grow_sum, take_apart
from pom.qor_model.gnn.tables import Array, measured
from pom.qor_model.gnn.trees import Forest, grow, size, tree_inputs


@dataclass(frozen=True, slots=True, eq=False)
class Grove:
    """One forest per metric.

    Attributes
    ----------
    metrics : tuple of str
    forests : tuple of Forest or SumForest
    """

    metrics: tuple[str, ...]
    forests: tuple[Forest | SumForest, ...]

    def predict(self, samples: Sequence[Sample], wanted: Sequence[str] | None = None) -> Array:
        """Return log(1 + value), shape (samples, metrics); 0 for a metric that is not `wanted`."""
        needed = set(self.metrics if wanted is None else wanted)
        needed.update(*[waits_for(metric) for metric in needed])
        whole, parts = tree_inputs(samples), take_apart(samples)
        start = size(samples, self.metrics)
        found = np.zeros((len(samples), len(self.metrics)))
        for metric, forest in self._in_order():
            if metric not in needed:
                continue
            column = self.metrics.index(metric)
            if isinstance(forest, SumForest):
                found[:, column] = forest.predict(parts)
                parts = with_prediction(parts, metric, found[:, column])
            else:
                found[:, column] = start[:, column] + forest.predict(whole)
        return found

    @property
    def of_nests(self) -> dict[str, Forest]:
        """The trees that read nests, by metric, where there are any."""
        pairs = zip(self.metrics, self.forests, strict=True)
        sums = {m: f.forests[0] for m, f in pairs if isinstance(f, SumForest)}
        return {m: f for m, f in sums.items() if len(f.roots) > 1}

    def _in_order(self) -> list[tuple[str, Forest | SumForest]]:
        pairs = zip(self.metrics, self.forests, strict=True)
        return sorted(pairs, key=lambda pair: _rank(pair[0]))


def grow_grove(
    samples: Sequence[Sample], metrics: tuple[str, ...], rounds: int, boosters: int, seed: int
) -> Grove:
    """Train the trees of all metrics (see `pom.qor_model.gnn.sums` and `pom.qor_model.gnn.trees`)."""
    truth = measured(samples)
    whole, parts = tree_inputs(samples), take_apart(samples)
    start = size(samples, metrics)
    found: dict[str, Forest | SumForest] = {}
    for metric in sorted(metrics, key=_rank):
        column = metrics.index(metric)
        if is_sum(metric, metrics):
            forest = grow_sum(parts, metric, truth[:, column], rounds, boosters, seed)
            parts = with_prediction(parts, metric, forest.predict(parts))
            found[metric] = forest
        else:
            rest = truth[:, column] - start[:, column]
            found[metric] = grow(whole, rest, rounds, boosters, seed)
    return Grove(metrics, tuple(found[m] for m in metrics))


def with_prediction(parts: Parts, metric: str, predicted: Array) -> Parts:
    """Parts that know what is predicted of a metric that others start from."""
    return replace(parts, counts={**parts.counts, f"routed_{metric}": np.expm1(predicted)})


def is_sum(metric: str, metrics: Sequence[str]) -> bool:
    """Whether a metric is a sum of parts that are known when these metrics are predicted."""
    if metric not in PARTS:
        return False
    return all(name in metrics for name in waits_for(metric))


def waits_for(metric: str) -> list[str]:
    """Metrics from whose prediction the sum of another one starts."""
    names = {n.removesuffix("_7series") for part in PARTS.get(metric, ()) for n in part}
    return sorted(name.removeprefix("routed_") for name in names if name.startswith("routed_"))


def _rank(metric: str) -> tuple[bool, str]:
    """Metrics that start from the prediction of another one come after it."""
    return bool(waits_for(metric)), metric
