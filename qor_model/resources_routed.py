"""A simple estimate of what remains after place and route, beside the synthesis estimate.

C synthesis overestimates LUTs, since it adds up what logic optimisation later merges.  The rule
here is linear in the synthesis counts and the same for all designs; it is calibrated, not
learned, and says so wherever it is shown (``routed_…``).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pom.qor_model.resources import Resources

_INPUTS = ("lut", "ff", "dsp", "bram_18k")


@dataclass(frozen=True, slots=True)
class RoutedEstimate:
    """Counts after place and route, and dynamic power.

    Attributes
    ----------
    routed_dsp, routed_lut, routed_ff, routed_bram_18k, routed_uram : int
    routed_dynamic_power_mw : float
        At the clock of the calibration (10 ns), with the tool's default switching activity.
    source : str
        What the rule was fitted to.
    """

    routed_dsp: int
    routed_lut: int
    routed_ff: int
    routed_bram_18k: int
    routed_uram: int
    routed_dynamic_power_mw: float
    source: str


@dataclass(frozen=True, slots=True)
class _Rule:
    weights: tuple[float, ...]
    constant: float

    def apply(self, found: Resources) -> float:
        counts = (found.lut, found.ff, found.dsp, found.bram_18k)
        return self.constant + sum(w * c for w, c in zip(self.weights, counts, strict=True))


@cache
def _rules() -> tuple[_Rule, _Rule, _Rule, str]:
    path = resources.files("pom.qor_model").joinpath("data", "routed.toml")
    data = tomllib.loads(path.read_text(encoding="utf-8"))

    def rule(name: str) -> _Rule:
        row = data[name]
        return _Rule(tuple(float(row[i]) for i in _INPUTS), float(row["constant"]))

    return rule("lut"), rule("ff"), rule("dynamic_power_mw"), str(data["source"])


def estimate_routed(synthesis: Resources) -> RoutedEstimate:
    """Return the calibrated post-route estimate of a design with these synthesis counts.

    Notes
    -----
    DSP blocks and block RAMs are what synthesis says: place and route changes neither
    (ml4accel_postroute.csv: DSP the same in all designs, block RAM in 87 %).
    """
    lut, ff, power, source = _rules()
    return RoutedEstimate(
        routed_dsp=synthesis.dsp,
        routed_lut=round(lut.apply(synthesis)),
        routed_ff=round(ff.apply(synthesis)),
        routed_bram_18k=synthesis.bram_18k,
        routed_uram=synthesis.uram,
        routed_dynamic_power_mw=round(power.apply(synthesis), 1),
        source=source,
    )
