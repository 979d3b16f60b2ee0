"""What limits a model that reads these features, whatever it was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.tables import errors, measured


@dataclass(frozen=True, slots=True)
class Noise:
    """How far designs with the same features are apart.

    Attributes
    ----------
    designs : int
        Those that have the features of another one, on the same device.
    mape : tuple of float
        Per metric, percent: the error on these designs of the best prediction that there can be, the
        median of those with the same features. NaN without such designs.
    """

    designs: int
    mape: tuple[float, ...]


def noise(samples: Sequence[Sample], metrics: Sequence[str]) -> Noise:
    """Return what measured designs differ by that are the same design as far as level 3 tells.

    Parameters
    ----------
    samples : sequence of Sample
        With labels.
    metrics : sequence of str
        Names of the labels.

    Notes
    -----
    Such designs swap the directives of two nests that are equal, so that the tools of synthesis and of
    place and route see the same hardware in another order.
    """
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for row, sample in enumerate(samples):
        nests = tuple(sorted(sample.nests))
        alike[sample.device, sample.clock_ns, sample.terms, nests].append(row)
    groups = [rows for rows in alike.values() if len(rows) > 1]
    if not groups:
        return Noise(0, (float("nan"),) * len(metrics))
    truth = measured(samples)
    middle = np.concatenate(
        [np.repeat(np.median(truth[rows], axis=0)[None], len(rows), 0) for rows in groups]
    )
    found = errors(middle, truth[np.concatenate(groups)])
    return Noise(sum(map(len, groups)), tuple(float(e) for e in found))
