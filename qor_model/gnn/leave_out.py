"""The honest test: every kernel is predicted by a model that never saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import Array, errors, measured
from pom.qor_model.gnn.train import TrainOptions, forward, train

Predictor = Callable[[Sequence[Sample], Sequence[Sample]], Array]
"""Training samples and test samples in; log(1 + value) of the test samples out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel that was left out.

    Parameters
    ----------
    kernel : str
    mape : tuple of float
        Per metric, percent (`pom.qor_model.gnn.tables.errors`).
    coverage : tuple of float
        Share of measured values inside of the interval, percent; empty without intervals.
    """

    kernel: str
    mape: tuple[float, ...]
    coverage: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rows of all kernels and their mean."""

    name: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean over kernels of each metric's error."""
        return tuple(float(x) for x in np.mean([r.mape for r in self.rows], axis=0))

    @property
    def mean_coverage(self) -> tuple[float, ...]:
        """Mean over kernels of each metric's coverage; empty without intervals."""
        if not all(r.coverage for r in self.rows):
            return ()
        return tuple(float(x) for x in np.mean([r.coverage for r in self.rows], axis=0))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "model": self.name,
            "mean": dict(zip(self.metrics, self.mean, strict=True)),
            "coverage": dict(zip(self.metrics, self.mean_coverage, strict=False)),
            "kernels": {r.kernel: dict(zip(self.metrics, r.mape, strict=True)) for r in self.rows},
        }


def leave_one_kernel_out(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    name: str = "gnn",
    progress: Callable[[str], None] | None = None,
    shots: int = 0,
) -> Protocol:
    """Train without each kernel in turn, and predict it.

    Parameters
    ----------
    shots : int
        So many designs of the kernel that is left out correct the model (`fine_tune`), and are
        not tested on.
    """
    from pom.qor_model.gnn.fine_tune import fine_tune

    rows: list[Row] = []
    for kernel in sorted({s.kernel for s in samples}):
        seen = [s for s in samples if s.kernel != kernel]
        left = [s for s in samples if s.kernel == kernel]
        model = train(seen, metrics, options)
        if shots:
            order = np.random.default_rng(options.seed).permutation(len(left))
            few = [left[int(n)] for n in order[:shots]]
            left = [left[int(n)] for n in order[shots:]]
            model = fine_tune(model, few)
        predicted, truth = forward(model, left), measured(left)
        inside = np.abs(predicted - truth) <= model.radius + 1e-9
        known = ~np.isnan(truth)
        coverage = tuple(
            float(100 * inside[known[:, c], c].mean()) if known[:, c].any() else float("nan")
            for c in range(len(metrics))
        )
        rows.append(Row(kernel, tuple(float(e) for e in errors(predicted, truth)), coverage))
        if progress is not None:
            text = ", ".join(f"{m} {e:.1f}" for m, e in zip(metrics, rows[-1].mape, strict=True))
            progress(f"{name}: {kernel} left out: {text}")
    return Protocol(name, metrics, tuple(rows))


def evaluate_predictor(
    samples: Sequence[Sample], metrics: tuple[str, ...], name: str, predictor: Predictor
) -> Protocol:
    """The same protocol for any other predictor."""
    rows = []
    for kernel in sorted({s.kernel for s in samples}):
        seen = [s for s in samples if s.kernel != kernel]
        left = [s for s in samples if s.kernel == kernel]
        found = errors(predictor(seen, left), measured(left))
        rows.append(Row(kernel, tuple(float(e) for e in found)))
    return Protocol(name, metrics, tuple(rows))
