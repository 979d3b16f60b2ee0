"""Report folders as the tools leave them, with their directives, and the way into training."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pom.cli import run
from pom.errors import PomError
from pom.qor_model.gnn.directive_files import Directives, cfg_directives, tcl_directives
from pom.qor_model.gnn.pragmas import pragma_directives
from pom.qor_model.gnn.reports import read_design, read_directives, to_csv
from pom.qor_model.labels import EVERY_DIM, NO_DIM, read_labels
from pom.qor_model.region import LoopDirectives, Partition, PartitionKind
from tests.qor_model.labels_data import KERNELS

CSYNTH = """<?xml version="1.0"?>
<profile>
<ReportVersion><Version>{version}</Version></ReportVersion>
<UserAssignments><Part>{part}</Part><TopModelName>{top}</TopModelName>
<TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>7.300</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency><Worst-caseLatency>{latency}</Worst-caseLatency></SummaryOfOverallLatency>
</PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>4</BRAM_18K><{dsp}>{lanes}</{dsp}><FF>{ff}</FF><LUT>{lut}</LUT>
</Resources></AreaEstimates>
</profile>
"""
UTILIZATION = """
| CLB LUTs                   |  {lut} |     0 |          0 |    274080 |  0.19 |
|   LUT as Distributed RAM   |   16 |     0 |            |           |       |
|   LUT as Shift Register    |    7 |     0 |            |           |       |
| CLB Registers              |  485 |     0 |          0 |    548160 |  0.09 |
| Block RAM Tile             |  5.5 |     0 |          0 |       912 |  0.60 |
| DSPs                       |    5 |     0 |          0 |      2520 |  0.20 |
"""
TIMING = """
    WNS(ns)      TNS(ns)  TNS Failing Endpoints
    -------      -------  ---------------------
      2.125        0.000                      0
"""
TCL = """
open_project gemm
set_top gemm
add_files gemm.cpp
open_solution "solution1" -flow_target vivado
set_part {{{part}}}
create_clock -period 10 -name default
{directives}
csynth_design
"""


def _report(folder: Path, version: str, top: str = "gemm", lanes: int = 1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "csynth.xml").write_text(
        CSYNTH.format(
            version=version, part="xczu9eg-ffvb1156-2-e", top=top, latency=80000 // lanes,
            dsp="DSP48E" if version < "2020" else "DSP", lanes=5 * lanes, lut=800 * lanes,
            ff=700 * lanes,
        )
    )  # fmt: skip


def _vivado_2018(folder: Path) -> None:
    """A Vivado HLS project: the directives in a script that the solution's script sources."""
    _report(folder / "solution1" / "syn" / "report", "2018.2")
    (folder / "solution1" / "script.tcl").write_text(
        TCL.format(part="xczu9eg", directives='source "./gemm/solution1/directives.tcl"')
    )
    (folder / "solution1" / "directives.tcl").write_text(
        'set_directive_pipeline -II 1 "gemm/lp5"\n'
        'set_directive_unroll -factor 4 "gemm/lp5"\n'
        'set_directive_array_partition -type cyclic -factor 4 -dim 2 "gemm" A\n'
        'set_directive_array_partition -type cyclic -factor 4 -dim 1 "gemm" B\n'
        'set_directive_interface -mode ap_memory "gemm" A\n'
    )


def _vitis_2022(folder: Path) -> None:
    """Pragmas in the sources; the copies of the tool itself do not count."""
    _report(folder / "proj" / "solution1" / "syn" / "report", "2022.1")
    hidden = folder / "proj" / "solution1" / ".autopilot" / "db"
    hidden.mkdir(parents=True)
    (hidden / "gemm.pp.0.cpp").write_text(
        "void gemm() { for (int q = 0;;) {\n#pragma HLS UNROLL\n} }"
    )
    (folder / "gemm.h").write_text("#ifndef GEMM_H\n#define GEMM_H\n#define LANES 4\n#endif\n")
    (folder / "gemm.cpp").write_text(
        '#include "gemm.h"\n'
        "void gemm(float A[64][64], float B[64][64], float C[64][64]) {\n"
        "#pragma HLS INTERFACE mode=ap_memory port=A\n"
        "#pragma HLS ARRAY_PARTITION variable=A type=cyclic factor=LANES dim=2\n"
        "#pragma HLS array_partition variable = B cyclic factor = LANES dim = 1\n"
        "  lp3: for (int i = 0; i < 64; i++) {\n"
        "    lp4: for (int j = 0; j < 64; j++) {\n"
        "      /* #pragma HLS PIPELINE */\n"
        "      lp5: for (int k = 0; k < 64; k++) {\n"
        "#pragma HLS PIPELINE II=1\n"
        "#pragma HLS UNROLL factor=LANES\n"
        "        C[i][j] += A[i][k] * B[k][j];\n"
        "      }\n    }\n  }\n}\n"
    )
    (folder / "tb.cpp").write_text(
        "int main() { for (int i = 0; i < 4; i++) {\n#pragma HLS UNROLL\n} }"
    )


