"""Random kernels through the search: `python -m tests.fuzz.search --programs 100 --seed 1`.

Of every kernel, with limits and options that are drawn: the search and what it builds do not crash,
no design is refused after it was chosen, and no design that a random search finds is faster than the
bound of the exact one. Kernels are those of `tests.fuzz`. A finding names the kernel's number, which
is enough to run it again (``--first``).
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pom.errors import PomError
from pom.exploration.result import SearchResult
from pom.exploration.run import auto_dse
from tests.fuzz.trial import kernel_of

LIMITS = ((), ("dsp=20",), ("dsp=5", "lut=5000"), ("lut=2000",), ("dsp=0",))
HONEST_REFUSALS = ("POM-X160",)
"""Codes of answers that a random kernel may deserve: it does not fit."""
SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class Trial:
    """One random kernel with limits."""

    seed: int
    number: int
    limits: tuple[str, ...]
    fast_math: bool
    seconds: float

    def search(self, strategy: str) -> SearchResult:
        return auto_dse(
            kernel_of(self.seed, self.number),
            "xc7z020",
            strategy=strategy,
            limits=self.limits,
            fast_math=self.fast_math,
            time_budget_s=self.seconds,
            rerank="none",
        )


def trial_of(seed: int, number: int, seconds: float) -> Trial:
    """The trial of a kernel, which its number decides."""
    rng = random.Random(f"{seed}:{number}:search")
    return Trial(seed, number, rng.choice(LIMITS), rng.random() < 0.5, seconds)


def findings(trial: Trial, counts: Counter[str]) -> Iterator[str]:
    """What is wrong with the answers to a trial."""
    try:
        exact = trial.search("exact")
    except PomError as error:
        counts[error.code] += 1
        if error.code not in HONEST_REFUSALS:
            yield f"refused: {error.code}: {error.summary}"
        return
    counts["answered"] += 1
    best, bound = exact.latency_cycles, exact.lower_bound
    counts["within 5 % of the bound"] += best <= 1.05 * bound
    if exact.refused:
        yield f"a chosen design was refused: {exact.refused[0]}"
    if bound > best + SLACK:
        yield f"the bound {bound} is above the design of {best} cycles"
    try:
        other = trial.search("random").latency_cycles
    except PomError as error:
        counts[f"random search: {error.code}"] += 1
        return
    counts["random search is faster"] += other < best
    if other < bound - SLACK:
        yield f"the bound {bound} is above a random design of {other} cycles"


def run(seed: int, numbers: range, seconds: float) -> tuple[Counter[str], list[str]]:
    """Counts, and findings with the number of their kernel."""
    counts: Counter[str] = Counter()
    found = []
    for number in numbers:
        trial = trial_of(seed, number, seconds)
        try:
            found += [f"{number} {text}" for text in findings(trial, counts)]
        except Exception:  # a crash of any kind is a finding
            found.append(f"{number} {trial}\n{traceback.format_exc()}")
    return counts, found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.search", description=__doc__)
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time-budget", type=float, default=4.0, help="seconds of each search")
    options = parser.parse_args(arguments)
    numbers = range(options.first, options.first + options.programs)
    total: Counter[str] = Counter()
    failures = 0
    for number in numbers:
        counts, found = run(options.seed, range(number, number + 1), options.time_budget)
        total += counts
        failures += len(found)
        for text in found:
            print(text, flush=True)
    print(dict(total), f"{failures} findings")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
