"""Where the processor time of a search goes.

    python benchmarks/bench_search_phases.py [--kernels NAME …] [--time-budget SECONDS]
                                             [--functions COUNT]

Searches every PolyBench kernel at its medium size on xc7z020, as `bench_dse.py --table polybench`
does, and prints the share of every phase: a timer in processor time samples the stack, and the
innermost function that is in the table of phases decides. `--functions` prints as many functions
with the most time of their own, too.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bench_dse import EXAMPLES, problem, solve

INTERVAL_S = 0.001
COLLECTION = "collection"
REST = "rest"
PHASES = {
    ("dse/space.py", "problem_variants"): "listing",
    ("dse/branch.py", "tables"): "listing",
    ("dse/branch.py", "lower_bound"): "bounds",
    ("dse/branch.py", "dive"): "bounds",
    ("dse/branch.py", "improved"): "composing",
    ("dse/composer.py", "choose"): "composing",
    ("dse/nest_table.py", "refine"): "bounds",
    ("dse/nest_table.py", "learn"): "bounds",
    ("dse/evaluation.py", "realised"): "rewriting",
    ("dse/evaluation.py", "rewritten"): "rewriting",
    ("dse/evaluation.py", "_lowered"): "lowering",
    ("qor_model/latency.py", "estimate_latency"): "schedule",
    ("qor_model/resources.py", "estimate"): "resources",
    ("dse/evaluation.py", "evaluate"): "evaluation",
    ("dse/store.py", "get"): "store",
    ("dse/store.py", "put"): "store",
    ("importlib/_bootstrap.py", "_find_and_load"): "imports",
    ("<frozen importlib._bootstrap>", "_find_and_load"): "imports",
}
"""By the end of the file's name and the function."""
COLUMNS = (*dict.fromkeys(PHASES.values()), REST)


class Sampler:
    """Counts processor time by phase and by function while it is active."""

    def __init__(self) -> None:
        self.by_phase: Counter[str] = Counter()
        self.by_function: Counter[str] = Counter()
        self._phases: dict[tuple[str, str], str] = {}
        self._last = 0.0

    @contextmanager
    def active(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self._sample)
        self._last = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, before)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        # a call into C delays the signal: what it took counts, not how often it was interrupted
        now = time.process_time()
        spent, self._last = now - self._last, now
        if frame is not None:
            code = frame.f_code
            self.by_function[f"{_short(code.co_filename)}:{code.co_name}"] += spent
        while frame is not None:
            phase = self._phase(frame.f_code.co_filename, frame.f_code.co_name)
            if phase:
                self.by_phase[phase] += spent
                return
            frame = frame.f_back
        self.by_phase[REST] += spent

    def _phase(self, file: str, function: str) -> str:
        key = (file, function)
        if key not in self._phases:
            found = (
                p for (end, name), p in PHASES.items() if name == function and file.endswith(end)
            )
            self._phases[key] = next(found, "")
        return self._phases[key]


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-2:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernels", nargs="+", default=[], help="only these")
    parser.add_argument("--time-budget", type=float, default=5.0, help="processor seconds each")
    parser.add_argument("--functions", type=int, default=0, help="how many functions to print")
    options = parser.parse_args()
    print(f"{'kernel':16} {'cpu s':>6} " + " ".join(f"{name:>10}" for name in COLUMNS))
    every = Sampler()
    for path in sorted((EXAMPLES / "polybench").glob("*.py")):
        if options.kernels and path.stem not in options.kernels:
            continue
        sampler = Sampler()
        with sampler.active():
            solve(problem(path, "medium", "xc7z020", 10.0, None), "exact", options.time_budget)
        print_phases(path.stem, sampler)
        every.by_phase += sampler.by_phase
        every.by_function += sampler.by_function
    print_phases("all", every)
    for name, seconds in every.by_function.most_common(options.functions):
        print(f"{seconds:8.2f} {name}")


def print_phases(name: str, sampler: Sampler) -> None:
    total = sum(sampler.by_phase.values())
    shares = (100 * sampler.by_phase[phase] / max(total, 1e-9) for phase in COLUMNS)
    print(f"{name:16} {total:6.2f} " + " ".join(f"{share:9.1f}%" for share in shares), flush=True)


if __name__ == "__main__":
    main()