def _vitis_2024(folder: Path) -> None:
    """A configuration file, and the reports in the work folder."""
    _report(folder / "work" / "hls" / "syn" / "report", "2024.1")
    (folder / "hls_config.cfg").write_text(
        "part=xczu9eg-ffvb1156-2-e\n\n[hls]\nclock=10ns\nsyn.top=gemm\nsyn.file=gemm.cpp\n"
        "# syn.directive.unroll=gemm/lp1 factor=2\n"
        "syn.directive.pipeline=gemm/lp5 II=1\n"
        "syn.directive.unroll=-factor 4 gemm/lp5\n"
        "syn.directive.array_partition=gemm A type=cyclic factor=4 dim=2\n"
        "syn.directive.array_partition=gemm B type=cyclic factor=4 dim=1\n"
    )


LAYOUTS = {"2018.2": _vivado_2018, "2022.1": _vitis_2022, "2024.1": _vitis_2024}


@pytest.mark.parametrize("version", sorted(LAYOUTS))
def test_every_layout_says_the_same_directives(version: str, tmp_path: Path) -> None:
    LAYOUTS[version](tmp_path / "d0")
    path = tmp_path / "labels.csv"
    assert run(["qor", "import", str(tmp_path), "-o", str(path)]) == 0
    (row,) = csv.DictReader(io.StringIO(path.read_text()))
    assert row["tool"] == version
    assert row["loops"] == "lp5:p1:4:-"
    assert row["partitions"] == "A.2=cyclic:4 B.1=cyclic:4"
    assert row["other"] == ""
    assert row["dsp"] == "5"
    file = read_labels(path)
    assert not file.unread
    (label,) = file.labels
    assert label.loops == (("lp5", LoopDirectives(True, 1, 4, None)),)
    assert dict(label.partitions)["A"] == (Partition(1, PartitionKind.CYCLIC, 4),)


def _own_designs(folder: Path, *, routed: bool) -> Path:
    """Reports of three kernels with one to four lanes."""
    nests = {"gemm": ("lp5", "A"), "atax": ("lp2", "A"), "gesummv": ("lp2", "B")}
    for kernel, (loop, array) in nests.items():
        for lanes in (1, 2, 4):
            for pipelined in ("", "-off "):
                place = folder / f"{kernel}_{lanes}{'n' if pipelined else 'p'}"
                _report(place / "hls" / "syn" / "report", "2022.1", kernel, lanes)
                (place / "run.tcl").write_text(
                    f'set_directive_pipeline {pipelined}"{kernel}/{loop}"\n'
                    f'set_directive_unroll -factor {lanes} "{kernel}/{loop}"\n'
                    f"set_directive_array_partition -type cyclic -factor {lanes} -dim 2 {kernel} {array}\n"
                )
                if routed:
                    (place / "utilization_routed.rpt").write_text(
                        UTILIZATION.format(lut=f"{500 * lanes}")
                    )
                    (place / "timing_summary_routed.rpt").write_text(TIMING)
    return folder


