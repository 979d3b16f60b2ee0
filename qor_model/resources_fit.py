"""Refitting the constants of the resource model to measured designs.

The model is linear in its constants, so that fitting is a weighted non-negative least-squares
problem: relative errors, the absolute value of which is minimised by reweighting, and a weak pull
towards the mechanism's own numbers, which keeps constants that the data do not determine sane.
What is physical is not fitted: operators, logic, memories, the adders of addresses, the
multiplexers of memory ports, the registers of values. Terms that hold no hardware of their own are
left out. Only for tools whose schedules are known less well, all but the operators are fitted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.resources import Counts
from pom.qor_model.resources_constants import FF_TERMS, LUT_TERMS, CostConstants

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_OPERATORS = frozenset({"operators", "logic", "memory"})
_FIXED = {
    "lut": _OPERATORS | {"address_adders", "bank_muxes", "port_muxes", "run_time_banks"},
    "ff": _OPERATORS | {"values", "shift_registers", "register_elements"},
}
"""Terms that are counted in LUTs or bits themselves: their coefficient is 1."""

_UNUSED = {
    "lut": frozenset(
        {
            "sequential_control", "pipelined_control", "counters", "pipeline_stages",
            "shared_operators", "accumulators", "function_ports", "shared_ports", "pipelines",
            "address_offsets",
        }
    ),
    "ff": frozenset(
        {
            "accesses", "accumulators", "loops", "operator_controllers", "pipelines",
            "port_controllers", "run_time_banks", "select_muxes", "shared_pipelines",
        }
    ),
}  # fmt: skip
"""Terms that other terms imply: without them, designs of unseen kernels are estimated better."""

_PRIOR = {
    "shared_ports": 20.0,
    "pipelines": 15.0,
    "shared_pipelines": 40.0,
    "pipeline_stages": 2.0,
    "functions": 50.0,
    "loops": 5.0,
    "run_time_banks": 0.2,
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
    *,
    fits_all: bool = False,
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
    fits_all : bool
        Fit every coefficient but those of operators, logic and memories.
    """
    lut = _Problem.of("lut", LUT_TERMS, prior.lut if prior else None, pull, fits_all)
    ff = _Problem.of("ff", FF_TERMS, prior.ff if prior else None, pull, fits_all)
    return CostConstants(
        lut=lut.solve([s.lut_terms for s in samples], [s.lut for s in samples]),
        ff=ff.solve([s.ff_terms for s in samples], [s.ff for s in samples]),
        source=source,
    )


def leave_one_out(
    samples: Sequence[Sample],
    prior: CostConstants | None = None,
    pull: float | None = None,
    *,
    fits_all: bool = False,
) -> tuple[FitError, ...]:
    """Return the error on every kernel, with constants fitted with it and without it."""
    everything = fit_constants(samples, "", prior, pull, fits_all=fits_all)
    rows = []
    for kernel in sorted({s.kernel for s in samples}):
        inside = [s for s in samples if s.kernel == kernel]
        others = [s for s in samples if s.kernel != kernel]
        without = everything
        if others:
            without = fit_constants(others, "", prior, pull, fits_all=fits_all)
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


@dataclass(frozen=True, slots=True)
class _Problem:
    """Which coefficients of LUTs or flip-flops are known, and what the others stay close to."""

    known: Mapping[int, float]
    near: tuple[float, ...]
    pull: float

    @classmethod
    def of(
        cls,
        metric: str,
        names: tuple[str, ...],
        prior: tuple[float, ...] | None,
        pull: float | None,
        fits_all: bool,
    ) -> _Problem:
        known = {i: 1.0 for i, n in enumerate(names) if n in _OPERATORS}
        if not fits_all:
            known |= {i: 1.0 for i, n in enumerate(names) if n in _FIXED[metric]}
            known |= {i: 0.0 for i, n in enumerate(names) if n in _UNUSED[metric]}
        near = prior or tuple(_PRIOR.get(n, 1.0) for n in names)
        return cls(known, near, _PULL[metric] if pull is None else pull)

    def solve(self, rows: list[tuple[float, ...]], truths: list[int]) -> tuple[float, ...]:
        """Minimise the mean relative error, by reweighted least squares."""
        terms, labels = np.array(rows), np.array(truths, dtype=np.float64)
        free = [i for i in range(terms.shape[1]) if i not in self.known]
        inputs = terms[:, free] / labels[:, None]
        target = np.ones(len(labels))
        result = np.zeros(terms.shape[1])
        for index, value in self.known.items():
            target -= terms[:, index] * value / labels
            result[index] = value
        prior = np.array([self.near[i] for i in free])
        towards = math.sqrt(self.pull * len(labels))
        pulled = towards * np.diag(np.abs(inputs).mean(axis=0) + 1e-9)
        weights = np.ones(len(labels))
        found = prior
        for _ in range(_ROUNDS):
            system = np.vstack([inputs * weights[:, None], pulled])
            goal = np.concatenate([target * weights, pulled @ prior])
            scale = np.abs(system).max(axis=0) + 1e-12
            found = non_negative_least_squares(system / scale, goal) / scale
            error = np.abs(inputs @ found - target)
            weights = 1.0 / np.sqrt(np.maximum(error, _SMALLEST_ERROR))
            weights /= weights.mean()
        result[free] = found
        return tuple(float(value) for value in result)


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
