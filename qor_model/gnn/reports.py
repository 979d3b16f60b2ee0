"""A team's own Vitis and Vivado reports as labels.

A folder holds one folder a design: ``*csynth.xml`` (C synthesis), and after place and route
``*utilization*.rpt`` and ``*power*.rpt``, anywhere below it.
"""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pom.errors import PomError

COLUMNS = (
    "kernel", "design", "part", "clock_ns", "latency", "lut", "ff", "dsp", "bram_18k",
    "impl_lut", "impl_ff", "impl_dsp", "impl_bram_18k", "impl_srl", "impl_lutram",
    "impl_power_mw", "est_clock_ns",
)  # fmt: skip
_SYNTHESIS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram_18k": "BRAM_18K"}
_UTILIZATION = {
    "impl_lut": ("CLB LUTs", "Slice LUTs"),
    "impl_ff": ("CLB Registers", "Slice Registers"),
    "impl_dsp": ("DSPs",),
    "impl_srl": ("LUT as Shift Register",),
    "impl_lutram": ("LUT as Distributed RAM",),
}
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """What the reports of one design say; a value that none of them has is absent."""

    design: str
    kernel: str
    part: str
    values: tuple[tuple[str, float], ...]


def read_reports(folder: Path) -> tuple[Report, ...]:
    """Read every design of a folder.

    Raises
    ------
    PomError
        ``POM-Q047`` if the folder has no report, or one that cannot be read.
    """
    found = tuple(
        r for path in sorted(p for p in folder.iterdir() if p.is_dir())
        if (r := read_design(path)) is not None
    )  # fmt: skip
    if not found:
        raise PomError(
            "POM-Q047", f"no folder below {folder} has a csynth.xml",
            hint="give the folder that holds one folder a design",
        )  # fmt: skip
    return found


def to_csv(reports: tuple[Report, ...]) -> str:
    """The reports as a label file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for report in reports:
        row: dict[str, object] = {
            "kernel": report.kernel, "design": report.design, "part": report.part
        }  # fmt: skip
        row.update({k: f"{v:g}" if v != int(v) else int(v) for k, v in report.values})
        writer.writerow(row)
    return text.getvalue()


def read_design(folder: Path) -> Report | None:
    """Read the reports of one design; None where there is no csynth.xml.

    Raises
    ------
    PomError
        ``POM-Q047`` if a report cannot be read.
    """
    synthesis = sorted(folder.rglob("*csynth.xml"), key=lambda p: (len(p.name), str(p)))
    if not synthesis:
        return None
    values, kernel, part = _csynth(_read(synthesis[0]), synthesis[0])
    for path in sorted(folder.rglob("*utilization*.rpt")):
        values.update(_utilization(_read(path)))
    for path in sorted(folder.rglob("*power*.rpt")):
        match = re.search(r"\|\s*Dynamic \(W\)\s*\|\s*<?([\d.]+)", _read(path))
        if match:
            values["impl_power_mw"] = 1000.0 * float(match.group(1))
    return Report(folder.name, kernel, part, tuple(sorted(values.items())))


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PomError("POM-Q047", f"{path} is larger than 64 MiB: this is no report")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise PomError("POM-Q047", f"cannot read {path}: {error.strerror}") from error


def _csynth(text: str, path: Path) -> tuple[dict[str, float], str, str]:
    if "<!ENTITY" in text:
        raise PomError("POM-Q047", f"{path} declares entities: this is no report")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise PomError("POM-Q047", f"{path} is no XML: {error}") from error

    def field(place: str) -> str:
        return (root.findtext(place) or "").strip()

    values: dict[str, float] = {}
    numbers: Mapping[str, str] = {
        "clock_ns": "UserAssignments/TargetClockPeriod",
        "est_clock_ns": "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod",
        "latency": "PerformanceEstimates/SummaryOfOverallLatency/Worst-caseLatency",
        **{name: f"AreaEstimates/Resources/{tag}" for name, tag in _SYNTHESIS.items()},
    }
    for name, place in numbers.items():
        if re.fullmatch(r"\d+(\.\d+)?", field(place)):
            values[name] = float(field(place))
    part = field("UserAssignments/Part")
    kernel = field("UserAssignments/TopModelName")
    if not kernel or "lut" not in values:
        raise PomError("POM-Q047", f"{path} has no top model name or no area estimate")
    return values, kernel, part


def _utilization(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, labels in _UTILIZATION.items():
        for label in labels:
            match = re.search(rf"\|\s*{label}\*?\s*\|\s*([\d.]+)\s*\|", text)
            if match:
                found[name] = float(match.group(1))
    blocks = re.search(r"\|\s*Block RAM Tile\s*\|\s*([\d.]+)\s*\|", text)
    if blocks:
        found["impl_bram_18k"] = 2.0 * float(blocks.group(1))
    return found