@pytest.mark.parametrize("routed", [False, True])
def test_imported_reports_are_learned_from_as_they_are(
    routed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_geometric")
    path = tmp_path / "labels.csv"
    folder = _own_designs(tmp_path / "runs", routed=routed)
    assert run(["qor", "import", str(folder), "-o", str(path)]) == 0
    common = ["--labels", str(path), "--kernels", str(KERNELS / "hgnn")]
    capsys.readouterr()
    assert run(["qor", "eval", *common, "--check-every", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["designs"], found["refused"]) == (18, [])
    out = tmp_path / "w.safetensors"
    quick = ["--epochs", "1", "--members", "1", "--width", "8", "--no-leave-one-out", "--json"]
    assert run(["qor", "train", *common, "-o", str(out), *quick]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["designs"] == 18
    tuned = tmp_path / "tuned.safetensors"
    assert run(["qor", "train", *common, "-o", str(tuned), "--fine-tune", str(out)]) == 0
    said = capsys.readouterr().out
    assert ("clock_ns" if routed else "est_clock_ns") in said
    # shipped weights predict other metrics, in another order
    shipped = ["--fine-tune", "routed" if routed else "synthesis"]
    assert run(["qor", "train", *common, "-o", str(tuned), *shipped]) == 0
    said = capsys.readouterr().out
    assert "clock_ns" not in said
    assert "of 18 designs" in said


def test_labels_without_anything_that_the_weights_predict_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_geometric")
    path = tmp_path / "labels.csv"
    path.write_text(
        "kernel,design,part,tool,loops,partitions,other,clock_ns,impl_clock_ns\n"
        "atax,a,xczu9eg,2022.1,,,,10,7.5\n"
    )
    command = ["qor", "train", "--labels", str(path), "--kernels", str(KERNELS / "hgnn")]
    out = str(tmp_path / "w.safetensors")
    assert run([*command, "--fine-tune", "routed", "-o", out]) == 1
    assert "POM-Q045" in capsys.readouterr().err


def test_the_clock_after_place_and_route_is_the_period_less_the_slack(tmp_path: Path) -> None:
    _vitis_2024(tmp_path)
    (tmp_path / "timing_summary_routed.rpt").write_text(TIMING)
    report = read_design(tmp_path)
    assert report is not None
    assert dict(report.values)["impl_clock_ns"] == pytest.approx(7.875)
    assert "impl_clock_ns" in to_csv((report,))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('set_directive_dataflow "gemm"', "dataflow"),
        ('set_directive_pipeline "gemm"', "pipeline"),
        ('set_directive_pipeline -rewind "gemm/lp5"', "rewind"),
        ("set_directive_bind_storage -type ram_1p -impl bram gemm A", "bind_storage A"),
        ("set_directive_interface -mode m_axi -bundle g gemm A", "m_axi"),
        ("set_directive_array_reshape -type cyclic -factor 2 -dim 1 gemm A", "array_reshape A"),
    ],
)
def test_what_a_label_cannot_say_is_kept_and_refused_later(
    text: str, what: str, tmp_path: Path
) -> None:
    _report(tmp_path / "d0" / "syn" / "report", "2022.1")
    (tmp_path / "d0" / "run.tcl").write_text(text + "\n")
    path = tmp_path / "labels.csv"
    assert run(["qor", "import", str(tmp_path), "-o", str(path)]) == 0
    file = read_labels(path)
    assert not file.labels
    ((_, reason),) = file.unread
    assert "a label cannot say" in reason
    assert what in reason


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.tcl", 'set_directive_unroll -factor $n "gemm/lp5"', "factor is $n, not a number"),
        ("a.tcl", 'set_directive_unroll -factor 2 "gemm/lp5"\nset_directive_unroll -factor 4 "gemm/lp5"', "contradicts"),
        ("a.tcl", "set_directive_array_partition -dim 1 gemm", "names no array"),
        ("a.tcl", 'set_directive_unroll -factor 2 "gemm/lp5', "cannot be read"),
        ("a.cfg", "syn.directive.unroll=factor=4", "no place"),
        ("a.cpp", "void g() { for (;;) {\n#pragma HLS PIPELINE\n} }", "no label"),
        ("a.cpp", "void g() {\n#ifdef FAST\n#pragma HLS DATAFLOW\n#endif\n}", "depends on a macro"),
        ("a.cpp", "void g() { l: for (int i = 0;;) {\n#pragma HLS UNROLL factor=N\n} }", "factor is n"),
        ("a.cpp", "void g() { for (int i = 0;;) {\n#pragma HLS UNROLL\n}\nfor (int i = 0;;) {} }", "several loops over i"),
    ],
)  # fmt: skip
def test_directives_that_cannot_be_read_are_refused(
    name: str, text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PomError, match="POM-Q051") as caught:
        read_directives(tmp_path)
    assert words in str(caught.value)


