"""Refitting the constants of the resource model to measured designs.

The model is linear in its constants, so that fitting is a weighted non-negative least-squares
problem: relative errors, the absolute value of which is minimised by reweighting, and a weak pull
towards the mechanism's own numbers, which keeps constants that the data do not determine sane.
Operators, logic and memories are not fitted: their coefficient stays 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.resources import Counts
from pom.qor_model.resources_constants import FF_TERMS, LUT_TERMS, CostConstants

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_FIXED = ("operators", "logic", "memory")
_PRIOR = {
    "shared_ports": 20.0,
    "pipelines": 15.0,
    "shared_pipelines": 40.0,
    "pipeline_stages": 2.0,
    "functions": 50.0,
    "loops": 5.0,
    "run_time_banks": 5.0,
    "shared_operators": 0.0,
    "accesses": 2.0,
    "port_controllers": 11.0,
    "operator_controllers": 20.0,
    "function_ports": 3.0,
    "flattened": 50.0,
    "chained_accumulators": 32.0,
}
_PULL = {"lut": 1e-3, "ff": 1e-2}
_ROUNDS = 12
_SMALLEST_ERROR = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured design.

    Attributes
    ----------
    kernel : str
        Group that is left out together.
    lut_terms, ff_terms : tuple of float
        Counts in the order of `LUT_TERMS` and `FF_TERMS`.
    lut, ff : int
        What the tool reported.
    """

    kernel: str
    lut_terms: tuple[float, ...]
    ff_terms: tuple[float, ...]
    lut: int
    ff: int


@dataclass(frozen=True, slots=True)
class FitError:
    """Mean absolute percentage errors of one group of designs: fitted with it, and without it."""

    kernel: str
    designs: int
    lut_mape: float
    ff_mape: float
    lut_mape_left_out: float
    ff_mape_left_out: float


def sample(kernel: str, counts: Counts, lut: int, ff: int) -> Sample:
    """Return a measured design from the counts of `ResourceModel.count`."""
    return Sample(
        kernel,
        tuple(counts.lut[name] for name in LUT_TERMS),
        tuple(counts.ff[name] for name in FF_TERMS),
        lut,
        ff,
    )


def fit_constants(
    samples: Sequence[Sample],
    source: str,
    prior: CostConstants | None = None,
    pull: float | None = None,
) -> CostConstants:
    """Return the constants that fit `samples` best.

    Parameters
    ----------
    samples : sequence of Sample
        At least one.
    source : str
        What they are, to be written beside the constants.
    prior : CostConstants, optional
        What to stay close to; the mechanism's own numbers by default.
    pull : float, optional
        How strongly; small samples want 0.1.
    """
    near_lut = prior.lut if prior else tuple(_PRIOR.get(n, 1.0) for n in LUT_TERMS)
    near_ff = prior.ff if prior else tuple(_PRIOR.get(n, 1.0) for n in FF_TERMS)
    pull_lut, pull_ff = (_PULL["lut"], _PULL["ff"]) if pull is None else (pull, pull)
    lut = np.array([s.lut_terms for s in samples])
    ff = np.array([s.ff_terms for s in samples])
    lut_labels = np.array([float(s.lut) for s in samples])
    ff_labels = np.array([float(s.ff) for s in samples])
    return CostConstants(
        lut=tuple(_fit(lut, lut_labels, LUT_TERMS, near_lut, pull_lut)),
        ff=tuple(_fit(ff, ff_labels, FF_TERMS, near_ff, pull_ff)),
        source=source,
    )


def leave_one_out(
    samples: Sequence[Sample], prior: CostConstants | None = None, pull: float | None = None
) -> tuple[FitError, ...]:
    """Return the error on every kernel, with constants fitted with it and without it."""
    everything = fit_constants(samples, "", prior, pull)
    rows = []
    for kernel in sorted({s.kernel for s in samples}):
        inside = [s for s in samples if s.kernel == kernel]
        others = [s for s in samples if s.kernel != kernel]
        without = fit_constants(others, "", prior, pull) if others else everything
        rows.append(
            FitError(
                kernel,
                len(inside),
                *mape(inside, everything),
                *mape(inside, without),
            )
        )
    return tuple(rows)


