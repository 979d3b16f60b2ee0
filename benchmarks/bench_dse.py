"""The search against the published method, the published peers, and its own lower bound.

    python benchmarks/bench_dse.py [--table pom|fidelity|peers|polybench …] [--kernels NAME …]
                                   [--time-budget SECONDS] [--lut-cap PERCENT …]
                                   [--published published_results.csv] [--jobs COUNT]

`pom`: the published POM's benchmarks at N = 4096 on xc7z020 at 10 ns; `fidelity`: the method of the
published POM as it is implemented here beside the designs that POM itself made, which others
synthesised and co-simulated (PolyBench MEDIUM, xcu280, 300 MHz); `peers`: PolyBench MEDIUM on xcu280
at 300 MHz under three DSP limits, sums reassociated as the peers do it, once for every `--lut-cap`;
`polybench`: time and gap for every kernel at the medium size on xc7z020, with the time at which the
answer was known (best s), and a design within 5 % of it (good s). All cycles are the
analytical model's; published cycles, where the file is given, were measured by others with Vitis. Arrays are memory ports, so the device's block RAM is not a
limit here; LUT, FF and DSP are. Time budgets are processor seconds, so that a shared machine
changes no result; both kinds of seconds are printed. With `--jobs` the table `polybench` is made with
so many processes, and all of its seconds are those of the clock on the wall: it says something on a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pom
from pom import devices
from pom.dse.executor import SerialExecutor, Workers, open_executor
from pom.dse.problem import Problem, limits_of
from pom.dse.search import Search
from pom.dse.store import Store
from pom.dse.strategies import make_strategy
from pom.errors import PomError
from pom.exploration.baseline import baselines

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NO_LIMIT = 1 << 40
TABLES = ("pom", "fidelity", "peers", "polybench")
PEER_KERNELS = ("gemm", "k2mm", "k3mm", "atax", "bicg", "gesummv", "mvt")
PEER_LIMITS = (220, 2560, 9024)
ORIGINAL = "VitisHLS-baseline(POM repo)"
DEFAULTS = "VitisHLS-auto"
ALL_LUT = 100.0
CLOSE = 0.05

Row = dict[str, str]


class TimedSearch(Search):
    """A search that notes when its best design was found, and when one that is nearly as good; alone,
    its deadline is in this process' processor time."""

    found: tuple[tuple[float, float], ...] = ()

    def notify(self) -> None:
        if self.best is not None and (
            not self.found or self.best.latency_cycles < self.found[-1][1]
        ):
            self.found = (*self.found, (clock(self.executor), self.best.latency_cycles))
        super().notify()

    def first_within(self, ratio: float) -> float:
        """Seconds at which a design was known that takes at most `ratio` times the cycles of
        the best; NaN without a design."""
        if self.best is None:
            return math.nan
        most = ratio * self.best.latency_cycles
        return next(seconds for seconds, cycles in self.found if cycles <= most)

    @property
    def is_out_of_time(self) -> bool:
        return self.deadline is not None and clock(self.executor) > self.deadline


def clock(executor: Workers) -> float:
    """Processor time; where there are other processes, time on the wall."""
    return time.process_time() if isinstance(executor, SerialExecutor) else time.monotonic()


@dataclass(frozen=True)
class Outcome:
    """What a strategy found: cycles, proven bound, seconds; `best_s` is when the answer was found,
    `good_s` when a design within 5 % of it was. `judged` counts parallelisations of nests, `designs`
    choices of one per nest, that were evaluated or that a bound ruled out."""

    cycles: float
    bound: float
    seconds: float
    wall_s: float
    best_s: float
    good_s: float
    evaluated: int
    judged: int
    designs: int
    dsp: int
    lut: int

    @property
    def gap(self) -> float:
        if not math.isfinite(self.cycles) or self.cycles <= 0:
            return 1.0
        return max(0.0, 1 - self.bound / self.cycles)

    @property
    def rate(self) -> float:
        return self.judged / max(self.seconds, 1e-6)


