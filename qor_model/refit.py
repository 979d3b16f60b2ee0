"""Are the thresholds rules? Each is found again with one kernel left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pom.qor_model.evaluate import DesignSource, Evaluation, LibraryOf, evaluate
from pom.qor_model.labels import LabelFile
from pom.qor_model.settings import DIRECTIVES_ONLY, ToolSettings

CANDIDATES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("operator_patience", (2, 4, 8, 16, 32)),
    ("switch_banks", (4, 8, 16, 32)),
    ("bank_mux_ns", (0.1, 1.0, 2.0, 5.0)),
    ("call_input_ns", (0.1, 1.0, 2.0, 5.0)),
)


@dataclass(frozen=True, slots=True)
class Refit:
    """Thresholds found without one kernel, and that kernel's error with them.

    Parameters
    ----------
    kernel : str
    constants : tuple of (str, float)
        Found on the other kernels; of equally good candidates the one in use is kept.
    mape_in_use, mape_refitted : float
        Latency error of the kernel with the constants in use and with the refitted ones, percent.
    """

    kernel: str
    constants: tuple[tuple[str, float], ...]
    mape_in_use: float
    mape_refitted: float


def leave_one_out(
    file: LabelFile, source: DesignSource, library_of: LibraryOf, step: int = 1
) -> tuple[Refit, ...]:
    """Refit every threshold without each kernel in turn.

    Parameters
    ----------
    file : LabelFile
        Whole designs with directives.
    source, library_of
        As for `evaluate`.
    step : int
        Use every step-th label.
    """
    sample = LabelFile(file.kind, file.labels[::step])
    errors: dict[tuple[str, float], dict[str, float]] = {}
    for name, values in CANDIDATES:
        for value in values:
            found = evaluate(sample, source, library_of, _with(DIRECTIVES_ONLY, name, value))
            errors[name, value] = _mape_by_kernel(found)
    kernels = sorted({k for per in errors.values() for k in per})
    rows: list[Refit] = []
    for kernel in kernels:
        others = [k for k in kernels if k != kernel]
        chosen = tuple((name, _best(name, values, others, errors)) for name, values in CANDIDATES)
        settings = DIRECTIVES_ONLY
        for name, value in chosen:
            settings = _with(settings, name, value)
        own = LabelFile(file.kind, tuple(x for x in sample.labels if x.kernel == kernel))
        refitted = _mape_by_kernel(evaluate(own, source, library_of, settings))[kernel]
        in_use = _mape_by_kernel(evaluate(own, source, library_of, DIRECTIVES_ONLY))[kernel]
        rows.append(Refit(kernel, chosen, in_use, refitted))
    return tuple(rows)


def _with(settings: ToolSettings, name: str, value: float) -> ToolSettings:
    match name:
        case "operator_patience":
            return replace(settings, operator_patience=int(value))
        case "switch_banks":
            return replace(settings, switch_banks=int(value))
        case "bank_mux_ns":
            return replace(settings, bank_mux_ns=value)
        case "call_input_ns":
            return replace(settings, call_input_ns=value)
    raise ValueError(f"{name} is not a threshold")


def _mape_by_kernel(found: Evaluation) -> dict[str, float]:
    result: dict[str, float] = {}
    for kernel in found.kernels():
        statistics = found.statistics("latency", kernel)
        if statistics is not None:
            result[kernel] = statistics.mape
    return result


def _best(
    name: str,
    values: Iterable[float],
    kernels: list[str],
    errors: dict[tuple[str, float], dict[str, float]],
) -> float:
    in_use = float(getattr(DIRECTIVES_ONLY, name))

    def score(value: float) -> tuple[float, bool]:
        found = errors[name, value]
        return round(sum(found[k] for k in kernels if k in found), 6), value != in_use

    return min(values, key=score)
