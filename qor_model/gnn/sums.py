"""Designs as sums of parts, and boosted trees that correct every part.

What place and route leaves of a design is, within two percent, a sum over its nests, its operators
and its memories (ml4accel_postroute.csv).  So the trees do not correct the total: each part starts
as its analytical count times a ratio that all designs share, and the trees learn by which factor a
part of this kind differs.  A nest that is known from one kernel is then known in every other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.gnn.nests import GROUPS, NEST
from pom.qor_model.gnn.samples import TERMS, Sample
from pom.qor_model.gnn.tables import Array
from pom.qor_model.gnn.trees import Forest, join, require_scikit

PARTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "lut": (("nest_lut",), ("operators_lut",), ("banks", "constant")),
    "ff": (("nest_ff",), ("operators_ff",), ("banks", "constant"), ("started_banks",)),
    "dsp": (("nest_dsp",), ("other_dsp",)),
    "power_mw": (
        ("nest_lut",),
        tuple(
            name + family
            for name in ("routed_lut", "routed_ff", "routed_dsp", "bram_18k", "banks", "constant")
            for family in ("", "_7series")
        ),
    ),
}
"""Parts of every metric that is a sum, and the counts that each of them starts from; those that end
in ``_7series`` count on devices of that family only."""
_POWER = ("routed_lut", "routed_ff", "routed_dsp", "bram_18k", "banks")
_ACTIVITY = ("is_7series", "latency", "ff_pipelined_control")
"""What the trees of power read of a whole design: how large it is, and how busy. With all terms they
tell the kernels apart and not what makes them differ (k3mm, left out: 29 instead of 17 %)."""
_RATE = 0.1
_NEST_LEAVES, _NEST_LEAST, _NEST_COLUMNS = 32, 4, 0.3
_LEAVES, _LEAST_SHARE, _COLUMNS = 12, 0.006, 0.3
_CLIP, _SMALL, _STEP = 0.3, 0.02, 0.05
_LEAST_RATIOS = {"lut": 0.05, "ff": 0.05, "dsp": 0.05, "power_mw": 0.001}
"""In LUTs and so on per counted one; in mW per counted LUT."""
_CALM = 0.1
"""How much a nest that lends its operators weighs against a correction that it has no part in."""
_KEPT = (0.3, 1.0)
"""Registers of all nests together over those of each alone: values of one operator or port share
registers across nests, since these run one after the other."""
_AS_COUNTED = frozenset({"nest_dsp", "other_dsp"})
"""Counts that place and route leaves as they are."""
_FIXED = "other_dsp"
_GROUPS = tuple(NEST.index(f"{group}_dsp") for group in GROUPS)
_NODE = [
    ("is_leaf", "u1"), ("feature_idx", "i8"), ("num_threshold", "f8"), ("left", "i8"),
    ("right", "i8"), ("value", "f8"),
]  # fmt: skip
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Designs taken apart.

    Attributes
    ----------
    nests : ndarray, shape (different nests, features)
        What the trees of nests read.
    designs : ndarray, shape (designs, features)
        What the trees of all other parts read.
    design, nest : ndarray of int64
        Which design has which nest, once per occurrence.
    counts : mapping of str to ndarray
        Analytical counts: of every nest for those that begin with ``nest_``, else of every design.
        Those of operators that nests lend to each other have a column per group of operators.
        ``kept_`` and the name of a part of nests: which share of it is left where they share.
    """

    nests: Array
    designs: Array
    design: Indices
    nest: Indices
    counts: Mapping[str, Array]

    def count(self, name: str) -> Array:
        """Counts of a name, or for ``_7series`` those on devices of that family."""
        plain = name.removesuffix("_7series")
        if plain == name or name in self.counts:
            return self.counts[name]
        return self.counts[plain] * self.counts["is_7series"]

    def inputs(self, first: str) -> Array:
        """What the trees of a part read, by the first of its counts."""
        if first.startswith("nest_"):
            return self.nests
        if not first.startswith("routed_"):
            return self.designs
        sizes = [np.log1p(self.counts[name]) for name in _POWER]
        ratios = [size - sizes[0] for size in sizes[1:]]
        activity = [self.designs[:, TERMS.index(name)] for name in _ACTIVITY]
        return _single(np.column_stack([*sizes, *ratios, *activity]))

    def chosen(self, rows: NDArray[np.bool_]) -> Parts:
        """Only some designs."""
        kept = rows[self.design]
        place = np.cumsum(rows) - 1
        counts = {n: c if n.startswith("nest_") else c[rows] for n, c in self.counts.items()}
        return Parts(
            self.nests, self.designs[rows], place[self.design[kept]], self.nest[kept], counts
        )

    def spread(self, values: Array, name: str) -> Array:
        """Values of a part per design.

        Those of nests are added up, less what nests share; of lent operators the most counts.
        """
        if not name.startswith("nest_"):
            return values
        if values.ndim == 2:
            most = np.zeros((len(self.designs), values.shape[1]))
            np.maximum.at(most, self.design, values[self.nest])
            return np.asarray(most.sum(1))
        total = _added(self.design, values[self.nest], len(self.designs))
        return total * self.counts.get(f"kept_{name}", 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class SumForest:
    """A metric as a sum: per part, ratios of its counts and the trees of its factor."""

    metric: str
    ratios: tuple[Array, ...]
    forests: tuple[Forest, ...]

    def predict(self, parts: Parts) -> Array:
        """Return log(1 + value) of every design."""
        total = np.zeros(len(parts.designs))
        for names, ratio, forest in zip(PARTS[self.metric], self.ratios, self.forests, strict=True):
            start = _start(parts, names, ratio)
            factor = np.exp(forest.predict(parts.inputs(names[0])))
            total += parts.spread(_times(start, factor), names[0])
        return np.log1p(total)


def take_apart(samples: Sequence[Sample]) -> Parts:
    """Return the parts of designs."""
    numbers: dict[tuple[float, ...], int] = {}
    design: list[int] = []
    nest: list[int] = []
    for row, sample in enumerate(samples):
        family = sample.term("is_7series")
        for item in sample.nests:
            design.append(row)
            nest.append(numbers.setdefault((*item, family), len(numbers)))
    nests = np.array(list(numbers), dtype=np.float64).reshape(len(numbers), len(NEST) + 1)
    terms = np.array([s.terms for s in samples], dtype=np.float64).reshape(-1, len(TERMS))
    index = np.array(design, dtype=np.int64), np.array(nest, dtype=np.int64)
    started = nests[:, NEST.index("started_banks")]
    counts: dict[str, Array] = {
        "nest_lut": np.maximum(nests[:, NEST.index("lut")], 5.0),
        "nest_ff": np.maximum(nests[:, NEST.index("ff")], 5.0),
        "operators_lut": _column(terms, "lut_operators") + 30.0,
        "operators_ff": _column(terms, "ff_operators") + 30.0,
        "banks": _column(terms, "banks"),
        "started_banks": _added(index[0], started[index[1]], len(samples)),
        "dsp": _column(terms, "dsp"),
        "bram_18k": _column(terms, "bram_18k"),
        "constant": np.ones(len(samples)),
    }
    counts["is_7series"] = _column(terms, "is_7series")
    counts["nest_dsp"] = nests[:, _GROUPS]
    designs = _logs(np.column_stack([terms, counts["started_banks"]]))
    parts = Parts(_single(_logs(nests)), _single(designs), *index, counts)
    lent = parts.spread(counts["nest_dsp"], "nest_dsp")
    counts["other_dsp"] = np.maximum(counts["dsp"] - lent, 0.0)
    alone = parts.spread(counts["nest_ff"], "nest_ff")
    together = _column(terms, "ff") - _column(terms, "ff_operators") - _column(terms, "ff_memory")
    counts["kept_nest_ff"] = np.clip(together / np.maximum(alone, 1.0), *_KEPT)
    return replace(parts, counts=counts)


def _column(terms: Array, name: str) -> Array:
    return np.asarray(terms[:, TERMS.index(name)])


def grow_sum(
    parts: Parts, metric: str, target: Array, rounds: int, boosters: int, seed: int
) -> SumForest:
    """Train the trees of a metric that is a sum.

    Parameters
    ----------
    parts : Parts
    metric : str
        One of `PARTS`.
    target : ndarray, shape (designs,)
        log(1 + measured); NaN where nothing was measured.
    rounds : int
        Trees per part and booster.
    boosters : int
        How many are averaged.
    seed : int

    Notes
    -----
    Every round grows one tree per part. Its target is the design's relative error, its weights are
    the part's shares of the total: since the logarithm of a sum is concave in the logarithms of
    its parts, the leaf means are a step that does not overshoot (the bound behind expectation
    maximisation). Errors are clipped, so that outliers do not lead.
    """
    require_scikit()
    known = ~np.isnan(target)
    seen, truth = parts.chosen(known), target[known]
    names = PARTS[metric]
    ratios = _ratios(seen, metric, np.expm1(truth))
    grown: list[list[tuple[NDArray[np.void], float]]] = [[] for _ in names]
    for number in range(boosters if known.any() else 0):
        for found, trees in zip(
            grown, _boost(seen, names, ratios, truth, rounds, seed + number), strict=True
        ):
            found += [(tree, 0.0) for tree in trees]
    return SumForest(metric, ratios, tuple(join(found, boosters) for found in grown))


def _boost(
    parts: Parts,
    names: Sequence[tuple[str, ...]],
    ratios: Sequence[Array],
    truth: Array,
    rounds: int,
    seed: int,
) -> list[list[NDArray[np.void]]]:
    """Trees of one booster, per part."""
    rng = np.random.RandomState(seed)
    firsts = [part[0] for part in names]
    starts = [_start(parts, n, r) for n, r in zip(names, ratios, strict=True)]
    values, factors = list(starts), [np.zeros(len(start)) for start in starts]
    inputs = [parts.inputs(first) for first in firsts]
    single = [item.astype(np.float32) for item in inputs]
    grown: list[list[NDArray[np.void]]] = [[] for _ in names]
    for _ in range(rounds):
        total = np.zeros(len(truth))
        for first, value in zip(firsts, values, strict=True):
            total += parts.spread(value, first)
        step = _step(truth - np.log1p(total))
        before = list(values)
        for place, first in enumerate(firsts):
            if first == _FIXED:
                continue
            if first.startswith("nest_"):
                data = _of_nests(parts, first, before[place], total, step, factors[place])
            else:
                data = inputs[place], before[place] / np.maximum(total, 1.0), step
            tree = _tree(data, first, rng.randint(1 << 30))
            factors[place] += _RATE * tree.predict(single[place])[:, 0]
            values[place] = _times(starts[place], np.exp(factors[place]))
            grown[place].append(_nodes(tree))
    return grown


def _step(error: Array) -> Array:
    """What a round aims at: the error, not much less where it is small, and clipped."""
    size = np.minimum(np.abs(error), _CLIP)
    wanted = np.sign(error) * np.minimum(size + _STEP, _CLIP)
    return np.asarray(wanted * size / np.hypot(size, _SMALL))


def _tree(data: tuple[Array, Array, Array], first: str, seed: int) -> Any:
    """One tree of scikit-learn's on inputs, weights and targets."""
    from sklearn.tree import DecisionTreeRegressor

    inputs, weight, wanted = data
    if first.startswith("nest_"):
        tree = DecisionTreeRegressor(
            max_leaf_nodes=_NEST_LEAVES, min_samples_leaf=_NEST_LEAST, max_features=_NEST_COLUMNS,
            random_state=seed,
        )  # fmt: skip
    else:
        least = max(_NEST_LEAST, round(_LEAST_SHARE * len(wanted)))
        tree = DecisionTreeRegressor(
            max_leaf_nodes=_LEAVES, min_samples_leaf=least, max_features=_COLUMNS,
            random_state=seed,
        )  # fmt: skip
    # the checks of the inputs would take longer than the tree
    tree.fit(
        inputs.astype(np.float32), wanted[:, None], sample_weight=weight + 1e-9, check_input=False
    )
    return tree.tree_


def _added(place: Indices, values: Array, count: int) -> Array:
    return np.asarray(np.bincount(place, values, minlength=count), dtype=np.float64)


def _of_nests(
    parts: Parts, first: str, values: Array, total: Array, step: Array, factors: Array
) -> tuple[Array, Array, Array]:
    """Inputs, weights and targets of the nests that there are in the designs.

    Of operators that nests lend to each other only the nest that needs most has a share. What is
    not seen of the others is that they need no more than that, so that they keep their counts.
    """
    count = len(values)
    shown = values[parts.nest]
    kept = parts.counts.get(f"kept_{first}")
    if kept is not None:
        shown = shown * kept[parts.design]
    calm = np.zeros(count)
    if values.ndim == 2:
        most = np.zeros((len(total), values.shape[1]))
        np.maximum.at(most, parts.design, shown)
        shown = np.where(shown >= most[parts.design], shown, 0.0).sum(1)
        lends = np.asarray(values[parts.nest].any(1), dtype=np.float64)
        calm = _CALM * _added(parts.nest, lends, count)
    share = shown / np.maximum(total, 1.0)[parts.design]
    weight = _added(parts.nest, share, count) + calm
    wanted = _added(parts.nest, share * step[parts.design], count)
    there = np.unique(parts.nest)
    wanted = (wanted - calm * factors) / np.maximum(weight, 1e-9)
    return parts.nests[there], weight[there], wanted[there]


def _ratios(parts: Parts, metric: str, truth: Array) -> tuple[Array, ...]:
    """Non-negative ratios of all counts with the smallest squared relative error.

    A part that trees correct keeps a little even where the others explain it all.
    """
    from sklearn.linear_model import LinearRegression

    names = PARTS[metric]
    if _AS_COUNTED.issuperset(n for part in names for n in part):
        return tuple(np.ones(len(part)) for part in names)
    columns = [parts.spread(parts.count(n), n) for part in names for n in part]
    if not len(truth):
        return tuple(np.ones(len(part)) for part in names)
    scale = 1.0 / np.maximum(truth, 1.0)
    rows = np.stack(columns, axis=1) * scale[:, None]
    found = LinearRegression(fit_intercept=False, positive=True).fit(rows, truth * scale).coef_
    firsts = np.array([n == p[0] and n != "constant" for p in names for n in p])
    found = np.maximum(found, _LEAST_RATIOS[metric] * firsts)
    ends = np.cumsum([len(part) for part in names])
    return tuple(np.split(found, ends[:-1]))


def _start(parts: Parts, names: Sequence[str], ratio: Array) -> Array:
    return np.asarray(sum(r * parts.count(n) for r, n in zip(ratio, names, strict=True)))


def _times(values: Array, factor: Array) -> Array:
    return values * (factor[:, None] if values.ndim == 2 else factor)


def _nodes(tree: Any) -> NDArray[np.void]:
    """A tree of scikit-learn in the fields of its boosters, with the rate in its values."""
    found = np.zeros(tree.node_count, dtype=_NODE)
    found["is_leaf"] = tree.children_left < 0
    found["feature_idx"], found["num_threshold"] = tree.feature, tree.threshold
    found["left"], found["right"] = tree.children_left, tree.children_right
    found["value"] = _RATE * tree.value[:, 0, 0]
    return found


def _logs(numbers: Array) -> Array:
    return np.asarray(np.log1p(np.maximum(numbers, 0.0)))


def _single(inputs: Array) -> Array:
    """In the precision in which scikit-learn compares with thresholds."""
    return inputs.astype(np.float32).astype(np.float64)
