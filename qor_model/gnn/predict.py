"""The interface to trained models: a batch of designs in, a table with intervals out.

A prediction outside of what the model was trained on says so (`Prediction.warnings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pom.qor_model.gnn.encode import CATEGORIES, KINDS
from pom.qor_model.gnn.model import Model, forward, interval
from pom.qor_model.gnn.samples import TERMS, Sample
from pom.qor_model.gnn.tables import features
from pom.qor_model.gnn.weights import load, shipped

_FAR = float(np.log(2.0))
"""A feature this far (in log) outside the trained range is out of range: a factor of two."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 90 % interval."""

    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is predicted of one design, and why it may be wrong.

    Attributes
    ----------
    name : str
    estimates : tuple of Estimate
        In the order of the model's metrics.
    warnings : tuple of str
        In which respects the design is outside of the training data; empty inside.
    """

    name: str
    estimates: tuple[Estimate, ...]
    warnings: tuple[str, ...]

    def estimate(self, metric: str) -> Estimate:
        """The estimate of one metric."""
        for item in self.estimates:
            if item.metric == metric:
                return item
        raise KeyError(metric)


@cache
def load_model(stage: str) -> Model:
    """The shipped model of a stage (``routed`` or ``synthesis``), loaded once."""
    return load(shipped(stage))


def predict(
    designs: Sequence[Sample], model: Model | Path | str = "routed"
) -> tuple[Prediction, ...]:
    """Predict designs in one batch.

    Parameters
    ----------
    designs : sequence of Sample
        Made by `pom.qor_model.gnn.samples.SampleMaker`.
    model : Model, Path or str
        A model, a file of weights, or the stage of a shipped one.

    Returns
    -------
    tuple of Prediction
        In the order of `designs`.
    """
    found = model if isinstance(model, Model) else (
        load(model) if isinstance(model, Path) else load_model(model)
    )  # fmt: skip
    if not designs:
        return ()
    values, widths = forward(found, designs), interval(found, designs)
    raw = features(designs)
    return tuple(
        Prediction(
            sample.name,
            tuple(
                Estimate(m, *(float(np.expm1(max(x, 0.0))) for x in (v, v - r, v + r)))
                for m, v, r in zip(found.metrics, row, width, strict=True)
            ),
            _warnings(found, sample, terms),
        )
        for sample, row, width, terms in zip(designs, values, widths, raw, strict=True)
    )


def _warnings(model: Model, sample: Sample, terms: np.ndarray) -> tuple[str, ...]:
    found: list[str] = []
    device = sample.device.lower()
    if not any(device.startswith(d.split("-")[0]) for d in model.devices):
        found.append(f"device {sample.device}: trained on {', '.join(model.devices)}")
    if abs(sample.clock_ns - model.clock_ns) > 0.1 * model.clock_ns:
        found.append(f"clock {sample.clock_ns:g} ns: trained at {model.clock_ns:g} ns")
    for name, value, low, high in zip(TERMS, terms, model.low, model.high, strict=True):
        if value > high + _FAR or value < low - _FAR:
            found.append(
                f"{name} {np.expm1(value):.6g}: trained from {np.expm1(low):.6g} to "
                f"{np.expm1(high):.6g}"
            )
    first = len(KINDS)
    unknown: set[str] = set()
    for graph in (sample.graph.application, *sample.graph.regions):
        used = graph.nodes[:, first : first + len(CATEGORIES)].max(0) > 0
        known = model.nodes[first : first + len(CATEGORIES)] > 0
        unknown.update(CATEGORIES[n] for n in np.flatnonzero(used & ~known))
    found += [f"{name}: not in the training designs" for name in sorted(unknown)]
    return tuple(found)
