"""The search against the published method, the published peers, and its own lower bound.

    python benchmarks/bench_dse.py [pom] [peers] [polybench] [--published published_results.csv]

`pom`: the published POM's benchmarks at N = 4096 on xc7z020 at 10 ns; `peers`: PolyBench MEDIUM on
xcu280 at 300 MHz under three DSP limits; `polybench`: time and gap for every kernel at the medium
size on xc7z020. All cycles are the analytical model's; published cycles, where the file is given,
were measured by others with Vitis. Arrays are memory ports, so the device's block RAM is not a
limit here; LUT, FF and DSP are.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pom
from pom import devices
from pom.dse.executor import SerialExecutor
from pom.dse.problem import Problem, limits_of
from pom.dse.search import Search
from pom.dse.store import Store
from pom.dse.strategies import make_strategy
from pom.errors import PomError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NO_LIMIT = 1 << 40
PEER_KERNELS = ("gemm", "k2mm", "k3mm", "atax", "bicg", "gesummv", "mvt")
PEER_LIMITS = (220, 2560, 9024)
ORIGINAL = "VitisHLS-baseline(POM repo)"


@dataclass(frozen=True)
class Outcome:
    """What a strategy found: cycles, proven bound, seconds, designs judged."""

    cycles: float
    bound: float
    seconds: float
    evaluated: int
    judged: int
    dsp: int
    lut: int

    @property
    def gap(self) -> float:
        if not math.isfinite(self.cycles) or self.cycles <= 0:
            return 1.0
        return max(0.0, 1 - self.bound / self.cycles)


def problem(path: Path, size: str, device: str, clock_ns: float, dsp: int | None) -> Problem:
    target = devices.load(device)
    limits = limits_of(target, () if dsp is None else (f"dsp={dsp}",))
    limits = replace(limits, bram_18k=NO_LIMIT, uram=NO_LIMIT)
    return Problem(pom.load_kernel(path, size=size).graph, target, clock_ns, limits)


def solve(task: Problem, strategy: str, budget_s: float) -> Outcome:
    """Run a strategy with an empty store."""
    began = time.monotonic()
    search = Search(task, Store(None), SerialExecutor(), deadline=began + budget_s)
    try:
        make_strategy(strategy).run(search)
    except PomError as error:
        print(f"    {strategy}: {error.code} {error.summary}")
    seconds = time.monotonic() - began
    best = search.best
    return Outcome(
        best.latency_cycles if best else math.inf,
        search.lower_bound,
        seconds,
        search.evaluated,
        search.evaluated + search.pruned,
        best.resources.dsp if best else 0,
        best.resources.lut if best else 0,
    )


def published(path: Path | None) -> list[dict[str, str]]:
    if path is None:
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def plain(name: str) -> str:
    """Names as comparable: ``2mm`` and ``k2mm``, ``jacobi-1d`` and ``jacobi_1d`` …"""
    return name.lower().removeprefix("k").replace("-", "").replace("_", "")


def geometric_mean(values: Iterable[float]) -> float:
    found = [v for v in values if math.isfinite(v) and v > 0]
    return math.exp(sum(map(math.log, found)) / len(found)) if found else math.nan


def table_pom(rows: list[dict[str, str]], budget_s: float, kernels: list[str]) -> None:
    print("POM's benchmarks, N = 4096, xc7z020, 10 ns; speed-up over the unoptimised design")
    print(f"{'kernel':12} {'unoptimised':>16} {'published':>14} {'POM method':>14} {'POM fits':>8} "
          f"{'found':>14} {'vs POM':>7} {'speed-up':>9} {'gap':>6} {'s':>6} {'judged/s':>9}")  # fmt: skip
    gains = []
    for path in sorted((EXAMPLES / "pom").glob("*.py")):
        if kernels and path.stem not in kernels:
            continue
        task = problem(path, "large", "xc7z020", 10.0, None)
        search = Search(task, Store(None), SerialExecutor())
        plain_cycles, _, _ = search.local.estimate(search.local.program)
        method = solve(task, "pom", budget_s)
        found = solve(task, "exact", budget_s)
        known = next(
            (
                r["cycles"]
                for r in rows
                if r["framework"] == ORIGINAL
                and plain(r["kernel"]) == plain(path.stem)
                and "4096" in r["size"]
            ),
            "-",
        )
        gain = method.cycles / found.cycles
        gains.append(gain)
        fits = "yes" if method.lut <= task.limits.lut else "no"
        print(f"{path.stem:12} {plain_cycles:16.0f} {known:>14} {method.cycles:14.0f} {fits:>8} "
              f"{found.cycles:14.0f} {gain:7.2f} {plain_cycles / found.cycles:9.1f} "
              f"{found.gap:6.3f} {found.seconds:6.2f} {found.judged / found.seconds:9.0f}",
              flush=True)  # fmt: skip
    print(f"geometric mean against the POM method: {geometric_mean(gains):.2f}; "
          f"slower on {sum(g < 1 for g in gains)}")  # fmt: skip


def table_peers(rows: list[dict[str, str]], budget_s: float, kernels: list[str]) -> None:
    print("PolyBench MEDIUM, float32, xcu280, 300 MHz; cycles under a DSP limit")
    print(f"{'kernel':9} {'limit':>6} {'found':>10} {'DSP':>6} {'LUT':>8} {'gap':>6} {'s':>6} "
          f"{'Stream-HLS':>11} {'ratio':>6} {'best peer':>10}")  # fmt: skip
    ratios: dict[int, list[float]] = {}
    for stem in PEER_KERNELS:
        if kernels and stem not in kernels:
            continue
        peers = [
            r
            for r in rows
            if plain(r["kernel"]) == plain(stem)
            and r["device"].startswith("xcu280")
            and r["cycles"] and r["dsp"]
        ]  # fmt: skip
        for limit in PEER_LIMITS:
            task = problem(EXAMPLES / "polybench" / f"{stem}.py", "medium", "xcu280", 10 / 3, limit)
            found = solve(task, "exact", budget_s)
            stream = next(
                (float(r["cycles"]) for r in peers if r["framework"] == f"Stream-HLS({limit}DSP)"),
                math.nan,
            )
            fair = [float(r["cycles"]) for r in peers if float(r["dsp"]) <= limit]
            best = min(fair, default=math.nan)
            ratio = found.cycles / stream
            ratios.setdefault(limit, []).append(ratio)
            print(f"{stem:9} {limit:6} {found.cycles:10.0f} {found.dsp:6} {found.lut:8} "
                  f"{found.gap:6.3f} {found.seconds:6.2f} {stream:11.0f} {ratio:6.2f} {best:10.0f}",
                  flush=True)  # fmt: skip
    for limit, values in ratios.items():
        print(f"geometric mean of cycles against Stream-HLS at {limit} DSP: "
              f"{geometric_mean(values):.2f}")  # fmt: skip


def table_polybench(budget_s: float, kernels: list[str]) -> None:
    print("PolyBench, medium, xc7z020, 10 ns")
    print(f"{'kernel':16} {'cycles':>14} {'bound':>14} {'gap':>6} {'s':>6} {'evaluated':>9} "
          f"{'judged/s':>9}")  # fmt: skip
    outcomes = []
    for path in sorted((EXAMPLES / "polybench").glob("*.py")):
        if kernels and path.stem not in kernels:
            continue
        found = solve(problem(path, "medium", "xc7z020", 10.0, None), "exact", budget_s)
        outcomes.append(found)
        print(f"{path.stem:16} {found.cycles:14.0f} {found.bound:14.0f} {found.gap:6.3f} "
              f"{found.seconds:6.2f} {found.evaluated:9} {found.judged / found.seconds:9.0f}",
              flush=True)  # fmt: skip
    if outcomes:
        seconds = sorted(o.seconds for o in outcomes)
        close = sum(o.gap <= 0.05 for o in outcomes)
        print(f"within 5 % of the bound: {close} of {len(outcomes)}; median {seconds[len(seconds) // 2]:.2f} s, "
              f"longest {seconds[-1]:.2f} s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", default=[], help="pom, peers, polybench (all)")
    parser.add_argument("--published", type=Path, help="CSV of published results")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds per search")
    parser.add_argument("--kernels", nargs="*", default=[], help="only these")
    options = parser.parse_args()
    rows = published(options.published)
    tables = options.tables or ["pom", "peers", "polybench"]
    if "pom" in tables:
        table_pom(rows, options.budget, options.kernels)
    if "peers" in tables:
        table_peers(rows, options.budget, options.kernels)
    if "polybench" in tables:
        table_polybench(options.budget, options.kernels)


if __name__ == "__main__":
    main()
