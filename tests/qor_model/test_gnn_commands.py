"""The learned models' commands, on labels of two small spaces."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pom.cli import run
from pom.errors import PomError
from pom.qor_model.gnn.reports import read_reports
from pom.qor_model.gnn.targets import read_measured
from tests.qor_model.labels_data import KERNELS

pytest.importorskip("torch_geometric")

from pom.qor_model.gnn.adrs import adrs, adrs_by_kernel, pareto, pick

CSYNTH = """<?xml version="1.0"?>
<profile>
<UserAssignments><Part>xczu9eg-ffvb1156-2-e</Part><TopModelName>gemm</TopModelName>
<TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>7.300</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Worst-caseLatency>4242</Worst-caseLatency></SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>4</BRAM_18K><DSP>5</DSP><FF>754</FF><LUT>846</LUT></Resources>
</AreaEstimates>
</profile>
"""
UTILIZATION = """
| CLB LUTs                   |  512 |     0 |          0 |    274080 |  0.19 |
|   LUT as Distributed RAM   |   16 |     0 |            |           |       |
|   LUT as Shift Register    |    7 |     0 |            |           |       |
| CLB Registers              |  485 |     0 |          0 |    548160 |  0.09 |
| Block RAM Tile             |  5.5 |     0 |          0 |       912 |  0.60 |
| DSPs                       |    5 |     0 |          0 |      2520 |  0.20 |
"""
POWER = "| Dynamic (W)              | 0.009        |\n"
HEADER = (
    "kernel,config,lp1_pipe,lp1_unroll,lp1_flat,lp2_pipe,lp2_unroll,lp2_flat,lp3_pipe,lp3_unroll,"
    "lp3_flat,lp4_pipe,lp4_unroll,lp4_flat,lp5_pipe,lp5_unroll,lp5_flat,partition,latency,lut,ff,dsp,II,IL\n"
)


def _reports(folder: Path, *, routed: bool) -> Path:
    design = folder / "d0"
    (design / "syn").mkdir(parents=True)
    (design / "syn" / "csynth.xml").write_text(CSYNTH)
    if routed:
        (design / "gemm_utilization_routed.rpt").write_text(UTILIZATION)
        (design / "gemm_power_routed.rpt").write_text(POWER)
    return folder


def test_reports_become_a_label_file(tmp_path: Path) -> None:
    folder = _reports(tmp_path / "runs", routed=True)
    out = tmp_path / "labels.csv"
    assert run(["qor", "import", str(folder), "-o", str(out)]) == 0
    (row,) = csv.DictReader(io.StringIO(out.read_text()))
    assert row["kernel"] == "gemm"
    assert row["part"] == "xczu9eg-ffvb1156-2-e"
    numbers = {
        "clock_ns": 10, "latency": 4242, "lut": 846, "ff": 754, "dsp": 5, "bram_18k": 4,
        "impl_lut": 512, "impl_ff": 485, "impl_dsp": 5, "impl_bram_18k": 11, "impl_srl": 7,
        "impl_lutram": 16, "impl_power_mw": 9, "est_clock_ns": 7.3,
    }  # fmt: skip
    assert {k: float(row[k]) for k in numbers} == pytest.approx(numbers)


def test_values_that_no_report_has_stay_empty(tmp_path: Path) -> None:
    (report,) = read_reports(_reports(tmp_path, routed=False))
    assert "impl_lut" not in dict(report.values)


@pytest.mark.parametrize("text", ["<profile>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "<a/>"])
def test_bad_reports_are_refused(tmp_path: Path, text: str) -> None:
    folder = _reports(tmp_path, routed=False)
    (folder / "d0" / "syn" / "csynth.xml").write_text(text)
    with pytest.raises(PomError, match="POM-Q047"):
        read_reports(folder)


def test_a_folder_without_reports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PomError, match="POM-Q047"):
        read_reports(tmp_path)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up measurements: what is tested is the way through the commands."""
    kernels = (
        ("atax", 4, "tmp.1=1 A.2={0} x.1={0} y.1=1"),
        ("gesummv", 3, "tmp.1=1 A.2={0} B.2={0} x.1={0} y.1=1"),
        ("gemm", 5, "A.1=1 B.1=1 C.2={0}"),
    )
    lines = [HEADER]
    for kernel, loops, arrays in kernels:
        for lanes in (1, 2, 4):
            for pipelined in (0, 1):
                cells = ["0,1,1", f"{pipelined},{lanes},1", *["0,1,1"] * (loops - 2)]
                row = ",".join(cells + [",,"] * (5 - loops))
                latency = 80000 // lanes // (1 + 5 * pipelined)
                values = f"{latency},{800 * lanes},{700 * lanes},{5 * lanes},1,9"
                lines.append(
                    f"{kernel},c{lanes}{pipelined},{row},{arrays.format(lanes)},{values}\n"
                )
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_text("".join(lines))
    return path


