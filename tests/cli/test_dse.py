"""``pom dse`` from the command line."""

from __future__ import annotations

import json

import pytest

from pom.cli import run

KERNEL = """
import pom

@pom.kernel
def axpy(a: pom.f32, x: pom.f32[20], y: pom.f32[20]):
    for i in pom.loop("i", 0, 20):
        y[i] += a * x[i]
"""


@pytest.fixture
def kernel_file(tmp_path):
    path = tmp_path / "axpy.py"
    path.write_text(KERNEL)
    return str(path)


def test_answer_files_and_text(kernel_file, tmp_path, capsys):
    folder = tmp_path / "out"
    assert run(["dse", kernel_file, "--target", "xc7z020", "-o", str(folder)]) == 0
    out = capsys.readouterr().out
    for part in ("speed-up", "gap", "axpy.cpp", "report.html", "translation validation"):
        assert part in out
    files = ("best_schedule.py", "report.html", "result.json", "store.sqlite", "project/axpy.cpp")
    for name in files:
        assert (folder / name).stat().st_size > 0
    again = tmp_path / "again.cpp"
    assert run(["compile", kernel_file, "--schedule", str(folder / "best_schedule.py"),
                "--target", "xc7z020", "-o", str(again)]) == 0  # fmt: skip
    assert again.read_text() in (folder / "report.html").read_text().replace("&lt;", "<").replace(
        "&gt;", ">"
    ).replace("&amp;", "&").replace("&quot;", '"').replace("&#x27;", "'")


def test_json(kernel_file, tmp_path, capsys):
    options = ["--limit", "dsp=10%", "--objective", "pareto", "--fast-math", "--strategy", "exact"]
    code = run(["dse", kernel_file, "--target", "xc7z020", "--json", "-o", str(tmp_path / "o"), *options])  # fmt: skip
    record = json.loads(capsys.readouterr().out)
    assert code == 0
    assert record["limits"]["dsp"] == 22
    assert record["resources"]["dsp"] <= 22
    assert all(point["is_checked"] for point in record["front"])
    assert record["files"]["cpp"].endswith("axpy.cpp")


def test_space(kernel_file, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["dse", kernel_file, "--target", "xc7z020", "--explain-space"]) == 0
    assert "i=20: 1 orders" in capsys.readouterr().out
    assert run(["dse", kernel_file, "--target", "xc7z020", "--explain-space", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["designs"] > 10
    assert not list(tmp_path.glob("dse_*"))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--target", "xc7z02"], "POM-D080"),
        (["--limit", "dsp=200%"], "POM-X110"),
        (["--limit", "dsp=3", "--limit", "dsp=4"], "POM-X111"),
        (["--limit", "lut=40"], "POM-X160"),
        (["--latency-cap", "1"], "POM-X162"),
        (["--strategy", "luck"], "POM-X140"),
        (["--resume"], "POM-X151"),
    ],
)
def test_bad_questions(kernel_file, tmp_path, capsys, options, code):
    assert run(["dse", kernel_file, "-o", str(tmp_path / "o"), *options]) == 1
    err = capsys.readouterr().err
    assert err.startswith(code)
    assert "hint: " in err


def test_folder_that_cannot_be_made(kernel_file, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert run(["dse", kernel_file, "-o", str(tmp_path / "file" / "o")]) == 1
    assert "POM-X170" in capsys.readouterr().err


def test_project_folder_of_somebody_else_is_left_alone(kernel_file, tmp_path, capsys):
    other = tmp_path / "o" / "project" / "mine.txt"
    other.parent.mkdir(parents=True)
    other.write_text("keep")
    assert run(["dse", kernel_file, "--target", "xc7z020", "-o", str(tmp_path / "o")]) == 1
    assert "POM-C030" in capsys.readouterr().err
    assert other.read_text() == "keep"


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_estimate_with_the_networks(kernel_file, capsys):
    pytest.importorskip("torch")
    assert run(["estimate", kernel_file, "--target", "xczu9eg", "--model", "gnn"]) == 0
    text = capsys.readouterr().out
    assert "90 % interval" in text
    assert run(["estimate", kernel_file, "--target", "xc7z020", "--model", "gnn", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    lut = record["predicted"]["estimates"]["lut"]
    assert 0 <= lut["low"] <= lut["value"] <= lut["high"]
    assert any("xc7z020" in text for text in record["predicted"]["warnings"])