def problem(
    path: Path,
    size: str,
    device: str,
    clock_ns: float,
    dsp: int | None,
    fast_math: bool = False,
    lut_percent: float = ALL_LUT,
) -> Problem:
    target = devices.load(device)
    limits = limits_of(target, () if dsp is None else (f"dsp={dsp}",))
    limits = replace(limits, lut=int(target.lut * lut_percent / 100))
    limits = replace(limits, bram_18k=NO_LIMIT, uram=NO_LIMIT)
    kernel = pom.load_kernel(path, size=size).graph
    return Problem(kernel, target, clock_ns, limits, fast_math=fast_math)


def solve(
    task: Problem, strategy: str, budget_s: float, executor: Workers | None = None
) -> Outcome:
    """Run a strategy with an empty store."""
    executor = executor or SerialExecutor()
    began, wall = clock(executor), time.monotonic()
    search = TimedSearch(task, Store(None), executor, deadline=began + budget_s)
    try:
        make_strategy(strategy).run(search)
    except PomError as error:
        print(f"    {strategy}: {error.code} {error.summary}")
    took = clock(executor) - began
    best = search.best
    return Outcome(
        best.latency_cycles if best else math.inf,
        search.lower_bound,
        took,
        time.monotonic() - wall,
        search.first_within(1.0) - began,
        search.first_within(1.0 + CLOSE) - began,
        search.evaluated,
        search.evaluated + search.pruned,
        search.decided,
        best.resources.dsp if best else 0,
        best.resources.lut if best else 0,
    )


def published(path: Path | None) -> list[Row]:
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


def unoptimised(rows: list[Row], kernel: str) -> str:
    """Published cycles of the kernel without any directive, or a dash."""
    for row in rows:
        same = row["framework"] == ORIGINAL and plain(row["kernel"]) == plain(kernel)
        if same and "4096" in row["size"]:
            return row["cycles"]
    return "-"


def table_pom(rows: list[Row], budget_s: float, kernels: list[str]) -> None:
    print("POM's benchmarks, N = 4096, xc7z020, 10 ns; speed-up over the unoptimised design")
    print(f"{'kernel':12} {'unoptimised':>16} {'published':>14} {'POM method':>16} {'fits':>5} "
          f"{'found':>14} {'vs POM':>7} {'speed-up':>9} {'gap':>6} {'cpu s':>6} {'s':>6} "
          f"{'judged/s':>9}")  # fmt: skip
    gains, speedups = [], []
    for path in sorted((EXAMPLES / "pom").glob("*.py")):
        if kernels and path.stem not in kernels:
            continue
        task = problem(path, "large", "xc7z020", 10.0, None)
        search = Search(task, Store(None), SerialExecutor())
        plain_cycles, _, _ = search.local.estimate(search.local.program)
        method = solve(task, "pom", budget_s)
        found = solve(task, "exact", budget_s)
        gain, speedup = method.cycles / found.cycles, plain_cycles / found.cycles
        gains.append(gain)
        speedups.append(speedup)
        fits = "yes" if method.lut <= task.limits.lut else "no"
        print(f"{path.stem:12} {plain_cycles:16.0f} {unoptimised(rows, path.stem):>14} "
              f"{method.cycles:16.0f} {fits:>5} {found.cycles:14.0f} {gain:7.2f} {speedup:9.1f} "
              f"{found.gap:6.3f} {found.seconds:6.2f} {found.wall_s:6.2f} {found.rate:9.0f}",
              flush=True)  # fmt: skip
    print(f"geometric means: {geometric_mean(gains):.2f} against the POM method, slower on "
          f"{sum(g < 1 for g in gains)} of {len(gains)}; {geometric_mean(speedups):.1f} against "
          f"the unoptimised design")  # fmt: skip


def peers_of(rows: list[Row], kernel: str) -> list[Row]:
    """Published results of a kernel on the device of the comparison."""
    return [
        r for r in rows
        if plain(r["kernel"]) == plain(kernel) and r["device"].startswith("xcu280")
        and r["clock_mhz"] == "300" and r["cycles"] and r["dsp"]
    ]  # fmt: skip


