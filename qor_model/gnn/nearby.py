"""Corrections from a few measured designs to those that look like them: kernel ridge regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pom.qor_model.gnn.tables import Array

_LENGTHS = (0.25, 0.5, 1.0, 2.0)
_RIDGES = (0.03, 0.1, 0.3, 1.0)
_EXACT = 0.01
"""Most designs of a metric that is exact but for outliers are within this (in log)."""


@dataclass(frozen=True, slots=True, eq=False)
class Nearby:
    """A smooth function through what is left over at the measured designs.

    Attributes
    ----------
    places : ndarray, shape (designs, features)
        The measured designs, in the normalised features of the model.
    offset : ndarray, shape (metrics,)
        Mean of what was left over.
    weights : ndarray, shape (designs, metrics)
    length : ndarray, shape (metrics,)
        How far a design speaks for others, per metric; 0: not at all.
    """

    places: Array
    offset: Array
    weights: Array
    length: Array

    def correction(self, inputs: Array) -> Array:
        """Return what to add, shape (samples, metrics)."""
        found = np.tile(self.offset, (len(inputs), 1))
        apart = _distances(inputs, self.places)
        for column, length in enumerate(self.length):
            if length:
                found[:, column] += np.exp(-apart / (2 * length**2)) @ self.weights[:, column]
        return found


def fit_nearby(places: Array, rest: Array) -> tuple[Nearby, Array]:
    """Return the correction, and what is left at each design if it is judged without itself.

    Parameters
    ----------
    places : ndarray, shape (designs, features)
    rest : ndarray, shape (designs, metrics)
        Measured minus predicted, in logarithms; NaN where nothing was measured.

    Notes
    -----
    Length and ridge are those with the smallest leave-one-out error among a few; an offset alone
    and no correction at all are among them, so that designs that say nothing change nothing.
    """
    count, metrics = rest.shape
    offset, length = np.zeros(metrics), np.zeros(metrics)
    weights, left = np.zeros((count, metrics)), np.abs(rest)
    apart = _distances(places, places)
    for column in range(metrics):
        known = ~np.isnan(rest[:, column])
        values = rest[known, column]
        if len(values) < 3 or np.median(np.abs(values)) < _EXACT:
            continue
        best = (float(np.abs(values).mean()), 0.0, 0.0)
        kept = np.abs(values)
        for one, ridge in _choices():
            found = _alone(apart[np.ix_(known, known)], values, one, ridge)
            error = float(np.abs(found).mean())
            if error < best[0]:
                best, kept = (error, one, ridge), np.abs(found)
        left[known, column] = kept
        if not best[2]:
            continue
        offset[column] = _shrunk_mean(values)
        if best[1]:
            length[column] = best[1]
            gram = np.exp(-apart[np.ix_(known, known)] / (2 * best[1] ** 2))
            weights[known, column] = np.linalg.solve(
                gram + best[2] * np.eye(len(values)), values - offset[column]
            )
    return Nearby(places, offset, weights, length), left


def _choices() -> Sequence[tuple[float, float]]:
    """Lengths and ridges that are tried; length 0 with a ridge is the offset alone."""
    return [(0.0, 1.0), *((one, ridge) for one in _LENGTHS for ridge in _RIDGES)]


def _alone(apart: Array, values: Array, length: float, ridge: float) -> Array:
    """What is left of every value when the others correct it."""
    found = np.empty(len(values))
    everything = np.arange(len(values))
    for index in everything:
        others = everything != index
        offset = _shrunk_mean(values[others])
        found[index] = values[index] - offset
        if length:
            gram = np.exp(-apart[np.ix_(others, others)] / (2 * length**2))
            weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), values[others] - offset)
            found[index] -= np.exp(-apart[index, others] / (2 * length**2)) @ weights
    return found


def _shrunk_mean(values: Array) -> float:
    return float(values.sum() / (len(values) + 1.0))


def _distances(first: Array, second: Array) -> Array:
    """Mean squared difference over the features."""
    squares = (first**2).mean(1)[:, None] + (second**2).mean(1)[None, :]
    return np.asarray(np.maximum(squares - 2 * first @ second.T / first.shape[1], 0.0))
