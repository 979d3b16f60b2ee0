"""JIT against ``g++ -O2`` on the same nest: gemm 256³ in float32. Target: a ratio of at most 2.

    python benchmarks/bench_jit.py [--size 256] [--repeat 5] [--json]

Both run the kernel as it was written, without a schedule, on the same arrays; the time is that of
the call alone, the best of the repetitions, and their results are compared bit by bit.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pom
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.runtime.jit import JitFunction

CPP = """
extern "C" void gemm(float alpha, const float (*A)[{n}], const float (*B)[{n}], float (*C)[{n}]) {{
  for (int i = 0; i < {n}; ++i)
    for (int j = 0; j < {n}; ++j)
      for (int k = 0; k < {n}; ++k)
        C[i][j] = C[i][j] + alpha * A[i][k] * B[k][j];
}}
"""


def kernel(size: int) -> Any:
    """gemm in the DSL."""

    @pom.kernel
    def gemm(
        alpha: pom.f32, A: pom.f32[size, size], B: pom.f32[size, size], C: pom.f32[size, size]
    ) -> None:
        i, j, k = pom.vars(i=size, j=size, k=size)
        pom.compute("mac", [i, j, k], C[i, j], C[i, j] + alpha * A[i, k] * B[k, j])

    return gemm.graph


def best_of(repeat: int, run: Callable[[], None]) -> float:
    """Seconds of the fastest of `repeat` calls."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def compiled(size: int, folder: Path) -> Any:
    """The C++ nest as a ctypes function."""
    gpp = shutil.which("g++")
    if gpp is None:
        raise SystemExit("g++ is not on the PATH")
    source, library = folder / "gemm.cpp", folder / "gemm.so"
    source.write_text(CPP.format(n=size), encoding="utf-8")
    flags = ["-O2", "-ffp-contract=off", "-march=native", "-shared", "-fPIC"]
    subprocess.run([gpp, *flags, str(source), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).gemm
    function.argtypes = [ctypes.c_float, *([ctypes.c_void_p] * 3)]
    function.restype = None
    return function


def measure(size: int, repeat: int) -> dict[str, float | int | bool]:
    """Times of both, their ratio, and whether the results are equal."""
    rng = np.random.default_rng(0)
    arrays = {n: rng.standard_normal((size, size)).astype(np.float32) for n in "ABC"}
    start = time.perf_counter()
    graph = kernel(size)
    jit = JitFunction(poly_to_affine(graph_to_poly(graph)), graph.name)
    compile_s = time.perf_counter() - start
    arguments = {"alpha": 1.5, **arrays}
    jit_s = best_of(repeat, lambda: jit(arguments))
    with tempfile.TemporaryDirectory() as folder:
        gemm = compiled(size, Path(folder))
        result = arrays["C"].copy()
        pointers = [arrays["A"].ctypes.data, arrays["B"].ctypes.data, result.ctypes.data]
        gemm(1.5, *pointers)
        is_equal = bool((result == jit(arguments)["C"]).all())
        gpp_s = best_of(repeat, lambda: gemm(1.5, *pointers))
    return {
        "size": size,
        "compile_s": round(compile_s, 4),
        "jit_s": round(jit_s, 5),
        "gpp_o2_s": round(gpp_s, 5),
        "ratio": round(jit_s / gpp_s, 3),
        "equal": is_equal,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.size, options.repeat)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:10} {value}")
    print("target     ratio <= 2:", "met" if found["ratio"] <= 2 else "MISSED")


if __name__ == "__main__":
    main()
