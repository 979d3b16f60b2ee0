"""A search that is killed or interrupted goes on, and ends where an uninterrupted one ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pom
from pom.errors import PomError
from tests.dse.kernels import gemm, scale_add

KERNEL = """
import pom

@pom.kernel
def gemm(A: pom.f32[12, 12], B: pom.f32[12, 12], C: pom.f32[12, 12]):
    for i in pom.loop("i", 0, 12):
        for j in pom.loop("j", 0, 12):
            for k in pom.loop("k", 0, 12):
                C[i, j] += A[i, k] * B[k, j]
"""
IDENTICAL = (
    "latency_cycles", "lower_bound", "gap", "resources", "plan", "schedule", "front", "evaluated",
    "pruned", "is_complete", "check",
)  # fmt: skip
"""What a run that was interrupted has to say like one that was not; times may differ."""


@pytest.fixture
def kernel_file(tmp_path):
    path = tmp_path / "gemm.py"
    path.write_text(KERNEL)
    return path


def command(kernel_file: Path, folder: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "pom", "dse", str(kernel_file), "--target", "xc7z020",
        "-o", str(folder), "--json", *options,
    ]  # fmt: skip


def finished(kernel_file: Path, folder: Path, *options: str) -> dict[str, object]:
    done = subprocess.run(
        command(kernel_file, folder, *options), capture_output=True, text=True, check=True
    )
    record = json.loads(done.stdout)
    for check in record["check"]["results"]:
        del check["seconds"]
    return record


def evaluations(store: Path) -> int:
    try:
        with sqlite3.connect(store, timeout=10) as db:
            return db.execute("select count(*) from evaluation").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def heed_interrupts() -> None:
    """What is started in the background of a shell ignores them, and its children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_evaluations(process: subprocess.Popen[str], store: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if store.exists() and evaluations(store) >= count:
            return
        time.sleep(0.01)
    pytest.fail("the run ended before it could be stopped")


@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGKILL, "1"), (signal.SIGINT, "1"), (signal.SIGINT, "2")]
)
def test_a_stopped_run_goes_on_and_ends_the_same(kernel_file, tmp_path, number, jobs):
    whole = finished(kernel_file, tmp_path / "whole")
    folder = tmp_path / "stopped"
    store = folder / "store.sqlite"
    process = subprocess.Popen(
        command(kernel_file, folder, "--jobs", jobs),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    wait_for_evaluations(process, store, 6)
    # as a terminal does it: to the worker processes too
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    if number == signal.SIGINT:
        assert "--resume" in errors
        assert "Traceback" not in errors
    assert not (folder / "report.html").exists()
    kept = evaluations(store)
    assert 6 <= kept < whole["evaluated"]
    resumed = finished(kernel_file, folder, "--resume")
    assert resumed["from_store"] >= kept
    assert {k: resumed[k] for k in IDENTICAL} == {k: whole[k] for k in IDENTICAL}


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))


def test_a_full_disk_is_said_and_loses_nothing(kernel_file, tmp_path):
    whole = finished(kernel_file, tmp_path / "whole")
    folder = tmp_path / "full"
    stopped = subprocess.run(
        command(kernel_file, folder), capture_output=True, text=True, preexec_fn=small_files,
    )  # fmt: skip
    assert stopped.returncode == 1
    error = json.loads(stopped.stdout)["error"]
    assert error["code"] == "POM-X103"
    assert "--resume" in error["hint"]
    assert "Traceback" not in stopped.stderr
    assert evaluations(folder / "store.sqlite") > 0
    resumed = finished(kernel_file, folder, "--resume")
    assert resumed["from_store"] > 0
    assert {k: resumed[k] for k in IDENTICAL} == {k: whole[k] for k in IDENTICAL}


def test_two_runs_on_one_store(kernel_file, tmp_path):
    alone = finished(kernel_file, tmp_path / "alone")
    store = str(tmp_path / "shared.sqlite")
    runs = [
        subprocess.Popen(
            command(kernel_file, tmp_path / name, "--store", store),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in "ab"
    ]  # fmt: skip
    for run in runs:
        text, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
        record = json.loads(text)
        assert record["plan"] == alone["plan"]
        assert record["evaluated"] == alone["evaluated"]


def test_resume_needs_a_store_and_a_run(tmp_path):
    with pytest.raises(PomError, match="POM-X151"):
        pom.auto_dse(gemm(), "xc7z020", resume=True)
    with pytest.raises(PomError, match="POM-X151"):
        pom.auto_dse(gemm(), "xc7z020", store=tmp_path / "none", resume=True)
    store = tmp_path / "store"
    pom.auto_dse(scale_add(), "xc7z020", store=store)
    with pytest.raises(PomError, match="POM-X150"):
        pom.auto_dse(gemm(), "xc7z020", store=store, resume=True)
    with pytest.raises(PomError, match="POM-X150"):
        pom.auto_dse(scale_add(), "xc7z020", store=store, limits={"dsp": 9}, resume=True)


def test_a_foreign_store_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 200)
    with pytest.raises(PomError, match="POM-X101"):
        pom.auto_dse(scale_add(), "xc7z020", store=path)
    assert path.read_text() == "my notes\n" * 200


def test_a_second_run_computes_nothing_again(tmp_path):
    store = tmp_path / "store"
    first = pom.auto_dse(scale_add(), "xc7z020", store=store)
    second = pom.auto_dse(scale_add(), "xc7z020", store=store, resume=True)
    assert second.finalist.evaluation == first.finalist.evaluation
    assert second.outcome.evaluated == first.outcome.evaluated
    assert second.outcome.from_store >= second.outcome.evaluated
