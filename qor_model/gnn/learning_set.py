"""Designs as what is learned from: features, targets and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pom.qor_model.gnn.batch import DesignBatch, batch_designs
from pom.qor_model.gnn.gnng import GNNg
from pom.qor_model.gnn.model import GROUP, TrainOptions, masked, scaled
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import Array, base, features, measured

CPU = torch.device("cpu")
Rows = NDArray[np.intp]
Group = tuple[DesignBatch, Tensor | None, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class LearningSet:
    """Designs with what is to be learned of them.

    Attributes
    ----------
    samples : sequence of Sample
    options : TrainOptions
    raw, inputs : ndarray, shape (samples, len(TERMS))
        Features, and as the networks read them, with `mean` and `scale`.
    correction : ndarray, shape (samples, metrics)
        What is learned, in log; `target` is the same with `centre` 0 and `spread` 1.
    """

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
    ) -> LearningSet:
        """The set of these samples."""
        raw = features(samples)
        mean, scale = raw.mean(0), np.maximum(raw.std(0), 0.1)
        truth = measured(samples)
        correction = truth - base(samples, metrics) if options.is_residual else truth
        centre = np.nan_to_num(np.nanmedian(correction, axis=0))
        spread = np.maximum(np.nan_to_num(np.nanstd(correction, axis=0)), 1e-3)
        return cls(
            samples, options, raw, mean, scale, scaled(raw, mean, scale), correction, centre,
            spread, (correction - centre) / spread,
        )  # fmt: skip

    def groups(self, rows: Rows, device: torch.device = CPU) -> list[Group]:
        """Batches of these rows: designs, features and targets."""
        found: list[Group] = []
        for start in range(0, len(rows), GROUP):
            chosen = [int(r) for r in rows[start : start + GROUP]]
            batch = masked(batch_designs([self.samples[r].graph for r in chosen]), self.options)
            inputs = torch.from_numpy(self.inputs[chosen].astype(np.float32)).to(device)
            target = torch.from_numpy(self.target[chosen].astype(np.float32)).to(device)
            is_residual = self.options.is_residual
            found.append((batch.to(device), inputs if is_residual else None, target))
        return found

    def forward(self, network: GNNg, rows: Rows) -> Array:
        """What a network says of these rows, shape (rows, metrics)."""
        network.eval()
        with torch.no_grad():
            results = [network(batch, inputs) for batch, inputs, _ in self.groups(rows)]
        return np.asarray(torch.cat(results).numpy(), dtype=np.float64)