def table_fidelity(rows: list[Row], budget_s: float, kernels: list[str]) -> None:
    print("POM's own designs (PolyBench MEDIUM, xcu280, 300 MHz, co-simulated by others) and those of "
          "its method as implemented here; speed-ups over what Vitis makes of the kernel by itself")  # fmt: skip
    print(f"{'kernel':9} {'defaults':>11} {'published':>11} {'POM':>9} {'published':>10} {'DSP':>4} "
          f"{'DSP':>5} {'speed-up':>9} {'published':>10} {'ratio':>6}")  # fmt: skip
    ratios = []
    for stem in PEER_KERNELS:
        if kernels and stem not in kernels:
            continue
        named = {r["framework"]: r for r in peers_of(rows, stem)}
        path = EXAMPLES / "polybench" / f"{stem}.py"
        task = problem(path, "medium", "xcu280", 10 / 3, None)
        plain_cycles = baselines(task.kernel, task.device, task.clock_ns)[1].latency_cycles
        found = solve(task, "pom", budget_s)
        ours = plain_cycles / found.cycles
        theirs = math.nan
        if "POM" in named and DEFAULTS in named:
            theirs = float(named[DEFAULTS]["cycles"]) / float(named["POM"]["cycles"])
            ratios.append(ours / theirs)
        print(f"{stem:9} {plain_cycles:11.0f} {_cell(named, DEFAULTS, 'cycles'):>11} "
              f"{found.cycles:9.0f} {_cell(named, 'POM', 'cycles'):>10} {found.dsp:4} "
              f"{_cell(named, 'POM', 'dsp'):>5} {ours:9.1f} {theirs:10.1f} {ours / theirs:6.2f}",
              flush=True)  # fmt: skip
    print(f"speed-up of the method here over the published one, geometric mean: "
          f"{geometric_mean(ratios):.2f} ({len(ratios)} kernels; POM made no design of the others)")  # fmt: skip


def _cell(named: dict[str, Row], framework: str, column: str) -> str:
    """A published number, or a dash."""
    return f"{float(named[framework][column]):.0f}" if framework in named else "-"


def table_peers(
    rows: list[Row], budget_s: float, kernels: list[str], lut_percent: float = ALL_LUT
) -> None:
    print("PolyBench MEDIUM, float32, xcu280, 300 MHz; cycles under a DSP limit with at most "
          f"{lut_percent:g} % of the LUT, and those of every published design within the DSP limit")  # fmt: skip
    ratios: dict[int, list[float]] = {}
    best_ratios: dict[int, list[float]] = {}
    for limit in PEER_LIMITS:
        print(f"at most {limit} DSP")
        print(f"{'kernel':9} {'found':>9} {'DSP':>5} {'LUT':>8} {'gap':>6} {'cpu s':>6} {'s':>6} "
              f"{'Stream-HLS':>11} {'ratio':>6}  others, cycles (DSP)")  # fmt: skip
        for stem in PEER_KERNELS:
            if kernels and stem not in kernels:
                continue
            peers = [r for r in peers_of(rows, stem) if float(r["dsp"]) <= limit]
            path = EXAMPLES / "polybench" / f"{stem}.py"
            task = problem(path, "medium", "xcu280", 10 / 3, limit, True, lut_percent)
            found = solve(task, "exact", budget_s)
            stream = next(
                (float(r["cycles"]) for r in peers_of(rows, stem)
                 if r["framework"] == f"Stream-HLS({limit}DSP)"),
                math.nan,
            )  # fmt: skip
            best = min((float(r["cycles"]) for r in peers), default=math.nan)
            ratios.setdefault(limit, []).append(found.cycles / stream)
            best_ratios.setdefault(limit, []).append(found.cycles / best)
            others = ", ".join(
                f"{r['framework']} {float(r['cycles']):.0f} ({r['dsp']})"
                for r in sorted(peers, key=lambda r: float(r["cycles"]))
                if not r["framework"].startswith("Stream-HLS(")
            )
            print(f"{stem:9} {found.cycles:9.0f} {found.dsp:5} {found.lut:8} {found.gap:6.3f} "
                  f"{found.seconds:6.2f} {found.wall_s:6.2f} {stream:11.0f} "
                  f"{found.cycles / stream:6.2f}  {others}", flush=True)  # fmt: skip
    for limit, values in ratios.items():
        print(f"{limit} DSP: geometric mean of cycles {geometric_mean(values):.2f} of Stream-HLS, "
              f"{geometric_mean(best_ratios[limit]):.2f} of the best published design; slower than "
              f"the best on {sum(r > 1 for r in best_ratios[limit])} of {len(values)}")  # fmt: skip
    every = [v for values in ratios.values() for v in values]
    print(f"all limits: {geometric_mean(every):.2f} of Stream-HLS")


