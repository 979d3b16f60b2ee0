"""Projects: what is in them, that they build and pass, and that they are written whole or not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pom.codegen import project
from pom.codegen.project import MARKER, ProjectTarget, project_files, write_project
from pom.errors import PomError
from pom.runtime.gpp import find_gpp, headers_folder
from tests.codegen.kernels import EXAMPLES
from tests.codegen.level3 import parse

TARGET = ProjectTarget("xc7z020-clg400-1", 10.0)


def run_of(name: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    example = EXAMPLES[name]
    arguments = example.arguments(np.random.default_rng(3))
    return parse(example.text), arguments, example.compute(arguments)


def write(path: Path, name: str = "gemm") -> tuple[Path, ...]:
    module, inputs, expected = run_of(name)
    return write_project(path, module, TARGET, inputs=inputs, expected=expected)


def test_files(tmp_path: Path) -> None:
    written = write(tmp_path / "out")
    names = sorted(str(p.relative_to(tmp_path / "out")) for p in written)
    assert names == [
        MARKER,
        "README.md",
        "data/A.bin",
        "data/B.bin",
        "data/C.bin",
        "data/C.expected.bin",
        "data/alpha.bin",
        "gemm.cpp",
        "gemm.h",
        "gemm_tb.cpp",
        "hls_config.cfg",
        "pom_testbench.h",
        "run_hls.tcl",
    ]
    config = (tmp_path / "out" / "hls_config.cfg").read_text()
    assert config.startswith("part=xc7z020-clg400-1\n\n[hls]\nclock=10ns\n")
    for line in ("syn.top=gemm", "syn.file=gemm.cpp", "tb.file=gemm_tb.cpp", "tb.file=data"):
        assert line in config.splitlines()
    tcl = (tmp_path / "out" / "run_hls.tcl").read_text()
    assert "set_part xc7z020-clg400-1" in tcl
    assert "cosim_design" in tcl
    assert not [p for p in tmp_path.iterdir() if p.name != "out"]


def test_without_a_run_there_is_no_testbench() -> None:
    files = project_files(run_of("gemm")[0], TARGET)
    assert not [name for name in files if "tb" in name or "data" in name]
    assert b"tb.file" not in files["hls_config.cfg"]
    assert b"csim" not in files["run_hls.tcl"]


@pytest.mark.parametrize("name", ["gemm", "reversed", "fir"])
def test_it_builds_as_the_readme_says(tmp_path: Path, name: str) -> None:
    write(tmp_path / "out", name)
    readme = (tmp_path / "out" / "README.md").read_text()
    command = next(line for line in readme.splitlines() if line.startswith("    g++")).split()
    command[0] = find_gpp()
    command[command.index("AP")] = str(headers_folder())
    subprocess.run(command, cwd=tmp_path / "out", check=True, timeout=120)
    done = subprocess.run(
        [f"./{name}_tb"], cwd=tmp_path / "out", check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"PASS: {name}\n")


def test_it_is_reproducible() -> None:
    module, inputs, expected = run_of("fir")
    files = project_files(module, TARGET, inputs=inputs, expected=expected)
    again = project_files(parse(EXAMPLES["fir"].text), TARGET, inputs=inputs, expected=expected)
    assert files == again


def test_tolerance_only_where_the_vendors_library_rounds() -> None:
    for name, ulps in (("gemm", 0), ("jacobi", project.VENDOR_ULPS)):
        module, inputs, expected = run_of(name)
        files = project_files(module, TARGET, inputs=inputs, expected=expected)
        assert f", {ulps}) && ok;".encode() in files[f"{name}_tb.cpp"]


def test_own_project_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "old.txt").write_text("left over")
    write(tmp_path / "out", "fir")
    assert (tmp_path / "out" / "fir.cpp").is_file()
    assert not (tmp_path / "out" / "old.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(PomError, match="POM-C030"):
        write(tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(PomError, match="POM-C030"):
        write(file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "thesis.tex"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PomError, match="POM-C031"):
            write(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PomError, match="POM-C031"):
        write(tmp_path / "file" / "out")


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """A full disk or Ctrl-C in the middle: the earlier project stays, nothing else appears."""
    write(tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    count = 0
    write_bytes = Path.write_bytes

    def failing(path: Path, data: bytes) -> int:
        nonlocal count
        count += 1
        if count > 4:
            raise failure
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises((PomError, KeyboardInterrupt)):
        write(tmp_path / "out", "fir")
    monkeypatch.undo()
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
