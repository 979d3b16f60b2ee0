"""A model corrected with a few measured designs of the kernel, device or tool version at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pom.errors import PomError
from pom.qor_model.gnn.calibrate import COVERAGE, rank
from pom.qor_model.gnn.model import Model, forward, nest_trees, normalised, stretch
from pom.qor_model.gnn.nearby import fit_nearby
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.sums import take_apart
from pom.qor_model.gnn.tables import features, measured


def with_metrics(
    samples: Sequence[Sample], measured_metrics: Sequence[str], wanted: Sequence[str]
) -> list[Sample]:
    """The samples with the labels that a model predicts, in its order; NaN where there is none.

    Raises
    ------
    PomError
        ``POM-Q045`` if nothing that the model predicts was measured.
    """
    if not set(measured_metrics) & set(wanted):
        raise PomError(
            "POM-Q045", f"the labels have {', '.join(measured_metrics)}, none of {', '.join(wanted)}"
        )  # fmt: skip
    nan = float("nan")
    return [
        replace(s, labels=tuple(known.get(m, nan) for m in wanted))
        for s in samples
        for known in [dict(zip(measured_metrics, s.labels, strict=True))]
    ]


def fine_tune(model: Model, samples: Sequence[Sample]) -> Model:
    """Return the model with a correction for designs that look like the measured ones.

    Networks and trees stay as they are. What they leave over at the measured designs is carried
    to similar ones (`pom.qor_model.gnn.nearby`), as far as that helps designs that are left out in
    turn; the interval follows the errors that remain then.

    Raises
    ------
    PomError
        ``POM-Q045`` for fewer than five designs.
    """
    if len(samples) < 5:
        raise PomError("POM-Q045", f"five designs or more are needed, got {len(samples)}")
    if not model.options.is_residual:
        raise PomError("POM-Q045", "only a model of residuals can be corrected")
    start = replace(model, nearby=None)
    predicted, truth = forward(start, samples), measured(samples)
    places = normalised(model, samples)
    rest, trees = truth - predicted, nest_trees(model)
    nearby, left = fit_nearby(take_apart(samples), model.metrics, rest, trees)
    radius = model.radius.copy()
    left = left / stretch(model.difficulty, places)
    for column in range(len(model.metrics)):
        known = left[~np.isnan(left[:, column]), column]
        if len(known):
            found = rank(known)
            # fewer errors have no such quantile: the interval stays as wide as it was
            is_known = np.ceil((len(known) + 1) * COVERAGE) <= len(known)
            radius[column] = found if is_known else max(found, radius[column])
    raw = features(samples)
    return replace(
        model, nearby=nearby, radius=radius,
        low=np.minimum(model.low, raw.min(0)), high=np.maximum(model.high, raw.max(0)),
        kernels=tuple(sorted({*model.kernels, *(s.kernel for s in samples)})),
        devices=tuple(sorted({*model.devices, *(s.device for s in samples)})),
    )  # fmt: skip
