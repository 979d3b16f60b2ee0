"""A team's own Vitis and Vivado reports as labels.

A folder holds one folder a design: ``*csynth.xml`` (C synthesis), and after place and route
``*utilization*.rpt``, ``*power*.rpt`` and ``*timing*.rpt``, anywhere below it.  The directives come
from the Tcl scripts, configuration files and sources there (`pom.qor_model.gnn.directive_files`).
"""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pom.errors import PomError
from pom.qor_model.gnn.directive_files import (
    Directives,
    cfg_directives,
    pipeline_loops,
    tcl_directives,
)
from pom.qor_model.gnn.pragmas import constants, pragma_directives

COLUMNS = (
    "kernel", "design", "part", "tool", "loops", "partitions", "other", "pipeline_loops",
    "clock_ns", "latency", "lut", "ff", "dsp", "bram_18k",
    "impl_lut", "impl_ff", "impl_dsp", "impl_bram_18k", "impl_srl", "impl_lutram",
    "impl_power_mw", "impl_clock_ns", "est_clock_ns",
)  # fmt: skip
_SCRIPTS, _CONFIGURATIONS = (".tcl",), (".cfg", ".ini")
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp")
_GENERATED = frozenset({"csim", "sim", "impl", "verilog", "vhdl", "systemc", "wrapc", "misc"})
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
    """What the reports of one design say; a value that none of them has is absent.

    Parameters
    ----------
    design, kernel, part : str
    values : tuple of (str, float)
    tool : str
        Version of the HLS tool, such as ``2022.1``; empty where the report does not say.
    directives : Directives
    """

    design: str
    kernel: str
    part: str
    values: tuple[tuple[str, float], ...]
    tool: str = ""
    directives: Directives = field(default_factory=Directives)


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
            "kernel": report.kernel, "design": report.design, "part": report.part,
            "tool": report.tool, **_cells(report.directives),
        }  # fmt: skip
        row.update({k: f"{v:g}" if v != int(v) else int(v) for k, v in report.values})
        writer.writerow(row)
    return text.getvalue()


def _cells(found: Directives) -> dict[str, str]:
    """Directives as `pom.qor_model.labels` reads them."""
    flatten = {None: "-", True: "f", False: "n"}
    loops = []
    for name, asked in sorted(found.loops.items()):
        pipeline = {None: "-", False: "n", True: f"p{asked.ii or ''}"}[asked.pipeline]
        loops.append(f"{name}:{pipeline}:{asked.unroll}:{flatten[asked.flatten]}")
    partitions = []
    for (array, dim), (kind, factor) in sorted(found.partitions.items()):
        place = array if dim < 0 else f"{array}.{dim}"
        partitions.append(f"{place}={kind}" + (f":{factor}" if factor else ""))
    threshold = "" if found.pipeline_loops is None else str(found.pipeline_loops)
    return {
        "loops": " ".join(loops), "partitions": " ".join(partitions),
        "other": "; ".join(found.other), "pipeline_loops": threshold,
    }  # fmt: skip


def read_design(folder: Path) -> Report | None:
    """Read the reports of one design; None where there is no csynth.xml.

    Raises
    ------
    PomError
        ``POM-Q047`` if a report cannot be read, or there are several solutions; ``POM-Q051`` if
        a directive cannot be read.
    """
    synthesis = sorted(folder.rglob("*csynth.xml"), key=lambda p: (len(p.name), str(p)))
    if not synthesis:
        return None
    homes = sorted({path.parent for path in synthesis})
    if len(homes) > 1:
        raise PomError(
            "POM-Q047", f"{folder} holds several solutions: {homes[0]} and {homes[1]}",
            hint="give each solution a folder of its own",
        )  # fmt: skip
    values, kernel, part, tool = _csynth(_read(synthesis[0]), synthesis[0])
    for path in sorted(folder.rglob("*utilization*.rpt")):
        values.update(_utilization(_read(path)))
    for path in sorted(folder.rglob("*power*.rpt")):
        match = re.search(r"\|\s*Dynamic \(W\)\s*\|\s*<?([\d.]+)", _read(path))
        if match:
            values["impl_power_mw"] = 1000.0 * float(match.group(1))
    for path in sorted(folder.rglob("*timing*.rpt")):
        match = re.search(r"WNS\(ns\)[^\n]*\n[\s-]*\n?\s*(-?[\d.]+)\s", _read(path))
        if match and "clock_ns" in values:
            values["impl_clock_ns"] = values["clock_ns"] - float(match.group(1))
    found = tuple(sorted(values.items()))
    return Report(folder.name, kernel, part, found, tool, read_directives(folder))


def read_directives(folder: Path) -> Directives:
    """Directives of the scripts, configurations and sources below a folder.

    What tools write for themselves is left out: hidden folders, and those of simulation, of the
    generated hardware and of its implementation.

    Raises
    ------
    PomError
        ``POM-Q051`` if one cannot be read or contradicts another.
    """
    files = [
        path for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (*_SCRIPTS, *_CONFIGURATIONS, *_SOURCES) and path.is_file()
        and not any(p.startswith(".") or p in _GENERATED for p in path.relative_to(folder).parts)
    ]  # fmt: skip
    texts = {path: _read(path) for path in files}
    numbers: dict[str, str] = {}
    for path, text in texts.items():
        if path.suffix.lower() in _SOURCES:
            numbers.update(constants(text))
    found = Directives()
    for path, text in texts.items():
        name, suffix = str(path.relative_to(folder)), path.suffix.lower()
        if suffix in _SOURCES:
            found.add(pragma_directives(text, name, numbers))
            continue
        reader = tcl_directives if suffix in _SCRIPTS else cfg_directives
        found.add(reader(text, name))
        threshold = pipeline_loops(text)
        if threshold is not None:
            found.pipeline_loops = threshold
    return found


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PomError("POM-Q047", f"{path} is larger than 64 MiB: this is no report")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise PomError("POM-Q047", f"cannot read {path}: {error.strerror}") from error


def _csynth(text: str, path: Path) -> tuple[dict[str, float], str, str, str]:
    if "<!ENTITY" in text:
        raise PomError("POM-Q047", f"{path} declares entities: this is no report")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise PomError("POM-Q047", f"{path} is no XML: {error}") from error

    def entry(place: str) -> str:
        return (root.findtext(place) or "").strip()

    values: dict[str, float] = {}
    numbers: Mapping[str, str] = {
        "clock_ns": "UserAssignments/TargetClockPeriod",
        "est_clock_ns": "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod",
        "latency": "PerformanceEstimates/SummaryOfOverallLatency/Worst-caseLatency",
        **{name: f"AreaEstimates/Resources/{tag}" for name, tag in _SYNTHESIS.items()},
    }
    for name, place in numbers.items():
        if re.fullmatch(r"\d+(\.\d+)?", entry(place)):
            values[name] = float(entry(place))
    if "dsp" not in values and entry("AreaEstimates/Resources/DSP48E").isdigit():
        values["dsp"] = float(entry("AreaEstimates/Resources/DSP48E"))  # until 2020
    part = entry("UserAssignments/Part")
    kernel = entry("UserAssignments/TopModelName")
    if not kernel or "lut" not in values:
        raise PomError("POM-Q047", f"{path} has no top model name or no area estimate")
    version = re.search(r"\d{4}\.\d+", entry("ReportVersion/Version"))
    return values, kernel, part, version.group(0) if version else ""


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
