"""Samples as tables of numbers: features, the analytical base, and measured values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.gnn.samples import TERMS, TOTALS, Sample

Array = NDArray[np.float64]


def features(samples: Sequence[Sample]) -> Array:
    """Logarithms of the analytical features, shape (samples, len(TERMS))."""
    return np.log1p(np.maximum(np.array([s.terms for s in samples], dtype=np.float64), 0.0))


def base(samples: Sequence[Sample], metrics: Sequence[str]) -> Array:
    """Log(1 + analytical estimate); 0 for a metric that the analytical model does not have."""
    found = features(samples)
    columns = [found[:, TERMS.index(m)] if m in TOTALS else np.zeros(len(samples)) for m in metrics]
    return np.stack(columns, axis=1)


def measured(samples: Sequence[Sample]) -> Array:
    """Log(1 + measured value); NaN where nothing was measured."""
    return np.log1p(np.array([s.labels for s in samples], dtype=np.float64))


def tokens(samples: Sequence[Sample]) -> Array:
    """The directives by name, as numbers; -1 for one that a kernel does not have."""
    names = sorted({name for s in samples for name, _ in s.tokens})
    place = {name: n for n, name in enumerate(names)}
    found = np.full((len(samples), len(names)), -1.0)
    for row, sample in zip(found, samples, strict=True):
        for name, value in sample.tokens:
            row[place[name]] = value
    return found


def errors(predicted: Array, truth: Array) -> Array:
    """Mean absolute error in percent of each metric, of values given as log(1 + x).

    The error is relative to each measured value; where a tenth of the values or more are 0, to
    the mean of the measured values.
    """
    estimate, actual = np.expm1(predicted), np.expm1(truth)
    result = np.full(actual.shape[1], np.nan)
    for column in range(actual.shape[1]):
        known = ~np.isnan(actual[:, column])
        e, a = estimate[known, column], actual[known, column]
        if not len(a):
            continue
        scale = np.full(len(a), a.mean()) if np.mean(a == 0) >= 0.1 else a
        result[column] = 100.0 * np.mean(np.abs(e - a) / np.maximum(scale, 1.0))
    return result