_QUICK = ["--epochs", "2", "--members", "1", "--width", "8"]


def _common(labels: Path) -> list[str]:
    return ["--labels", str(labels), "--kernels", str(KERNELS / "hgnn")]


def test_train_and_fine_tune(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "w.safetensors"
    command = ["qor", "train", *_common(labels), "-o", str(out), *_QUICK, "--json"]
    assert run(command) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["designs"] == 18
    assert set(record["leave_one_kernel_out"]["kernels"]) == {"atax", "gemm", "gesummv"}
    tuned = tmp_path / "tuned.safetensors"
    assert run(["qor", "train", *_common(labels), "-o", str(tuned), "--fine-tune", str(out)]) == 0
    assert tuned.stat().st_size > 1000


def test_compare_has_a_line_a_model(labels: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("sklearn")
    assert run(["qor", "compare", *_common(labels), *_QUICK, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["labels"] == "labels.csv"
    assert [p["model"] for p in record["models"]] == [
        "H-GNN as published", "gradient boosting on tokens",
        "gradient boosting on analytical features", "analytical alone",
        "final: GNN and trees on the residual",
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["analytical", "gnn"])
def test_adrs_and_eval(labels: Path, model: str, capsys: pytest.CaptureFixture) -> None:
    options = _QUICK if model == "gnn" else []
    command = ["qor", "adrs", *_common(labels), "--model", model, "--picks", "6", "--json"]
    assert run([*command, *options]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["mean"] == {"two": 0.0, "four": 0.0}
    assert run([*command, *options, "--leave-out", "none"]) == 1


def test_labels_that_cannot_be_learned_from_are_refused(labels: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner.csv"
    inner.write_text(
        "set,kernel,config,top_loop,loops,partition,latency,II,IL\n"
        "p,atax,c,lp2,lp2:p:1:f,A.1=1,77,2,10\n"
    )
    with pytest.raises(PomError, match="POM-Q040"):
        read_measured(inner)
    with pytest.raises(PomError, match="POM-Q048"):
        adrs_by_kernel((), ("lut", "ff"), 5, None)


def test_adrs_of_the_whole_set_is_zero_and_of_a_worse_one_its_distance() -> None:
    points = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [4.0, 4.0]])
    front = points[pareto(points)]
    assert front.tolist() == [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0]]
    assert adrs(front, front) == 0.0
    assert adrs(front, points[3:]) == pytest.approx((3.0 + 1.0 + 3.0) / 3)
    assert sorted(pick(points, 3)) == [0, 1, 2]
    assert set(pick(points, 4)) == {0, 1, 2, 3}
    assert len(pick(points, 2)) == 2


def test_the_comparison_needs_scikit_learn(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    command = ["qor", "compare", *_common(labels), *_QUICK]
    assert run(command) == 1
    assert "POM-Q046" in capsys.readouterr().err
