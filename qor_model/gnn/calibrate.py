"""How much of each correction is used, and how wide the intervals are: from unseen kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pom.qor_model.gnn.learning_set import LearningSet, Rows
from pom.qor_model.gnn.model import TrainOptions, stretch
from pom.qor_model.gnn.tables import Array

COVERAGE = 0.9
SHRINKAGE = (0.0, 0.25, 0.5, 0.75, 1.0)
TREE_SHARES = (0.0, 0.5, 1.0)
COUNTED = ("dsp",)
"""Metrics that no network corrects: operators are counted, and place and route keeps them, so a
design with more lanes needs no fewer unless the trees know from measured nests that it does."""
_WORTH = 0.05
"""By how much a correction has to be better than none, and trees alone by half of it than half of them:
few kernels decide."""
_WORTH_OF_NETWORKS = 0.3
"""By how much a mixture with networks has to be better than trees on the one or two kernels that
the networks did not see: with less, power of the other kernels got worse by half."""
_NARROWER = 0.95
"""Mean width, as a share of that of equal intervals, from which on the features set the width."""
_MEASURED_FROM = 3
"""Kernels from which on it is known how errors fall with their number."""
_RIDGES = (100.0, 1000.0)
_FLOOR = 1e-3
"""Errors below this (in log) are equally small."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a network says of a kernel that it did not see; `rows` are the kernel's designs."""

    rows: Rows
    predicted: Array


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Per metric; see the attributes of `pom.qor_model.gnn.model.Model`."""

    use_centre: Array
    shrinkage: Array
    tree_share: Array
    radius: Array
    difficulty: Array


def calibrate(
    table: LearningSet, metrics: tuple[str, ...], held: Sequence[Held], trees: Array
) -> Calibration:
    """Choose shares and intervals.

    Parameters
    ----------
    table : LearningSet
    metrics : tuple of str
    held : sequence of Held
        One per network.
    trees : ndarray, shape (samples, metrics)
        Corrections of trees that did not see the design's kernel.
    """
    count, width = len(metrics), table.inputs.shape[1] + 1
    chosen = Calibration(
        np.ones(count), np.ones(count), np.zeros(count), np.zeros(count), np.zeros((count, width))
    )
    kernels = np.array([s.kernel for s in table.samples])
    for column, metric in enumerate(metrics):
        found = _best(table, metric, column, held, trees)
        if found is None:
            continue
        share, shrink, tree = found
        chosen.use_centre[column], chosen.shrinkage[column] = share, shrink
        chosen.tree_share[column] = tree
        rows, rest = _left_over(table, column, held, trees, found)
        radius, chosen.difficulty[column] = _width(np.abs(rest), table.inputs[rows], kernels[rows])
        chosen.radius[column] = radius * (_one_kernel_more(len(set(kernels))) if tree else 1.0)
    return chosen


def _one_kernel_more(kernels: int) -> float:
    """How much smaller the errors of trees on all kernels are than with one of them left out.

    Intervals come from trees that saw one kernel less, and so would be too wide. From three kernels
    on, errors fall at least with the square root of their number: `pom qor learning-curve` has them
    halved from three to six.
    """
    return float(np.sqrt((kernels - 1) / kernels)) if kernels > _MEASURED_FROM else 1.0


Mixture = tuple[float, float, float]
"""Shares of the mean correction and of the networks', and of the trees in the whole."""


def _best(
    table: LearningSet, metric: str, column: int, held: Sequence[Held], trees: Array
) -> Mixture | None:
    """The mixture with the smallest error on kernels that were not seen; None without labels.

    What needs no network is judged on all kernels. There are few kernels that a network did not
    see, so that a mixture with networks has to be better than that by far.
    """
    kernels = np.array([s.kernel for s in table.samples])
    unseen = [np.flatnonzero(kernels == name) for name in sorted(set(kernels))]
    everything = [Held(rows, np.zeros((len(rows), trees.shape[1]))) for rows in unseen]
    mixtures = _mixtures(table.options, metric)
    alone: list[tuple[float, Mixture]] = []
    for mixture in filter(_is_alone, mixtures):
        error = _error(table, column, everything, trees, mixture)
        if error is not None:
            alone.append((error * (1.0 - _margin(mixture)), mixture))
    found: list[tuple[float, Mixture]] = []
    for mixture in [min(alone)[1]] if alone else []:
        error = _error(table, column, held, trees, mixture)
        if error is not None:
            found.append((error * (1.0 - _WORTH_OF_NETWORKS), mixture))
    for mixture in mixtures:
        error = None if _is_alone(mixture) else _error(table, column, held, trees, mixture)
        if error is not None:
            found.append((error, mixture))
    return min(found or alone)[1] if found or alone else None


