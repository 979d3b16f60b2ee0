"""How long the compiler takes: ``python benchmarks/bench_lowering.py``.

Prints, for every PolyBench example at its medium size, the warm in-process time from a recorded
kernel to HLS C++ text (level 1 to 2, code generation, verifier, translation validation, emitter), in processor time;
the growth with the number of statements; and whole-process times of the command line. Times are
medians of several runs on whatever machine this is: compare ratios, not milliseconds.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pom
from pom.api import build
from pom.dsl.load import load_kernel

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "polybench"
REPEATS = 5
LIMIT_MS = {"gemm": 30.0}
DEFAULT_LIMIT_MS = 150.0


def median_ms(run, *arguments) -> float:
    """Median processor time of a call after one warm-up."""
    run(*arguments)
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        run(*arguments)
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def chain(statements: int):
    """A kernel of `statements` nests, each reading what the one before wrote."""

    @pom.kernel(name=f"chain{statements}")
    def kernel(A: pom.f32[64], B: pom.f32[64]):
        (i,) = pom.vars(i=64)
        for n in range(statements):
            source, target = (A, B) if n % 2 == 0 else (B, A)
            pom.compute(f"s{n}", [i], target[i], source[i] * 2.0)

    return kernel


def lower(function) -> str:
    return build(function).cpp


def kernels() -> None:
    print(f"{'kernel':<16}{'ms':>8}{'limit':>8}")
    for path in sorted(EXAMPLES.glob("*.py")):
        function = load_kernel(path)
        took = median_ms(lower, function)
        limit = LIMIT_MS.get(path.stem, DEFAULT_LIMIT_MS)
        print(f"{path.stem:<16}{took:>8.1f}{limit:>8.0f}{'' if took <= limit else '  over'}")


def growth() -> None:
    print(f"\n{'statements':<16}{'ms':>8}{'ms each':>9}")
    for count in (1, 10, 50, 100, 200):
        function = chain(count)
        took = median_ms(lower, function)
        print(f"{count:<16}{took:>8.1f}{took / count:>9.2f}")


def processes() -> None:
    print(f"\n{'command (processor time)':<48}{'s':>7}{'MB':>7}")
    for arguments in (["--help"], ["compile", str(EXAMPLES / "gemm.py")]):
        times = []
        for _ in range(REPEATS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-m", "pom", *arguments], check=True, stdout=subprocess.DEVNULL
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        name = "pom " + " ".join(a.rsplit("/", 1)[-1] for a in arguments)
        print(f"{name:<48}{statistics.median(times):>7.2f}{peak:>7.0f}")


if __name__ == "__main__":
    processes()
    kernels()
    growth()
