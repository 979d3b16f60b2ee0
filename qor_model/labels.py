"""Label files: measured designs, told apart by their columns, as values."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pom.errors import PomError
from pom.qor_model.label_doubts import other_technology
from pom.qor_model.region import LoopDirectives, Partition, PartitionKind

Row = Mapping[str, str]

_LEVELS = re.compile(r"([np])(\d+)")
_ML4ACCEL_ROUTED = {
    "lut": "impl_lut", "ff": "impl_ff", "dsp": "impl_dsp", "srl": "impl_srl",
    "lutram": "impl_lutram", "power_mw": "impl_dyn_mW",
}  # fmt: skip
_ML4ACCEL_BLOCKS = {"impl_ramb36": 2, "impl_ramb18": 1}


class LabelKind(StrEnum):
    """The collection a label file comes from."""

    HGNN_DESIGNS = "hgnn_designs"
    HGNN_INNER = "hgnn_inner_loops"
    HLSFACTORY = "hlsfactory_polybench"
    ML4ACCEL = "ml4accel_postroute"
    REPORTS = "reports"
    """What `pom qor import` writes."""


NO_DIM, EVERY_DIM = -2, -3
_SIGNATURES = {
    LabelKind.HGNN_DESIGNS: {"lp1_pipe", "config", "latency"},
    LabelKind.HGNN_INNER: {"top_loop", "loops", "latency"},
    LabelKind.HLSFACTORY: {"variant", "pipelined_loops"},
    LabelKind.ML4ACCEL: {"prj", "hls_lut"},
    LabelKind.REPORTS: {"design", "tool", "loops", "partitions", "other"},
}
"""Columns that tell the kinds of files apart."""

METRICS = ("latency", "lut", "ff", "dsp")


@dataclass(frozen=True, slots=True)
class Label:
    """One measured design.

    Parameters
    ----------
    design : str
        Its name in the file.
    kernel : str
    size, dtype : str
        Problem size and number format, where the kernel file offers several.
    loops : tuple of (str, LoopDirectives)
    partitions : tuple of (str, tuple of Partition)
        By array; ``*`` stands for every array, and dimension -1 for its last one. Otherwise
        `NO_DIM` is the only dimension of an array, and `EVERY_DIM` each of them.
    optional_loops : tuple of str
        Those of `loops` that a kernel need not have.
    top_loop : str
        For a loop measured alone.
    part : str
    clock_ns : float
    values : tuple of (str, float)
        Measured latency (cycles), lut, ff, dsp, and the estimated clock period (est_clock_ns);
        what the file does not have is absent.
    tool : str
        Version of the HLS tool where the file says it, such as ``2022.1``.
    pipeline_loops : int or None
        Its threshold of automatic pipelining, where it was set.
    routed : tuple of (str, float)
        Likewise after place and route: lut, ff, dsp, bram_18k, srl, lutram, power_mw, clock_ns.
    ii, iteration_latency : int or None
    pipelined : tuple of str, or None
        Loops pipelined by the tool, as positions in source order joined by ``_``.
    operators : str or None
        Modules of the generated RTL with their counts, ``name=count name=count …``.
    """

    design: str
    kernel: str
    part: str
    clock_ns: float
    values: tuple[tuple[str, float], ...]
    size: str = ""
    dtype: str = ""
    loops: tuple[tuple[str, LoopDirectives], ...] = ()
    partitions: tuple[tuple[str, tuple[Partition, ...]], ...] = ()
    optional_loops: tuple[str, ...] = ()
    top_loop: str = ""
    ii: int | None = None
    iteration_latency: int | None = None
    pipelined: tuple[str, ...] | None = None
    operators: str | None = None
    unsafe_math: bool = False
    routed: tuple[tuple[str, float], ...] = ()
    tool: str = ""
    pipeline_loops: int | None = None


@dataclass(frozen=True, slots=True)
class LabelFile:
    """All labels of one file, and the rows that could not be read with the reason."""

    kind: LabelKind
    labels: tuple[Label, ...]
    unread: tuple[tuple[str, str], ...] = ()


def read_labels(path: Path) -> LabelFile:
    """Read a CSV of labels.

    Raises
    ------
    PomError
        ``POM-Q020`` if the file cannot be read or has no rows, ``POM-Q021`` if its columns are
        not known or one is missing, ``POM-Q028`` if it gives two measurements of one design.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise PomError("POM-Q020", f"cannot read the labels {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PomError("POM-Q020", f"the labels {path} are not CSV text: {error}") from error
    if not rows:
        raise PomError("POM-Q020", f"the labels {path} have no rows")
    columns = {c for c in rows[0] if c}
    if _SIGNATURES[LabelKind.HGNN_DESIGNS] <= columns:
        return _label_file(LabelKind.HGNN_DESIGNS, rows, _hgnn)
    if _SIGNATURES[LabelKind.HGNN_INNER] <= columns:
        return _label_file(LabelKind.HGNN_INNER, rows, _hgnn_inner)
    if _SIGNATURES[LabelKind.HLSFACTORY] <= columns:
        return _label_file(LabelKind.HLSFACTORY, rows, _hlsfactory)
    if _SIGNATURES[LabelKind.ML4ACCEL] <= columns:
        missing = sorted({*_ML4ACCEL_ROUTED.values(), *_ML4ACCEL_BLOCKS, "io", "part"} - columns)
        if missing:
            raise PomError("POM-Q021", f"{path.name} has no column {', '.join(missing)}")
        return _label_file(LabelKind.ML4ACCEL, rows, _ml4accel)
    if _SIGNATURES[LabelKind.REPORTS] <= columns:
        return _label_file(LabelKind.REPORTS, rows, _report)
    near = min(_SIGNATURES, key=lambda kind: len(_SIGNATURES[kind] - columns))
    raise PomError(
        "POM-Q021",
        f"{path.name} has columns of no known label file: {', '.join(sorted(columns)) or 'none'}",
        hint=f"for {near} it lacks {', '.join(sorted(_SIGNATURES[near] - columns))}; known are "
        + ", ".join(k.value for k in LabelKind),
    )


def _label_file(
    kind: LabelKind, rows: Iterable[Mapping[str, str | None]], read: Callable[[Row], Label]
) -> LabelFile:
    labels: list[Label] = []
    lines: list[int] = []
    unread: list[tuple[str, str]] = []
    known: dict[Label, tuple[int, Label]] = {}
    for line, row in enumerate(rows, 2):
        try:
            label = read({name: row[name] or "" for name in row if name})
            first = known.setdefault(_unmeasured(label), (line, label))
            if first[0] == line:
                labels.append(label)
                lines.append(line)
            elif first[1] == label:
                unread.append((f"line {line}", f"POM-Q028: repeats line {first[0]}"))
            else:
                raise _measured_twice(label, line, first[0])
        except KeyError as error:
            unread.append((f"line {line}", f"POM-Q026: there is no column {error.args[0]}"))
        except ValueError as error:
            unread.append((f"line {line}", f"POM-Q026: the row cannot be read: {error}"))
    twins = other_technology(labels)
    for place, twin in twins.items():
        reason = (
            f"POM-Q029: has the synthesis report of {labels[twin].part}, line {lines[twin]}, clock "
            "period included: one of them is for the other device"
        )
        unread.append((f"line {lines[place]}", reason))
    kept = tuple(label for place, label in enumerate(labels) if place not in twins)
    return LabelFile(kind, kept, tuple(unread))


def _unmeasured(label: Label) -> Label:
    """The design alone, without what was measured of it."""
    return replace(
        label, values=(), routed=(), ii=None, iteration_latency=None, pipelined=None, operators=None
    )


def _measured_twice(label: Label, line: int, first: int) -> PomError:
    return PomError(
        "POM-Q028",
        f"lines {first} and {line} measure {label.design} with different results",
        hint="keep one of them, or give designs that differ different names",
    )


def _values(row: Mapping[str, str], names: Mapping[str, str]) -> tuple[tuple[str, float], ...]:
    return tuple((m, _number(row[c])) for m, c in names.items() if row.get(c) not in (None, ""))


def _number(text: str) -> float:
    """A measured number: finite and not negative, as all that is counted here."""
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text} was not measured")
    return value