def _margin(mixture: Mixture) -> float:
    """By how much what has more of a say than this mixture has to be better."""
    share, _, tree = mixture
    return _WORTH * (1.0 - tree) if tree or not share else 0.0


def _is_alone(mixture: Mixture) -> bool:
    """Whether no network has a say."""
    _, shrink, tree = mixture
    return shrink == 0.0 or tree == 1.0


def _error(
    table: LearningSet, column: int, held: Sequence[Held], trees: Array, mixture: Mixture
) -> float | None:
    """Mean over kernels of the mean error; None without labels."""
    rests = (_rest(table, column, one, trees, mixture) for one in held)
    known = [np.abs(rest[~np.isnan(rest)]) for rest in rests]
    errors = [rest.mean() for rest in known if len(rest)]
    return float(np.mean(errors)) if errors else None


def _mixtures(options: TrainOptions, metric: str) -> list[Mixture]:
    if not options.is_residual:
        return [(1.0, 1.0, 0.0)]
    shares = TREE_SHARES if options.boosters else (0.0,)
    if metric in COUNTED:
        return [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), *((0.0, 0.0, t) for t in shares if t)]
    return [
        (share, shrink, tree)
        for tree in shares
        for share, shrink in (
            [(0.0, 0.0)] if tree == 1.0 else [(a, b) for a in (0.0, 1.0) for b in SHRINKAGE]
        )
    ]


def _rest(table: LearningSet, column: int, held: Held, trees: Array, mixture: Mixture) -> Array:
    share, shrink, tree = mixture
    centre, spread = table.centre[column], table.spread[column]
    network = share * centre + shrink * spread * held.predicted[:, column]
    whole = network + tree * (trees[held.rows, column] - network)
    return np.asarray(table.correction[held.rows, column] - whole)


def _left_over(
    table: LearningSet, column: int, held: Sequence[Held], trees: Array, mixture: Mixture
) -> tuple[Rows, Array]:
    """Rows, and what the mixture leaves over there; all rows where no network has a say."""
    _, shrink, tree = mixture
    if shrink == 0.0 or tree == 1.0:
        rows = np.arange(len(table.samples))
        everything = Held(rows, np.zeros_like(table.correction))
        rest = _rest(table, column, everything, trees, mixture)
    else:
        rows = np.concatenate([h.rows for h in held])
        rest = np.concatenate([_rest(table, column, h, trees, mixture) for h in held])
    known = ~np.isnan(rest)
    return rows[known], rest[known]


def _width(errors: Array, inputs: Array, kernels: Array) -> tuple[float, Array]:
    """Half width of the interval and what it depends on (Lei et al. 2018, locally weighted).

    The logarithm of the error is regressed on the features without each kernel in turn; the
    half width is the quantile of the errors divided by what is expected of them.  Intervals of
    one width stay where that does not make them narrower.
    """
    same, none = rank(errors), np.zeros(inputs.shape[1] + 1)
    names = sorted(set(kernels))
    if same <= _FLOOR or len(names) < 3:
        return same, none
    logs = np.log(np.maximum(errors, _FLOOR))
    best = (_NARROWER * same, same, none)
    for ridge in _RIDGES:
        expected = np.ones(len(errors))
        for name in names:
            left = kernels == name
            weights = _regress(inputs[~left], logs[~left], ridge)
            expected[left] = stretch(weights[None], inputs[left])[:, 0]
        radius = rank(errors / expected)
        mean = radius * float(expected.mean())
        if mean < best[0]:
            best = (mean, radius, _regress(inputs, logs, ridge))
    return best[1], best[2]


def _regress(inputs: Array, logs: Array, ridge: float) -> Array:
    """Weights and constant of a ridge regression of `logs` less their mean."""
    middle = inputs.mean(0)
    centred = inputs - middle
    gram = centred.T @ centred + ridge * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (logs - logs.mean()))
    return np.append(weights, -middle @ weights)


def rank(rest: Array) -> float:
    """The error that `COVERAGE` of the designs stay below (split conformal)."""
    ordered = np.sort(rest)
    rank = min(len(ordered) - 1, int(np.ceil((len(ordered) + 1) * COVERAGE)) - 1)
    return float(ordered[rank])
