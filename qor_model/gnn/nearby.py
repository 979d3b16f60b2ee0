"""Corrections from a few measured designs to those that have similar nests: an additive Gaussian process.

A design's error is the sum of its nests' errors, each by the nest's share of the design.  So a
measured design speaks for every design with one of its nests, whatever the others are, and twenty
designs say something about most of a kernel's nests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pom.qor_model.gnn.sums import Parts
from pom.qor_model.gnn.tables import Array

_LENGTH = 0.5
_COMMON = 3.0
_NOISE = 0.1
"""Variances of what all designs of a kernel share and of what nests do not explain; a nest's is 1."""
_EXACT = 0.01
"""Most designs of a metric that is exact but for outliers are within this (in log)."""
_COUNTS = {"lut": "nest_lut", "ff": "nest_ff"}


@dataclass(frozen=True, slots=True, eq=False)
class Nearby:
    """A function of nests, through what is left over at the measured designs.

    Attributes
    ----------
    places : ndarray, shape (nests, features)
        The nests of the measured designs.
    scale : ndarray, shape (features,)
    offset : ndarray, shape (metrics,)
        What is common to all designs.
    weights : ndarray, shape (nests, metrics)
    length : ndarray, shape (metrics,)
        How far a nest speaks for others, per metric; 0: no correction.
    """

    places: Array
    scale: Array
    offset: Array
    weights: Array
    length: Array

    def correction(self, parts: Parts, metrics: Sequence[str]) -> Array:
        """Return what to add to the logarithms, shape (designs, metrics)."""
        found = np.zeros((len(parts.designs), len(metrics)))
        apart = _distances(parts.nests / self.scale, self.places / self.scale)
        for column, (metric, length) in enumerate(zip(metrics, self.length, strict=True)):
            if length:
                own = _alike(apart, length) @ self.weights[:, column]
                found[:, column] = self.offset[column] + _shares(parts, metric) @ own
        return found


def fit_nearby(parts: Parts, metrics: Sequence[str], rest: Array) -> tuple[Nearby, Array]:
    """Return the correction, and what is left at each design if it is judged without itself.

    Parameters
    ----------
    parts : Parts
        The measured designs.
    metrics : sequence of str
    rest : ndarray, shape (designs, metrics)
        Measured minus predicted, in logarithms; NaN where nothing was measured.

    Notes
    -----
    A correction that does not make the leave-one-out error smaller is left away, so that designs
    that say nothing change nothing. Length and variances are the same for all metrics: twenty
    designs cannot choose them.
    """
    scale = parts.nests.std(0) + 0.1
    apart = _distances(parts.nests / scale, parts.nests / scale)
    offset, length = np.zeros(len(metrics)), np.zeros(len(metrics))
    weights, left = np.zeros((len(parts.nests), len(metrics))), np.abs(rest)
    between = _alike(apart, _LENGTH)
    for column, metric in enumerate(metrics):
        known = ~np.isnan(rest[:, column])
        values = rest[known, column]
        if len(values) < 3 or np.median(np.abs(values)) < _EXACT:
            continue
        shares = _shares(parts, metric)[known]
        gram = shares @ between @ shares.T + _COMMON + _NOISE * np.eye(len(values))
        inverse = np.linalg.inv(gram)
        solved = inverse @ values
        alone = np.abs(solved / np.diag(inverse))
        if alone.mean() < np.abs(values).mean():
            left[known, column] = alone
            length[column], offset[column] = _LENGTH, _COMMON * solved.sum()
            weights[:, column] = shares.T @ solved
    return Nearby(parts.nests, scale, offset, weights, length), left


def _shares(parts: Parts, metric: str) -> Array:
    """Share of every nest in every design, shape (designs, nests)."""
    counts = parts.counts[_COUNTS.get(metric, "nest_lut")][parts.nest]
    total = np.bincount(parts.design, counts, minlength=len(parts.designs))
    found = np.zeros((len(parts.designs), len(parts.nests)))
    np.add.at(found, (parts.design, parts.nest), counts / total[parts.design])
    return found


def _alike(apart: Array, length: float) -> Array:
    """Covariance: exponential, since the error jumps between nests that are close (Matern 1/2)."""
    return np.asarray(np.exp(-np.sqrt(apart) / length))


def _distances(first: Array, second: Array) -> Array:
    """Mean squared difference over the features."""
    squares = (first**2).mean(1)[:, None] + (second**2).mean(1)[None, :]
    return np.asarray(np.maximum(squares - 2 * first @ second.T / first.shape[1], 0.0))