def _hgnn(row: Row) -> Label:
    loops: list[tuple[str, LoopDirectives]] = []
    number = 1
    while row.get(f"lp{number}_pipe") not in (None, ""):
        name = f"lp{number}"
        directives = LoopDirectives(
            row[f"{name}_pipe"] == "1",
            None,
            int(row[f"{name}_unroll"]),
            None if row[f"{name}_flat"] == "1" else False,
        )
        loops.append((name, directives))
        number += 1
    return Label(
        f"{row['kernel']}/{row['config']}", row["kernel"], "xczu9eg", 10.0,
        _values(row, {m: m for m in METRICS}), loops=tuple(loops),
        partitions=_partitions(row["partition"]),
        ii=int(row["II"]), iteration_latency=int(row["IL"]),
    )  # fmt: skip


def _partitions(text: str) -> tuple[tuple[str, tuple[Partition, ...]], ...]:
    found: dict[str, list[Partition]] = {}
    for entry in text.split():
        place, factor = entry.split("=")
        array, dim = place.split(".")
        entries = found.setdefault(array, [])
        if int(factor) > 1:
            entries.append(Partition(int(dim) - 1, PartitionKind.CYCLIC, int(factor)))
    return tuple((a, tuple(p)) for a, p in sorted(found.items()))


def _hgnn_inner(row: Row) -> Label:
    loops: list[tuple[str, LoopDirectives]] = []
    for entry in row["loops"].split():
        name, pipelined, unroll, flatten = entry.split(":")
        directives = LoopDirectives(
            pipelined == "p", None, int(unroll), None if flatten == "f" else False
        )
        loops.append((name, directives))
    return Label(
        f"{row['set']}/{row['kernel']}/{row['config']}", row["kernel"], "xczu9eg", 10.0,
        _values(row, {m: m for m in METRICS}), loops=tuple(loops),
        partitions=_partitions(row["partition"]), top_loop=row["top_loop"],
        ii=int(row["II"]), iteration_latency=int(row["IL"]),
    )  # fmt: skip


