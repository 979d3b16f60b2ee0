"""How close the designs that a model picks come to the true Pareto set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pom.errors import PomError
from pom.qor_model.gnn.model import TrainOptions, forward
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import Array, base
from pom.qor_model.gnn.train import train

_CAPACITY = (("lut", 274080.0), ("ff", 548160.0), ("dsp", 2520.0))
"""Of xczu9eg: area is the sum of the shares."""
_NEEDED = ("latency", "lut", "ff", "dsp")


@dataclass(frozen=True, slots=True)
class AdrsResult:
    """Average distance to the reference set, as a share, with two and with four objectives."""

    kernel: str
    picks: int
    two: float
    four: float


def pareto(points: Array) -> Array:
    """Indices of the points that no other point beats in every objective."""
    order = np.lexsort(points.T[::-1])
    kept: list[int] = []
    for index in order:
        best = points[kept]
        if not len(best) or not np.any(np.all(best <= points[index], axis=1)):
            kept.append(int(index))
    return np.array(sorted(kept), dtype=int)


def adrs(reference: Array, found: Array) -> float:
    """Mean over the reference set of the distance to the nearest found point.

    Notes
    -----
    1/|R| · sum over r in R of the minimum over f of max_k max(0, (f_k - r_k) / r_k), a quantity
    that is 0 counting as 1 in the denominator.
    """
    scale = np.where(reference == 0, 1.0, reference)
    gaps = (found[None] - reference[:, None]) / scale[:, None]
    return float(np.maximum(gaps, 0.0).max(2).min(1).mean())


def objectives(values: Array, metrics: Sequence[str], number: int) -> Array:
    """(latency, area) or (latency, LUT, FF, DSP) of values in the order of `metrics`."""
    column = {m: values[:, n] for n, m in enumerate(metrics)}
    if number == 4:
        return np.stack([column[m] for m in _NEEDED], axis=1)
    area = sum(column[name] / capacity for name, capacity in _CAPACITY)
    return np.stack([column["latency"], np.asarray(area)], axis=1)


def pick(predicted: Array, picks: int) -> Array:
    """At most so many designs of the predicted Pareto set, spread along its first objective.

    If the predicted set is smaller, the sets that remain without it follow.
    """
    left = np.arange(len(predicted))
    chosen: list[int] = []
    while len(chosen) < picks and len(left):
        front = left[pareto(predicted[left])]
        room = picks - len(chosen)
        if len(front) > room:
            front = _spread(predicted, front, room)
        chosen += [int(n) for n in front]
        left = np.setdiff1d(left, front)
    return np.array(chosen, dtype=int)


def _spread(points: Array, front: Array, number: int) -> Array:
    """Farthest-point choice in log space: each pick is the one least like those chosen."""
    logs = np.log1p(np.maximum(points[front], 0.0))
    span = np.maximum(logs.max(0) - logs.min(0), 1e-9)
    logs = (logs - logs.min(0)) / span
    chosen = [int(np.argmin(logs[:, 0]))]
    distance = np.abs(logs - logs[chosen[0]]).max(1)
    while len(chosen) < number:
        following = int(np.argmax(distance))
        chosen.append(following)
        distance = np.minimum(distance, np.abs(logs - logs[following]).max(1))
    return np.asarray(front[np.array(chosen)])


def adrs_of(
    samples: Sequence[Sample], predicted: Array, metrics: Sequence[str], picks: int
) -> AdrsResult:
    """ADRS of one kernel's labelled space.

    Parameters
    ----------
    samples : sequence of Sample
        All labelled designs of the kernel.
    predicted : ndarray, shape (samples, metrics)
        In the units of the labels.
    picks : int
        How many designs may be measured.
    """
    truth = np.array([s.labels for s in samples])
    found: list[float] = []
    for number in (2, 4):
        guess, true = (objectives(v, metrics, number) for v in (predicted, truth))
        chosen = true[pick(guess, picks)]
        found.append(adrs(true[pareto(true)], chosen[pareto(chosen)]))
    return AdrsResult(samples[0].kernel, picks, *found)


def adrs_by_kernel(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    picks: int,
    options: TrainOptions | None,
    left_out: str | None = None,
    per_kernel: int | None = None,
    device: str = "auto",
) -> tuple[AdrsResult, ...]:
    """ADRS of every kernel, chosen by a model that never saw it.

    Parameters
    ----------
    samples : sequence of Sample
        The labelled spaces.
    metrics : tuple of str
        Of the labels; latency, LUT, FF and DSP are needed.
    picks : int
    options : TrainOptions or None
        How the networks are trained; None chooses with the analytical model.
    left_out : str, optional
        Only this kernel.
    per_kernel : int, optional
        Train on so many designs of each kernel.
    device : str
        As for `train`.

    Raises
    ------
    PomError
        ``POM-Q048`` if the labels do not have these for every design, or no design of the kernel.
    """
    missing = [m for m in _NEEDED if m not in metrics]
    if missing:
        raise PomError("POM-Q048", f"the labels have no {', '.join(missing)}")
    kernels = sorted({s.kernel for s in samples if left_out in (None, s.kernel)})
    if not kernels:
        raise PomError("POM-Q048", f"the labels have no designs of {left_out or 'any kernel'}")
    columns = [metrics.index(m) for m in _NEEDED]
    partial = [s.name for s in samples if any(np.isnan(s.labels[c]) for c in columns)]
    if partial:
        raise PomError("POM-Q048", f"not everything was measured of {partial[0]}")
    found = []
    for kernel in kernels:
        own = [s for s in samples if s.kernel == kernel]
        if options is None:
            logs = base(own, metrics)
        else:
            rng = np.random.default_rng(options.seed)
            seen: list[Sample] = []
            for other in sorted({s.kernel for s in samples} - {kernel}):
                group = [s for s in samples if s.kernel == other]
                order = rng.permutation(len(group))[: per_kernel or len(group)]
                seen += [group[int(n)] for n in order]
            logs = forward(train(seen, metrics, options, device=device), own)
        found.append(adrs_of(own, np.expm1(logs), metrics, picks))
    return tuple(found)
