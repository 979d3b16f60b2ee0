"""Label files with faults: each is refused, or its lines are listed with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from pom.cli import run
from pom.errors import PomError
from pom.qor_model.gnn.targets import Stage, read_measured
from pom.qor_model.labels import read_labels

HEADER = (
    "kernel,config,lp1_pipe,lp1_unroll,lp1_flat,lp2_pipe,lp2_unroll,lp2_flat,partition,latency,"
    "lut,ff,dsp,II,IL\n"
)
LINE = "{kernel},{config},0,1,1,0,1,1,A.1=1,{latency},{lut},754,5,579,579\n"
ROUTED = (
    "kernel,part,prj,io,hls_lut,hls_ff,hls_dsp,impl_lut,impl_lutram,impl_srl,impl_ff,impl_ramb36,"
    "impl_ramb18,impl_dsp,impl_dyn_mW\n"
)


def _line(**other: object) -> str:
    return LINE.format(**{"kernel": "atax", "config": "c", "latency": 100, "lut": 846, **other})


def _file(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "POM-Q020", "no rows"),
        (HEADER, "POM-Q020", "no rows"),
        ("kernel,config,lp1_pipe\na,b,1\n", "POM-Q021", "columns"),
        (ROUTED.replace("impl_lut,", "") + "atax,p,io1,1,1,1,1,0,0,1,1,1,1,1\n", "POM-Q021",
         "no column impl_lut"),
        (HEADER + _line() + _line(lut=900), "POM-Q028", "lines 2 and 3 measure atax/c"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_refused(
    text: str, code: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(PomError, match=code) as caught:
        read_labels(_file(tmp_path, text))
    assert words in caught.value.summary


def test_the_missing_columns_of_the_nearest_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(PomError) as caught:
        read_labels(_file(tmp_path, "kernel,config,lp1_pipe\na,b,1\n"))
    assert "hgnn_designs it lacks latency" in (caught.value.hint or "")


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "many"])
def test_what_no_measurement_can_be_is_listed(value: str, tmp_path: Path) -> None:
    file = read_labels(_file(tmp_path, HEADER + _line(lut=value) + _line(config="d")))
    assert [label.design for label in file.labels] == ["atax/d"]
    ((line, reason),) = file.unread
    assert line == "line 2"
    assert reason.startswith("POM-Q026")


def test_a_repeated_line_counts_once(tmp_path: Path) -> None:
    file = read_labels(_file(tmp_path, HEADER + _line() + _line(config="d") + _line()))
    assert len(file.labels) == 2
    assert file.unread == (("line 4", "POM-Q028: repeats line 2"),)


def test_what_nobody_measured_is_not_learned(tmp_path: Path) -> None:
    file = read_measured(_file(tmp_path, HEADER + _line(lut="") + _line(config="d", lut="")))
    assert file.metrics == ("latency", "ff", "dsp")
    assert file.stage is Stage.SYNTHESIS
    with pytest.raises(PomError, match="POM-Q040") as caught:
        read_measured(_file(tmp_path, HEADER + _line(lut="x")))
    assert caught.value.notes[0].startswith("line 2: POM-Q026")


def test_the_clock_that_the_tool_expects_is_a_target(tmp_path: Path) -> None:
    text = (
        "variant,kernel,part,clk,est,latency,lut,ff,operators,pipelined_loops\n"
        "polybench__fixed__mini,atax,xc7z020-clg484-1,10.0,7.219,1000,500,400,,L1_1\n"
    )
    file = read_measured(_file(tmp_path, text))
    assert file.metrics == ("latency", "lut", "ff", "est_clock_ns")
    assert file.rows[0].values == (1000.0, 500.0, 400.0, 7.219)


KERNEL = """
import pom


@pom.kernel
def {name}(A: pom.f32[8, 8]):
    i, j = pom.vars(lp1=8, {loop}=8)
    pom.compute("S", [i, j], A[i, j], A[i, j] + 1.0)
"""


@pytest.mark.parametrize(("name", "code"), [("other", "POM-Q024"), ("atax", "POM-Q023")])
def test_without_a_known_kernel_or_loop_there_is_nothing_to_train_on(
    name: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_geometric")
    path = _file(tmp_path, HEADER + _line())
    (tmp_path / f"{name}.py").write_text(KERNEL.format(name=name, loop="k"))
    command = ["qor", "train", "--labels", str(path), "--kernels", str(tmp_path)]
    assert run([*command, "-o", str(tmp_path / "w.safetensors")]) == 1
    said = capsys.readouterr().err
    assert "POM-Q049" in said
    assert code in said


DESIGN = (
    "kernel,part,prj,io,hls_clk_ns,hls_lut,hls_ff,hls_dsp,impl_lut,impl_lutram,impl_srl,impl_ff,"
    "impl_ramb36,impl_ramb18,impl_dsp,impl_dyn_mW\n"
)


def _design(part: str, clock: str = "8.4", unroll: int = 1, lut: int = 900) -> str:
    return f"gemm,{part},io2_l2n1n{unroll},2,{clock},{lut},700,5,500,0,0,600,1,1,5,9.5\n"


def test_a_report_of_two_technologies_is_of_one_of_them(tmp_path: Path) -> None:
    """The delays of two technologies differ, so one of the two designs is not what it says."""
    same = _design("xczu9eg") + _design("xc7v585t")
    other = _design("xczu9eg", unroll=2) + _design("xc7v585t", clock="7.9", unroll=2)
    file = read_labels(_file(tmp_path, DESIGN + same + other))
    assert [label.loops[1][1].unroll for label in file.labels] == [2, 2]
    assert [line for line, _ in file.unread] == ["line 2", "line 3"]
    assert all(reason.startswith("POM-Q029") for _, reason in file.unread)
    assert "line 3" in file.unread[0][1]


@pytest.mark.parametrize(
    "second",
    [
        _design("xczu7ev"),
        _design("xc7v585t", unroll=2),
        _design("xc7v585t", lut=901),
        _design("xc7v585t", clock=""),
    ],
    ids=["one technology", "another design", "another count", "no clock period"],
)
def test_reports_that_may_agree_are_kept(second: str, tmp_path: Path) -> None:
    assert read_labels(_file(tmp_path, DESIGN + _design("xczu9eg") + second)).unread == ()
