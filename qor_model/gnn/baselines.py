"""What the networks are compared with, on the same designs and with the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pom.errors import PomError
from pom.qor_model.gnn.inner_loops import InnerLoop
from pom.qor_model.gnn.kept_results import NOTHING_KEPT, KeptResults
from pom.qor_model.gnn.leave_out import (
    Protocol,
    evaluate_predictor,
    leave_one_kernel_out,
    with_few_shots,
)
from pom.qor_model.gnn.model import TrainOptions
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import Array, base, features, measured, tokens

PUBLISHED = "H-GNN as published"
TOKENS = "gradient boosting on tokens"
TERMS = "gradient boosting on analytical features"
ANALYTICAL = "analytical alone"
FINAL = "final: GNN and trees on the residual"


_WIDE = 64


def compare(
    samples: Sequence[Sample],
    metrics: tuple[str, ...],
    options: TrainOptions,
    progress: Callable[[str], None] | None = None,
    split: str = "kernel",
    inner: Sequence[InnerLoop] = (),
    device: str = "auto",
    shots: Sequence[int] = (),
    kept: KeptResults = NOTHING_KEPT,
) -> tuple[Protocol, ...]:
    """Every model on the same designs, each kernel (or random part) left out in turn.

    `inner` are measured loops of the other kernels for the published method's GNNp and GNNnp;
    with `shots` the final model is there with so many designs of the kernel, too.

    Raises
    ------
    PomError
        ``POM-Q046`` if scikit-learn is not installed.
    """
    joined = tokens(samples)
    rows = {id(s): joined[n] for n, s in enumerate(samples)}

    def by_tokens(seen: Sequence[Sample], left: Sequence[Sample]) -> Array:
        chosen = [np.stack([rows[id(s)] for s in group]) for group in (seen, left)]
        return _boosted(chosen[0], measured(seen), chosen[1])

    def by_terms(seen: Sequence[Sample], left: Sequence[Sample]) -> Array:
        return _boosted(features(seen), measured(seen), features(left))

    def analytical(seen: Sequence[Sample], left: Sequence[Sample]) -> Array:
        return base(left, metrics)

    published = replace(options, is_residual=False, members=1)
    return (
        leave_one_kernel_out(
            samples, metrics, published, PUBLISHED, progress, split=split, device=device,
            inner=inner, kept=kept,
        ),
        evaluate_predictor(samples, metrics, TOKENS, by_tokens, split, kept),
        evaluate_predictor(samples, metrics, TERMS, by_terms, split, kept),
        evaluate_predictor(samples, metrics, ANALYTICAL, analytical, split),
        *with_few_shots(
            samples, metrics, options, (0, *shots), FINAL, progress, split, device, kept=kept
        ),
    )  # fmt: skip


def _boosted(seen: Array, truth: Array, left: Array) -> Array:
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError as error:
        raise PomError(
            "POM-Q046", "the comparison needs scikit-learn", hint="pip install 'pom[baselines]'"
        ) from error
    found = np.zeros((len(left), truth.shape[1]))
    for column in range(truth.shape[1]):
        known = ~np.isnan(truth[:, column])
        booster = HistGradientBoostingRegressor(max_iter=200, max_leaf_nodes=16, random_state=0)
        booster.fit(seen[known], truth[known, column])
        found[:, column] = booster.predict(left)
    return np.maximum(found, 0.0)


def comparison_table(protocols: Sequence[Protocol]) -> str:
    """The comparison for people: means over kernels, percent."""
    metrics = protocols[0].metrics
    lines = [f"{'model':<{_WIDE}}" + "".join(f"{m:>10}" for m in metrics)]
    for item in protocols:
        lines.append(f"{item.name:<{_WIDE}}" + "".join(f"{e:>10.2f}" for e in item.mean))
        if item.mean_coverage:
            text = "".join(f"{c:>10.1f}" for c in item.mean_coverage)
            lines.append(f"{'  coverage of its 90 % intervals':<{_WIDE}}" + text)
    return "\n".join(lines)


def kernel_table(protocol: Protocol) -> str:
    """One protocol, a line a kernel."""
    lines = [f"{'left out':<14}" + "".join(f"{m:>10}" for m in protocol.metrics)]
    for row in protocol.rows:
        lines.append(f"{row.kernel:<14}" + "".join(f"{e:>10.2f}" for e in row.mape))
    return "\n".join([*lines, f"{'mean':<14}" + "".join(f"{e:>10.2f}" for e in protocol.mean)])
