"""The honest test: every kernel is predicted by a model that never saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pom.qor_model.gnn.inner_loops import InnerLoop
from pom.qor_model.gnn.model import TrainOptions, forward, interval
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import Array, errors, measured
from pom.qor_model.gnn.train import train

_PARTS = 10
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


def groups_of(samples: Sequence[Sample], split: str, seed: int = 0) -> list[str]:
    """What is left out together: each kernel, or one of ten random parts.

    Parameters
    ----------
    samples : sequence of Sample
    split : str
        ``kernel``, or ``random``, which says little: designs of one kernel resemble each other.
    seed : int
    """
    if split == "kernel":
        return [s.kernel for s in samples]
    order = np.random.default_rng(seed).permutation(len(samples))
    return [f"part {int(n) % _PARTS}" for n in order]


def leave_one_kernel_out(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    name: str = "gnn",
    progress: Callable[[str], None] | None = None,
    shots: int = 0,
    split: str = "kernel",
    device: str = "auto",
    inner: Sequence[InnerLoop] = (),
) -> Protocol:
    """Train without each kernel in turn, and predict it.

    Parameters
    ----------
    split : str
        ``random`` leaves out random tenths instead (`groups_of`).
    shots : int
        So many designs of the kernel that is left out correct the model (`fine_tune`), and are
        not tested on.
    device : str
        As for `train`.
    inner : sequence of InnerLoop
        Measured inner loops, of which those of the kernel are left out too.
    """
    from pom.qor_model.gnn.fine_tune import fine_tune

    rows: list[Row] = []
    groups = groups_of(samples, split, options.seed)
    for kernel in sorted(set(groups)):
        seen, left = _parted(samples, groups, kernel)
        loops = [x for x in inner if split != "kernel" or x.kernel != kernel]
        model = train(seen, metrics, options, device=device, inner=loops)
        if shots:
            order = np.random.default_rng(options.seed).permutation(len(left))
            few = [left[int(n)] for n in order[:shots]]
            left = [left[int(n)] for n in order[shots:]]
            model = fine_tune(model, few)
        predicted, truth = forward(model, left), measured(left)
        inside = np.abs(predicted - truth) <= interval(model, left) + 1e-9
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
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    name: str,
    predictor: Predictor,
    split: str = "kernel",
) -> Protocol:
    """The same protocol for any other predictor."""
    rows = []
    groups = groups_of(samples, split)
    for kernel in sorted(set(groups)):
        seen, left = _parted(samples, groups, kernel)
        found = errors(predictor(seen, left), measured(left))
        rows.append(Row(kernel, tuple(float(e) for e in found)))
    return Protocol(name, metrics, tuple(rows))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Errors with so many designs of so many kernels to learn from, percent per metric."""

    kernels: int
    designs: int
    mape: tuple[float, ...]


def learning_curve(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    progress: Callable[[str], None] | None = None,
    device: str = "auto",
) -> tuple[CurvePoint, ...]:
    """Leave-one-kernel-out errors over the number of kernels, and of designs of each.

    Half and all of the other kernels; an eighth, a quarter, a half and all of their designs. The
    kernels that are kept are the next ones in alphabetical order.
    """
    names = sorted({s.kernel for s in samples})
    most = max(sum(s.kernel == name for s in samples) for name in names)
    points: list[CurvePoint] = []
    sizes = [(len(names) - 1, max(4, most // part)) for part in (8, 4, 2, 1)]
    for kernels, designs in [(max(2, (len(names) - 1) // 2), most), *sizes]:
        found = []
        for place, name in enumerate(names):
            kept = [names[(place + n) % len(names)] for n in range(1, kernels + 1)]
            seen = [x for k in kept for x in _some(samples, k, designs, options.seed)]
            left = [s for s in samples if s.kernel == name]
            model = train(seen, metrics, options, device=device)
            found.append(errors(forward(model, left), measured(left)))
        points.append(CurvePoint(kernels, designs, tuple(float(e) for e in np.mean(found, axis=0))))
        if progress is not None:
            progress(f"{kernels} kernels, {designs} designs of each")
    return tuple(points)


def _some(samples: Sequence[Sample], kernel: str, count: int, seed: int) -> list[Sample]:
    own = [s for s in samples if s.kernel == kernel]
    order = np.random.default_rng(seed).permutation(len(own))
    return [own[int(n)] for n in order[:count]]


def _parted(
    samples: Sequence[Sample], groups: Sequence[str], name: str
) -> tuple[list[Sample], list[Sample]]:
    """The samples outside and inside of a group."""
    pairs = list(zip(samples, groups, strict=True))
    return [s for s, g in pairs if g != name], [s for s, g in pairs if g == name]
