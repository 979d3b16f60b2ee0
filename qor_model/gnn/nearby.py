"""Corrections from a few measured designs to those that have similar nests: an additive Gaussian process.

A design's error is the sum of its nests' errors, each by the nest's share of the design.  So a
measured design speaks for every design with one of its nests, whatever the others are, and twenty
designs say something about most of a kernel's nests.

Two nests are alike as far as the trees that were trained on other kernels do not tell them apart: the
share of trees in which both end in the same leaf (Breiman 2001; the kernel of a forest, Scornet 2016).  So
what counts for a metric was learned, where twenty designs could not choose among a hundred features.
Metrics without such trees go by the distance of the features.  DSP blocks are those of the nest that lends most,
and tools share operators by leaps: there a nest speaks for the same nest only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pom.qor_model.gnn.sums import Parts
from pom.qor_model.gnn.tables import Array
from pom.qor_model.gnn.trees import Forest

_LENGTH = {"dsp": 0.05}
_USUAL_LENGTH = 0.5
_SHARPNESS = 2
"""Power of the share of trees."""
_COMMON = 3.0
_NOISE = 0.1
"""Variances of what all designs of a kernel share and of what nests do not explain; a nest's is 1."""
_LENT = ("dsp",)
"""Metrics of the nest that needs most of what nests lend to each other; designs have no more in common."""
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

    def correction(
        self, parts: Parts, metrics: Sequence[str], trees: Mapping[str, Forest]
    ) -> Array:
        """Return what to add to the logarithms, shape (designs, metrics)."""
        found = np.zeros((len(parts.designs), len(metrics)))
        for column, (metric, length) in enumerate(zip(metrics, self.length, strict=True)):
            if length:
                forest = _judge(metric, trees)
                between = _alike(parts.nests, self.places, self.scale, metric, length, forest)
                own = _shares(parts, metric) @ (between @ self.weights[:, column])
                found[:, column] = self.offset[column] + own
        return found


def fit_nearby(
    parts: Parts, metrics: Sequence[str], rest: Array, trees: Mapping[str, Forest]
) -> tuple[Nearby, Array]:
    """Return the correction, and what is left at each design if it is judged without itself.

    Parameters
    ----------
    parts : Parts
        The measured designs.
    metrics : sequence of str
    rest : ndarray, shape (designs, metrics)
        Measured minus predicted, in logarithms; NaN where nothing was measured.
    trees : mapping of str to Forest
        Those that read nests, by metric, where there are any.

    Notes
    -----
    A correction that does not make the leave-one-out error smaller is left away, so that designs
    that say nothing change nothing. Length and variances are fixed: twenty designs cannot choose
    them.
    """
    scale = parts.nests.std(0) + 0.1
    offset, length = np.zeros(len(metrics)), np.zeros(len(metrics))
    weights, left = np.zeros((len(parts.nests), len(metrics))), np.abs(rest)
    for column, metric in enumerate(metrics):
        known = ~np.isnan(rest[:, column])
        values = rest[known, column]
        if len(values) < 3 or (metric not in _LENT and np.median(np.abs(values)) < _EXACT):
            continue
        shares = _shares(parts, metric)[known]
        far = _LENGTH.get(metric, _USUAL_LENGTH)
        common = 0.0 if metric in _LENT else _COMMON
        forest = _judge(metric, trees)
        between = _alike(parts.nests, parts.nests, scale, metric, far, forest)
        gram = shares @ between @ shares.T + common + _NOISE * np.eye(len(values))
        inverse = np.linalg.inv(gram)
        solved = inverse @ values
        alone = np.abs(solved / np.diag(inverse))
        if alone.mean() < np.abs(values).mean():
            left[known, column] = alone
            length[column], offset[column] = far, common * solved.sum()
            weights[:, column] = shares.T @ solved
    return Nearby(parts.nests, scale, offset, weights, length), left


def _shares(parts: Parts, metric: str) -> Array:
    """Share of every nest in every design, shape (designs, nests).

    Of what nests lend to each other it is that of the nest that needs most.
    """
    if metric in _LENT:
        needed = parts.counts["nest_dsp"].sum(1)[parts.nest]
        most = np.zeros(len(parts.designs))
        np.maximum.at(most, parts.design, needed)
        counts = np.asarray(needed >= most[parts.design], dtype=np.float64)
    else:
        counts = parts.counts[_COUNTS.get(metric, "nest_lut")][parts.nest]
    total = np.bincount(parts.design, counts, minlength=len(parts.designs))
    found = np.zeros((len(parts.designs), len(parts.nests)))
    np.add.at(found, (parts.design, parts.nest), counts / total[parts.design])
    return found


def _judge(metric: str, trees: Mapping[str, Forest]) -> Forest | None:
    """The trees that tell nests apart for a metric; not for operators, which are shared by leaps."""
    return None if metric in _LENT else trees.get(metric)


def _alike(
    first: Array, second: Array, scale: Array, metric: str, length: float, forest: Forest | None
) -> Array:
    """Covariance of nests: how many trees do not tell them apart, or how far they are from each other.

    The latter is exponential, since the error jumps between nests that are close (Matern 1/2). The
    device family, which is the last number of a nest, does not matter to operators.
    """
    if forest is not None:
        return _together(forest, first, second) ** _SHARPNESS
    first, second = first / scale, second / scale
    if metric in _LENT:
        first, second = first[:, :-1], second[:, :-1]
    return np.asarray(np.exp(-np.sqrt(_distances(first, second)) / length))


def _together(forest: Forest, first: Array, second: Array) -> Array:
    """Share of trees in which two nests end in the same leaf."""
    here, there = forest.leaves(first), forest.leaves(second)
    found = np.zeros((len(first), len(second)))
    for one, other in zip(here.T, there.T, strict=True):
        found += one[:, None] == other[None, :]
    return found / len(forest.roots)


def _distances(first: Array, second: Array) -> Array:
    """Mean squared difference over the features."""
    squares = (first**2).mean(1)[:, None] + (second**2).mean(1)[None, :]
    return np.asarray(np.maximum(squares - 2 * first @ second.T / first.shape[1], 0.0))