def test_two_solutions_of_one_design_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        _report(tmp_path / f"solution{number}" / "syn" / "report", "2022.1")
    with pytest.raises(PomError, match="POM-Q047"):
        read_design(tmp_path)


def test_loops_are_named_by_label_or_variable_and_pragmas_by_the_loop_around() -> None:
    text = """
static const int N = 8;
#ifdef __SYNTHESIS__
#define X
#else
void sim() {
#pragma HLS DATAFLOW
}
#endif
extern "C" {
void top(int n) {
  for (int i = 0; i < (n + 1); i++)
    for (int j = 0; j < f(i); ++j) {
#pragma HLS LOOP_FLATTEN off
#pragma HLS PIPELINE II = N rewind=0
      g(i, j); // #pragma HLS UNROLL
    }
  inner: for (int i = 0; i < 4; i++) { if (i) {
#pragma HLS UNROLL
  } }
#pragma HLS ARRAY_PARTITION variable=A complete dim=0 \\
  off
  do {
    int t = i ? 1 : 2;
  } while (n--);
#pragma HLS ARRAY_PARTITION variable=x complete
}
}
"""
    found = pragma_directives(text, "t.cpp")
    assert [(d.name, d.loop, d.array) for d in found] == [
        ("loop_flatten", "j", ""), ("pipeline", "j", ""), ("unroll", "inner", ""),
        ("array_partition", "", "A"), ("array_partition", "", "x"),
    ]  # fmt: skip
    assert found[1].option("ii") == "8"
    asked = Directives()
    asked.add(found)
    assert asked.loops["inner"].unroll == 0
    assert asked.loops["j"] == LoopDirectives(True, 8, 1, False)
    assert asked.partitions == {
        ("A", 0): (PartitionKind.COMPLETE, 0), ("x", -1): (PartitionKind.COMPLETE, 0),
    }  # fmt: skip


def test_a_partition_without_dimension_is_of_a_vector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, array in (("vector", "x"), ("matrix", "A")):
        _report(tmp_path / name / "syn" / "report", "2022.1", "atax")
        (tmp_path / name / "run.tcl").write_text(
            f"config_compile -pipeline_loops 0\nset_directive_array_partition -type block -factor 2 atax {array}\n"
            "set_directive_array_partition -type complete -dim 0 atax y\n"
        )
    path = tmp_path / "labels.csv"
    assert run(["qor", "import", str(tmp_path), "-o", str(path)]) == 0
    first, second = read_labels(path).labels
    assert first.pipeline_loops == 0
    assert dict(first.partitions)["A"][0].dim == dict(second.partitions)["x"][0].dim == NO_DIM
    assert dict(first.partitions)["y"][0].dim == EVERY_DIM
    command = ["qor", "eval", "--labels", str(path), "--kernels", str(KERNELS / "hgnn"), "--json"]
    capsys.readouterr()
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["designs"] == 1
    ((reason),) = [item["reason"] for item in found["refused"]]
    assert reason.startswith("POM-Q027")


def test_a_label_without_its_tool_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "kernel,design,part,tool,loops,partitions,other,clock_ns,latency\n"
        "atax,a,xczu9eg,,lp2:p:1:-,,,10,100\natax,b,xczu9eg,2022.1,lp2:q:1:-,,,10,100\n"
    )
    command = ["qor", "eval", "--labels", str(path), "--kernels", str(KERNELS / "hgnn")]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "does not say which version of the tool" in said
    assert "are not NAME:PIPELINE:UNROLL:FLATTEN" in said


def test_options_of_scripts_and_configurations_are_the_same() -> None:
    (tcl,) = tcl_directives("set_directive_pipeline -II 2 -style flp {top/a/b} ;# why", "t")
    (cfg,) = cfg_directives("syn.directive.pipeline=top/a/b style=flp II=2", "c")
    assert (
        (tcl.loop, tcl.options) == (cfg.loop, cfg.options) == ("b", (("ii", "2"), ("style", "flp")))
    )