def _hlsfactory(row: Row) -> Label:
    parts = row["variant"].split("__")
    pipelined = tuple(
        "_".join(re.findall(r"L\d+_(\d+)", entry)) for entry in row["pipelined_loops"].split()
    )
    return Label(
        f"{row['variant']}/{row['kernel']}", row["kernel"], row["part"].split("-")[0].lower(),
        float(row["clk"]),
        _values(row, {**{m: m for m in ("latency", "lut", "ff")}, "est_clock_ns": "est"}),
        size=parts[-1], dtype="fixed" if "fixed" in parts else "float",
        pipelined=pipelined, operators=row.get("operators"), unsafe_math="unsafe" in parts,
    )  # fmt: skip


def _ml4accel(row: Row) -> Label:
    names = {"lut": "hls_lut", "ff": "hls_ff", "dsp": "hls_dsp", "est_clock_ns": "hls_clk_ns"}
    factor = int(row["io"])
    loops: list[tuple[str, LoopDirectives]] = []
    for entry in row["prj"].split("_")[1:]:
        match = re.fullmatch(r"l(\d+)((?:[np]\d+)+)", entry)
        if match is None:
            continue
        first = int(match.group(1))
        levels = _LEVELS.findall(match.group(2))
        for offset, (pipelined, unroll) in enumerate(levels):
            directives = LoopDirectives(pipelined == "p", None, int(unroll))
            loops.append((f"lp{first + offset}", directives))
    split = (Partition(-1, PartitionKind.CYCLIC, factor),) if factor > 1 else ()
    if row["prj"].endswith("_d1d2"):
        split = (Partition(0, PartitionKind.CYCLIC, factor), *split)
    copies = ("lprd_2", "lpwr_2")
    loops += [(name, LoopDirectives(False, None, factor)) for name in copies]
    return Label(
        f"{row['kernel']}/{row['part']}/{row['prj']}", row["kernel"],
        row["part"].split("-")[0], 10.0, _values(row, names), loops=tuple(loops),
        partitions=(("*", split),), optional_loops=copies, routed=_ml4accel_routed(row),
    )  # fmt: skip


def _ml4accel_routed(row: Row) -> tuple[tuple[str, float], ...]:
    found = _values(row, _ML4ACCEL_ROUTED)
    if all(row[name] for name in _ML4ACCEL_BLOCKS):
        blocks = sum(_number(row[name]) * count for name, count in _ML4ACCEL_BLOCKS.items())
        found = (*found, ("bram_18k", blocks))
    return found


_REPORT_ROUTED = {
    "lut": "impl_lut", "ff": "impl_ff", "dsp": "impl_dsp", "bram_18k": "impl_bram_18k",
    "srl": "impl_srl", "lutram": "impl_lutram", "power_mw": "impl_power_mw",
    "clock_ns": "impl_clock_ns",
}  # fmt: skip


def _report(row: Row) -> Label:
    if row["other"]:
        raise ValueError(f"a label cannot say: {row['other']}")
    loops: list[tuple[str, LoopDirectives]] = []
    flattens = {"-": None, "f": True, "n": False}
    for entry in row["loops"].split():
        name, pipeline, unroll, flatten = entry.split(":")
        if flatten not in flattens or not re.fullmatch(r"-|n|p\d*", pipeline):
            raise ValueError(f"the loop directives {entry!r} are not NAME:PIPELINE:UNROLL:FLATTEN")
        is_pipelined = None if pipeline == "-" else pipeline != "n"
        ii = int(pipeline[1:]) if len(pipeline) > 1 else None
        loops.append((name, LoopDirectives(is_pipelined, ii, int(unroll), flattens[flatten])))
    values = (*METRICS, "est_clock_ns")
    threshold = row.get("pipeline_loops", "")
    return Label(
        f"{row['kernel']}/{row['design']}", row["kernel"], row["part"], float(row["clock_ns"]),
        _values(row, {m: m for m in values}), loops=tuple(loops),
        partitions=_report_partitions(row["partitions"]), routed=_values(row, _REPORT_ROUTED),
        tool=row["tool"], pipeline_loops=int(threshold) if threshold else None,
    )  # fmt: skip


def _report_partitions(text: str) -> tuple[tuple[str, tuple[Partition, ...]], ...]:
    found: dict[str, list[Partition]] = {}
    for entry in text.split():
        place, _, split = entry.partition("=")
        array, _, dim = place.partition(".")
        kind, _, factor = split.partition(":")
        where = NO_DIM if not dim else EVERY_DIM if dim == "0" else int(dim) - 1
        parts = found.setdefault(array, [])
        parts.append(Partition(where, PartitionKind(kind), int(factor) if factor else 0))
    return tuple((a, tuple(p)) for a, p in sorted(found.items()))