def overall(rows: Sequence[FitError]) -> FitError:
    """Return the errors over all designs of all groups."""
    total = sum(row.designs for row in rows)

    def mean(values: Iterable[float]) -> float:
        parts = zip(values, rows, strict=True)
        return sum(value * row.designs for value, row in parts) / max(1, total)

    return FitError(
        "all",
        total,
        mean(row.lut_mape for row in rows),
        mean(row.ff_mape for row in rows),
        mean(row.lut_mape_left_out for row in rows),
        mean(row.ff_mape_left_out for row in rows),
    )


def mape(samples: Sequence[Sample], constants: CostConstants) -> tuple[float, float]:
    """Return the mean absolute percentage errors of LUT and FF."""
    lut = [abs(_dot(s.lut_terms, constants.lut) / s.lut - 1) for s in samples]
    ff = [abs(_dot(s.ff_terms, constants.ff) / s.ff - 1) for s in samples]
    return 100 * sum(lut) / len(lut), 100 * sum(ff) / len(ff)


def write_constants(constants: CostConstants, path: Path) -> None:
    """Write constants as the file that `load_constants` reads."""
    lines = [
        "# Coefficients of the counted mechanisms; 1.0 takes the mechanism's own number.",
        f'source = "{constants.source}"',
    ]
    sections: Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
        "lut": (LUT_TERMS, constants.lut),
        "ff": (FF_TERMS, constants.ff),
    }
    for section, (names, values) in sections.items():
        lines += ["", f"[{section}]"]
        lines += [f"{name} = {value:.4f}" for name, value in zip(names, values, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _dot(terms: Sequence[float], constants: Sequence[float]) -> float:
    return sum(t * c for t, c in zip(terms, constants, strict=True))


def _fit(
    terms: Matrix, labels: Vector, names: tuple[str, ...], near: tuple[float, ...], pull: float
) -> list[float]:
    fixed = [i for i, name in enumerate(names) if name in _FIXED]
    free = [i for i, name in enumerate(names) if name not in _FIXED]
    inputs = terms[:, free] / labels[:, None]
    target = 1.0 - terms[:, fixed].sum(axis=1) / labels
    prior = np.array([near[i] for i in free])
    towards = np.sqrt(pull * len(labels)) * np.diag(np.abs(inputs).mean(axis=0) + 1e-9)
    weights = np.ones(len(labels))
    found = prior
    for _ in range(_ROUNDS):
        system = np.vstack([inputs * weights[:, None], towards])
        goal = np.concatenate([target * weights, towards @ prior])
        scale = np.abs(system).max(axis=0) + 1e-12
        found = non_negative_least_squares(system / scale, goal) / scale
        error = np.abs(inputs @ found - target)
        weights = 1.0 / np.sqrt(np.maximum(error, _SMALLEST_ERROR))
        weights /= weights.mean()
    result = np.ones(len(names))
    result[free] = found
    return [float(value) for value in result]


def non_negative_least_squares(system: Matrix, goal: Vector) -> Vector:
    """Minimise ``|system @ x - goal|`` over ``x >= 0``.

    Notes
    -----
    The active-set method of Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23,
    on the normal equations.
    """
    gram, moment = system.T @ system, system.T @ goal
    count = system.shape[1]
    passive = np.zeros(count, dtype=bool)
    found = np.zeros(count)
    tolerance = 1e-10 * float(np.abs(moment).max() + 1e-30)
    for _ in range(10 * count):
        gradient = np.where(passive, -np.inf, moment - gram @ found)
        entering = int(np.argmax(gradient))
        if gradient[entering] <= tolerance:
            break
        passive[entering] = True
        while True:
            trial = np.zeros(count)
            block = np.ix_(passive, passive)
            trial[passive] = np.linalg.lstsq(gram[block], moment[passive], rcond=None)[0]
            leaving = passive & (trial <= 0)
            if not leaving.any():
                found = trial
                break
            steps = found[leaving] / (found[leaving] - trial[leaving] + 1e-30)
            found = found + float(steps.min()) * (trial - found)
            passive &= found > 1e-12
            found[~passive] = 0.0
    return found
