"""The honest test: every kernel is predicted by a model that never saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pom.errors import PomError
from pom.qor_model.gnn.inner_loops import InnerLoop
from pom.qor_model.gnn.kept_results import NOTHING_KEPT, KeptResults, Numbers
from pom.qor_model.gnn.model import Model, TrainOptions, forward, interval
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
    kept: KeptResults = NOTHING_KEPT,
) -> Protocol:
    """Train without each kernel in turn, and predict it (`with_few_shots` for one number)."""
    (found,) = with_few_shots(
        samples, metrics, options, (shots,), name, progress, split, device, inner, kept
    )
    return found


def with_few_shots(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    shots: Sequence[int] = (0,),
    name: str = "gnn",
    progress: Callable[[str], None] | None = None,
    split: str = "kernel",
    device: str = "auto",
    inner: Sequence[InnerLoop] = (),
    kept: KeptResults = NOTHING_KEPT,
) -> tuple[Protocol, ...]:
    """Train without each kernel in turn, and predict it as it is and corrected with a few designs.

    Parameters
    ----------
    samples : sequence of Sample
    metrics : tuple of str
    options : TrainOptions
    shots : sequence of int
        One protocol for each: so many designs of the kernel that is left out correct the model
        (`fine_tune`). All but 0 are tested on the same designs, those that no shot took.
    name : str
    progress : callable, optional
    split : str
        ``random`` leaves out random tenths instead (`groups_of`).
    device : str
        As for `train`.
    inner : sequence of InnerLoop
        Measured inner loops, of which those of the kernel are left out too.
    kept : KeptResults
        Where finished kernels are; epochs of the one in training are kept beside them.

    Raises
    ------
    PomError
        ``POM-Q042`` for fewer than three kernels; ``POM-Q045`` if the shots leave nothing to test
        on.
    """
    rows: list[tuple[Row, ...]] = []
    groups = groups_of(samples, split, options.seed)
    if len(set(groups)) < 3:
        raise PomError(
            "POM-Q042", f"leaving one kernel out needs three or more, got {len(set(groups))}",
            hint="--no-leave-one-out trains on two; --fine-tune corrects shipped weights with one",
        )  # fmt: skip
    store = kept.of(samples, metrics, options, tuple(shots), split, inner=inner)
    for kernel in sorted(set(groups)):
        seen, left = _parted(samples, groups, kernel)
        if max(shots) >= len(left):
            raise PomError(
                "POM-Q045", f"{max(shots)} of the {len(left)} designs of {kernel} are no test",
                hint="fewer shots, or more designs of each kernel",
            )  # fmt: skip
        known = store.get(kernel)
        if known is None:
            loops = [x for x in inner if split != "kernel" or x.kernel != kernel]
            model = train(
                seen, metrics, options, checkpoints=kept.folder, device=device, inner=loops
            )
            order = np.random.default_rng(options.seed).permutation(len(left))
            known = tuple(
                line
                for number in shots
                for line in _shot(model, [left[int(n)] for n in order], number, max(shots))
            )
            store.put(known, kernel)
        pairs = zip(known[::2], known[1::2], strict=True)
        rows.append(tuple(Row(kernel, mape, coverage) for mape, coverage in pairs))
        if progress is not None:
            pairs_of = zip(metrics, rows[-1][0].mape, strict=True)
            text = ", ".join(f"{m} {e:.1f}" for m, e in pairs_of)
            progress(f"{name}: {kernel} left out: {text}")
    return tuple(
        Protocol(f"{name}, {number} designs of the kernel" if number else name, metrics, column)
        for number, column in zip(shots, zip(*rows, strict=True), strict=True)
    )


def _shot(model: Model, left: Sequence[Sample], shots: int, most: int) -> Numbers:
    """Errors and coverage on a kernel of which `shots` designs were measured."""
    from pom.qor_model.gnn.fine_tune import fine_tune

    if shots:
        model, left = fine_tune(model, left[:shots]), left[most:]
    predicted, truth = forward(model, left), measured(left)
    inside = np.abs(predicted - truth) <= interval(model, left) + 1e-9
    known = ~np.isnan(truth)
    coverage = tuple(
        float(100 * inside[known[:, c], c].mean()) if known[:, c].any() else float("nan")
        for c in range(truth.shape[1])
    )
    return tuple(float(e) for e in errors(predicted, truth)), coverage


def evaluate_predictor(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    name: str,
    predictor: Predictor,
    split: str = "kernel",
    kept: KeptResults = NOTHING_KEPT,
) -> Protocol:
    """The same protocol for any other predictor."""
    rows = []
    groups = groups_of(samples, split)
    store = kept.of(samples, metrics, name, split)
    for kernel in sorted(set(groups)):
        known = store.get(kernel)
        if known is None:
            seen, left = _parted(samples, groups, kernel)
            found = errors(predictor(seen, left), measured(left))
            known = (tuple(float(e) for e in found),)
            store.put(known, kernel)
        rows.append(Row(kernel, known[0]))
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
    kept: KeptResults = NOTHING_KEPT,
) -> tuple[CurvePoint, ...]:
    """Leave-one-kernel-out errors over the number of kernels, and of designs of each.

    Half and all of the other kernels; an eighth, a quarter, a half and all of their designs. The
    kernels that are kept are the next ones in alphabetical order.
    """
    names = sorted({s.kernel for s in samples})
    most = max(sum(s.kernel == name for s in samples) for name in names)
    points: list[CurvePoint] = []
    sizes = [(len(names) - 1, max(4, most // part)) for part in (8, 4, 2, 1)]
    store = kept.of(samples, metrics, options)
    # of few kernels half are all, and of few designs a half and an eighth are the same
    for kernels, designs in sorted({(max(2, (len(names) - 1) // 2), most), *sizes}):
        found = []
        for place, name in enumerate(names):
            known = store.get(name, kernels, designs)
            if known is None:
                others = [names[(place + n) % len(names)] for n in range(1, kernels + 1)]
                seen = [x for k in others for x in _some(samples, k, designs, options.seed)]
                left = [s for s in samples if s.kernel == name]
                model = train(seen, metrics, options, checkpoints=kept.folder, device=device)
                known = (tuple(float(e) for e in errors(forward(model, left), measured(left))),)
                store.put(known, name, kernels, designs)
            found.append(known[0])
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
