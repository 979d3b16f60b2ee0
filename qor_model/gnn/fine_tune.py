"""A model corrected with a few measured designs of the kernel, device or tool version at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pom.errors import PomError
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import base, features, measured
from pom.qor_model.gnn.train import COVERAGE, Model, forward

_RIDGE = 1.0


def fine_tune(model: Model, samples: Sequence[Sample]) -> Model:
    """Return the model with its last stage refitted to a few measured designs.

    The networks stay as they are; per metric, an offset and the share of their correction are
    fitted by ridge regression towards what the model does now, and the interval follows the
    errors that are left (each design judged without itself).

    Raises
    ------
    PomError
        ``POM-Q045`` for fewer than five designs.
    """
    if len(samples) < 5:
        raise PomError("POM-Q045", f"five designs or more are needed, got {len(samples)}")
    if not model.options.is_residual:
        raise PomError("POM-Q045", "only a model of residuals can be corrected")
    predicted, truth = forward(model, samples), measured(samples)
    correction = predicted - base(samples, model.metrics)
    centre, shrink = model.centre.copy(), model.shrinkage.copy()
    use, radius = model.use_centre.copy(), model.radius.copy()
    for column in range(len(model.metrics)):
        known = ~np.isnan(truth[:, column])
        rest = (truth - predicted)[known, column]
        if not len(rest):
            continue
        moved = correction[known, column]
        middle = moved.mean()
        design = np.stack([np.ones(len(rest)), moved - middle], axis=1)
        penalty = _RIDGE * np.diag([0.1, max(float(np.var(moved)), 1e-6)])
        inverse = np.linalg.inv(design.T @ design + penalty)
        offset, slope = inverse @ design.T @ rest
        own = np.einsum("ij,jk,ik->i", design, inverse, design)
        left = np.sort(np.abs(rest - design @ [offset, slope]) / np.maximum(1.0 - own, 0.1))
        now = model.use_centre[column] * model.centre[column]
        centre[column] = now * (1.0 + slope) + offset - slope * middle
        use[column] = 1.0
        shrink[column] = model.shrinkage[column] * (1.0 + slope)
        rank = min(len(left) - 1, int(np.ceil((len(left) + 1) * COVERAGE)) - 1)
        radius[column] = left[rank]
    raw = features(samples)
    return replace(
        model, centre=centre, use_centre=use, shrinkage=shrink, radius=radius,
        low=np.minimum(model.low, raw.min(0)), high=np.maximum(model.high, raw.max(0)),
        kernels=tuple(sorted({*model.kernels, *(s.kernel for s in samples)})),
        devices=tuple(sorted({*model.devices, *(s.device for s in samples)})),
    )  # fmt: skip
