"""Gradient-boosted trees on the analytical features, kept as arrays.

Training takes scikit-learn; prediction reads the arrays and needs nothing else, and nothing is
unpickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.errors import PomError
from pom.qor_model.gnn.samples import TERMS, TOTALS, Sample
from pom.qor_model.gnn.shape import SHAPE
from pom.qor_model.gnn.tables import Array, features

_LEAVES = 10
_LEAST = 10
_RATE = 0.05
_COLUMNS = 0.3
_FLOOR = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Boosted trees of one metric; a leaf points at itself.

    Attributes
    ----------
    feature : ndarray of int64, shape (nodes,)
    threshold : ndarray of float64, shape (nodes,)
        A value up to it goes left.
    left, right : ndarray of int64, shape (nodes,)
    value : ndarray of float64, shape (nodes,)
    roots : ndarray of int64, shape (trees,)
    start : float
        Prediction without trees.
    scale : float
        By which the sum of the trees is multiplied (one over the number of boosters).
    """

    feature: NDArray[np.int64]
    threshold: Array
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Array
    roots: NDArray[np.int64]
    start: float
    scale: float

    def predict(self, inputs: Array) -> Array:
        """Return one number per row of `inputs`."""
        return np.asarray(self.start + self.scale * self.value.take(self.leaves(inputs)).sum(1))

    def leaves(self, inputs: Array) -> NDArray[np.int64]:
        """Return the node where each row of `inputs` ends, shape (rows, trees)."""
        # flat indices: `take` reads them several times faster than pairs of indices
        flat = np.ascontiguousarray(inputs).ravel()
        rows = np.arange(len(inputs))[:, None] * inputs.shape[1]
        place = np.broadcast_to(self.roots, (len(inputs), len(self.roots)))
        while True:
            goes_left = flat.take(rows + self.feature.take(place)) <= self.threshold.take(place)
            below = np.where(goes_left, self.left.take(place), self.right.take(place))
            if np.array_equal(below, place):
                break
            place = below
        return place


def tree_inputs(samples: Sequence[Sample]) -> Array:
    """Analytical features with what each mechanism makes up of the whole."""
    logs = features(samples)
    raw = np.array([s.terms for s in samples], dtype=np.float64)
    total = {name: raw[:, TERMS.index(name), None] + _FLOOR for name in ("lut", "ff")}
    parts = [
        raw[:, [n for n, t in enumerate(TERMS) if t.startswith(f"{name}_")]] / total[name]
        for name in ("lut", "ff")
    ]
    shape = [TERMS.index(name) for name in SHAPE]
    parts.append(np.log((raw[:, shape] + _FLOOR) / total["ff"]))
    return np.hstack([logs, *parts])


def size(samples: Sequence[Sample], metrics: Sequence[str]) -> Array:
    """What the trees correct: the analytical estimate, or the size of the design without one.

    A clock period does not grow with the size.
    """
    logs = features(samples)
    mean = (logs[:, TERMS.index("lut")] + logs[:, TERMS.index("ff")]) / 2
    none = np.zeros(len(samples))
    rest = {m: none if m.endswith("clock_ns") else mean for m in metrics}
    return np.stack([logs[:, TERMS.index(m)] if m in TOTALS else rest[m] for m in metrics], axis=1)


def grow(inputs: Array, target: Array, rounds: int, boosters: int, seed: int) -> Forest:
    """Train the trees of one metric.

    Parameters
    ----------
    inputs : ndarray, shape (designs, features)
    target : ndarray, shape (designs,)
        NaN where nothing was measured.
    rounds : int
        Trees per booster.
    boosters : int
        How many are averaged; each chooses among other features.
    seed : int

    Raises
    ------
    PomError
        ``POM-Q046`` if scikit-learn is not installed.
    """
    require_scikit()
    from sklearn.ensemble import HistGradientBoostingRegressor

    known = ~np.isnan(target)
    found: list[tuple[NDArray[np.void], float]] = []
    for number in range(boosters if known.any() else 0):
        booster = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=rounds, max_leaf_nodes=_LEAVES, learning_rate=_RATE,
            min_samples_leaf=_LEAST, max_features=_COLUMNS, random_state=seed + number,
        )  # fmt: skip
        booster.fit(inputs[known], target[known])
        found += [
            (nodes, float(np.ravel(booster._baseline_prediction)[0]))
            for nodes in (stage[0].nodes for stage in booster._predictors)
        ]
    return join(found, boosters)


def require_scikit() -> None:
    """Refuse to train without scikit-learn.

    Raises
    ------
    PomError
        ``POM-Q046`` if scikit-learn is not installed.
    """
    try:
        import sklearn.ensemble  # noqa: F401
    except ImportError as error:
        raise PomError(
            "POM-Q046", "training needs scikit-learn", hint="pip install 'pom[gnn]'"
        ) from error


def join(found: Sequence[tuple[NDArray[np.void], float]], boosters: int) -> Forest:
    """Make one forest of trees, each with the prediction that its booster starts from.

    Parameters
    ----------
    found : sequence of (ndarray, float)
        Nodes with the fields of scikit-learn's boosters.
    boosters : int
        How many boosters the trees are of.
    """
    columns: list[list[Array]] = [[], [], [], [], []]
    roots: list[int] = []
    count = 0
    for nodes, _ in found:
        own = np.arange(count, count + len(nodes))
        leaf = nodes["is_leaf"].astype(bool)
        parts = (
            np.where(leaf, 0, nodes["feature_idx"]),
            np.where(leaf, np.inf, nodes["num_threshold"]),
            np.where(leaf, own, count + nodes["left"]),
            np.where(leaf, own, count + nodes["right"]),
            np.where(leaf, nodes["value"], 0.0),
        )
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
        roots.append(count)
        count += len(nodes)
    if not roots:
        columns = [[np.zeros(1)] for _ in columns]
        columns[1] = [np.full(1, np.inf)]
        roots = [0]
    feature, threshold, left, right, value = (np.concatenate(c) for c in columns)
    starts = [start for _, start in found]
    return Forest(
        feature.astype(np.int64), threshold.astype(np.float64), left.astype(np.int64),
        right.astype(np.int64), value.astype(np.float64), np.array(roots, dtype=np.int64),
        float(np.mean(starts)) if starts else 0.0, 1.0 / max(1, boosters),
    )  # fmt: skip
