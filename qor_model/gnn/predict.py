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
from pom.qor_model.gnn.tables import Array, features
from pom.qor_model.gnn.weights import load, shipped

_FAR = float(np.log(2.0))
"""A feature this far (in log) outside the trained range is out of range: a factor of two."""
_WHOLE = ("lut", "ff")
"""Features that say how large a design is, which may be too little."""
LABELS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram_18k": "BRAM 18k"}
"""Totals for people; other features are named by their own words."""


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
    notes : tuple of str
        Of what it has less than any training design, without being outside for that.
    """

    name: str
    estimates: tuple[Estimate, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()

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
    far = [_far(found, terms) for terms in raw]
    return tuple(
        Prediction(
            sample.name,
            tuple(
                Estimate(m, *(float(np.expm1(max(x, 0.0))) for x in (v, v - r, v + r)))
                for m, v, r in zip(found.metrics, row, width, strict=True)
            ),
            (*_unseen(found, sample), *much),
            tuple(less),
        )
        for sample, row, width, (much, less) in zip(designs, values, widths, far, strict=True)
    )


def _unseen(model: Model, sample: Sample) -> tuple[str, ...]:
    """What of a design no training design had, apart from sizes."""
    found: list[str] = []
    device = sample.device.lower()
    if not any(device.startswith(d.split("-")[0]) for d in model.devices):
        found.append(f"device {sample.device}: trained on {', '.join(model.devices)}")
    if abs(sample.clock_ns - model.clock_ns) > 0.1 * model.clock_ns:
        found.append(f"clock {sample.clock_ns:g} ns: trained at {model.clock_ns:g} ns")
    first = len(KINDS)
    known = model.nodes[first : first + len(CATEGORIES)] > 0
    unknown = sample.categories - {
        c for c, is_known in zip(CATEGORIES, known, strict=True) if is_known
    }
    found += [f"{name}: not in the training designs" for name in sorted(unknown)]
    return tuple(found)


def _far(model: Model, terms: Array) -> tuple[list[str], list[str]]:
    """Features more than a factor of two outside of the training, the farthest first.

    Too much of anything, and too small a design, are out of the range. Less of one mechanism than
    in any training design is only noted: the analytical estimate, which is corrected, counts what
    is there. What several features say of one mechanism (as LUTs and as flip-flops) is said once.
    """
    far: dict[str, tuple[float, str]] = {}
    less: dict[str, tuple[float, str]] = {}
    for name, value, low, high in zip(TERMS, terms, model.low, model.high, strict=True):
        distance = max(value - high, low - value)
        if distance <= _FAR:
            continue
        words = _words(name)
        bound, side = (high, "most") if value > high else (low, "least")
        text = f"{words} {np.expm1(value):.6g}: the {side} in training is {np.expm1(bound):.6g}"
        group = far if value > high or name in _WHOLE else less
        group[words] = max(group.get(words, (0.0, "")), (distance, text))
    return _ordered(far), _ordered(less)


def _ordered(found: dict[str, tuple[float, str]]) -> list[str]:
    return [text for _, text in sorted(found.values(), key=lambda item: (-item[0], item[1]))]


def _words(name: str) -> str:
    """A feature for people."""
    if name in LABELS:
        return LABELS[name]
    return name.removeprefix("lut_").removeprefix("ff_").replace("_", " ")