def table_polybench(budget_s: float, kernels: list[str], executor: Workers) -> None:
    print("PolyBench, medium, xc7z020, 10 ns")
    print(f"{'kernel':16} {'cycles':>12} {'bound':>12} {'gap':>6} {'cpu s':>6} {'s':>6} "
          f"{'good s':>6} {'best s':>6} {'evaluated':>9} {'judged/s':>9} "
          f"{'designs/s':>9}")  # fmt: skip
    outcomes = []
    for path in sorted((EXAMPLES / "polybench").glob("*.py")):
        if kernels and path.stem not in kernels:
            continue
        found = solve(problem(path, "medium", "xc7z020", 10.0, None), "exact", budget_s, executor)
        outcomes.append(found)
        print(f"{path.stem:16} {found.cycles:12.0f} {found.bound:12.0f} {found.gap:6.3f} "
              f"{found.seconds:6.2f} {found.wall_s:6.2f} {found.good_s:6.2f} {found.best_s:6.2f} "
              f"{found.evaluated:9} {found.rate:9.0f} "
              f"{found.designs / max(found.seconds, 1e-6):9.1e}", flush=True)  # fmt: skip
    if not outcomes:
        return
    seconds = sorted(o.seconds for o in outcomes)
    close = sum(o.gap <= CLOSE for o in outcomes)
    judged = sum(o.judged for o in outcomes) / max(sum(seconds), 1e-6)
    good, best = (sorted(getattr(o, name) for o in outcomes) for name in ("good_s", "best_s"))
    print(f"within 5 % of the bound: {close} of {len(outcomes)}; without a design: "
          f"{sum(not math.isfinite(o.cycles) for o in outcomes)}; processor seconds: median "
          f"{median(seconds):.2f}, longest {seconds[-1]:.2f}; to the answer: median "
          f"{median(best):.2f}, longest {best[-1]:.2f}; to a design within 5 % of it: median "
          f"{median(good):.2f}, longest {good[-1]:.2f}; geometric mean of cycles "
          f"over bound {geometric_mean(1 / max(1 - o.gap, 1e-9) for o in outcomes):.2f}; "
          f"{judged:.0f} parallelisations of nests judged per second; designs, one per nest: geometric "
          f"mean {geometric_mean(o.designs / max(o.seconds, 1e-6) for o in outcomes):.1e}, fewest "
          f"{min(o.designs / max(o.seconds, 1e-6) for o in outcomes):.1e} a second")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="append", choices=TABLES, help="all by default")
    parser.add_argument("--kernels", nargs="+", default=[], help="only these")
    parser.add_argument(
        "--time-budget", type=float, default=5.0, help="processor seconds per search"
    )
    parser.add_argument(
        "--lut-cap", type=float, nargs="+", default=[ALL_LUT], metavar="PERCENT",
        help="of the device's LUT that designs of the table of peers may take; a table for each",
    )  # fmt: skip
    parser.add_argument("--published", type=Path, help="CSV of published results")
    parser.add_argument("--jobs", type=int, default=1, help="processes of the table polybench")
    options = parser.parse_args()
    rows = published(options.published)
    tables = options.table or TABLES
    if "pom" in tables:
        table_pom(rows, options.time_budget, options.kernels)
    if "fidelity" in tables:
        table_fidelity(rows, options.time_budget, options.kernels)
    for percent in options.lut_cap if "peers" in tables else ():
        table_peers(rows, options.time_budget, options.kernels, percent)
    if "polybench" in tables:
        with open_executor(options.jobs, None) as executor:
            while options.jobs > 1 and not executor.helpers:
                time.sleep(0.01)
            table_polybench(options.time_budget, options.kernels, executor)


if __name__ == "__main__":
    main()
