"""The g++ simulation: what is missing is said, faults stay in their process."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from pom.errors import PomError
from pom.runtime import gpp
from pom.runtime.gpp import WARNING_FLAGS, CompiledKernel, find_gpp, headers_folder
from tests.codegen.level3 import parse

DIVISION = """
module {
  func.func @divide(%A: memref<4xi16> {hls.name = "A", hls.type = "int16", hls.direction = "in"},
      %B: memref<4xi17> {hls.name = "B", hls.type = "int17", hls.direction = "out"}) {
    %c = arith.constant 100 : i16
    affine.for %i = 0 to 4 {
      %0 = affine.load %A[%i] : memref<4xi16>
      %1 = "hls.div"(%c, %0) {types = ["int16", "int16"], result = "int17"} : (i16, i16) -> i17
      affine.store %1, %B[%i] : memref<4xi17>
    }
    return
  }
}
"""

LARGE = """
module {
  func.func @large(%A: memref<f32> {hls.name = "A", hls.type = "f32", hls.direction = "inout"}) {
    %t = memref.alloc() {hls.name = "t", hls.type = "f32"} : memref<3000x1000xf32>
    affine.for %i = 0 to 3000 {
      affine.for %j = 0 to 1000 {
        %0 = affine.load %A[] : memref<f32>
        affine.store %0, %t[%i, %j] : memref<3000x1000xf32>
      }
    }
    %1 = affine.load %t[2999, 999] : memref<3000x1000xf32>
    %2 = arith.addf %1, %1 : f32
    affine.store %2, %A[] : memref<f32>
    return
  }
}
"""

HALF = """
module {
  func.func @half_sum(%x: f16 {hls.name = "x", hls.type = "f16"},
      %A: memref<50xf16> {hls.name = "A", hls.type = "f16", hls.direction = "in"},
      %s: memref<f16> {hls.name = "s", hls.type = "f16", hls.direction = "inout"}) {
    affine.for %i = 0 to 50 {
      %0 = affine.load %s[] : memref<f16>
      %1 = affine.load %A[%i] : memref<50xf16>
      %2 = arith.mulf %1, %x : f16
      %3 = math.sqrt %2 : f16
      %4 = arith.addf %0, %3 : f16
      affine.store %4, %s[] : memref<f16>
    }
    return
  }
}
"""


def test_one_program_many_runs() -> None:
    compiled = CompiledKernel(parse(DIVISION), flags=WARNING_FLAGS)
    for values in ([1, 2, 3, -7], [-1, 100, 101, -32768]):
        found = compiled({"A": np.array(values, np.int16)})
        assert found["B"].dtype == np.int32
        assert found["B"].tolist() == [int(100 / v) for v in values]


def test_a_fault_is_an_error_and_not_a_crash() -> None:
    compiled = CompiledKernel(parse(DIVISION))
    with pytest.raises(PomError, match="POM-R103"):
        compiled({"A": np.zeros(4, np.int16)})


def test_large_local_arrays() -> None:
    """12 MB on the stack of the simulation."""
    compiled = CompiledKernel(parse(LARGE))
    assert compiled({"A": np.array(1.25, np.float32)})["A"] == 2.5


def test_half_rounds_every_operation() -> None:
    rng = np.random.default_rng(2)
    a = rng.uniform(0, 9, 50).astype(np.float16)
    x = np.float16(1.3)
    total = np.float16(0)
    for value in a:
        total = total + np.sqrt(value * x)
    compiled = CompiledKernel(parse(HALF), flags=WARNING_FLAGS)
    found = compiled({"x": x, "A": a, "s": np.array(0, np.float16)})
    assert found["s"].tobytes() == total.tobytes()


def test_a_run_that_takes_too_long() -> None:
    compiled = CompiledKernel(parse(LARGE), timeout_s=0.0001)
    with pytest.raises(PomError, match="POM-R103"):
        compiled({"A": np.array(0, np.float32)})


def test_what_gpp_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpp, "emit", lambda *_, **__: "this is not C++;")
    with pytest.raises(PomError, match="POM-R102"):
        CompiledKernel(parse(LARGE))


def test_compiler_that_takes_too_long() -> None:
    with pytest.raises(PomError, match="POM-R102"):
        CompiledKernel(parse(LARGE), compile_timeout_s=0.0001)


def test_no_gpp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PomError, match="POM-R100"):
        find_gpp()


def test_no_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(gpp.metadata, "distribution", missing)
    with pytest.raises(PomError, match="POM-R101"):
        headers_folder()


def test_files_are_removed() -> None:
    compiled = CompiledKernel(parse(LARGE))
    folder = compiled._folder
    assert folder.is_dir()
    del compiled
    assert not folder.exists()
