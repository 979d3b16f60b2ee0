"""What a second process is worth to a search, on a machine that does nothing else.

    python benchmarks/bench_jobs.py [--kernels NAME …] [--evaluations COUNT]

Every PolyBench kernel at its medium size on xc7z020 is searched twice, up to the same number of
evaluations: alone, and with a helper that is simulated in processor time. What the helper is given is
computed here and now, but is done no sooner than the helper, one call after the other, could have been
done with it; so the result does not depend on what else the machine does. The answers have to be the
same. Starting the helper, which takes a second, is left out.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from bench_dse import EXAMPLES, problem

from pom.dse.executor import Workers
from pom.dse.problem import Problem
from pom.dse.search import Search
from pom.dse.store import Store
from pom.dse.strategies.exact import Exact

R = TypeVar("R")


class Answer(Future[R]):
    """The result of a call that is done at a time of the simulated clock."""

    def __init__(self, helper: Helper, done_at: float, value: R) -> None:
        super().__init__()
        self._helper, self._done_at = helper, done_at
        self.set_result(value)

    def done(self) -> bool:
        return self._helper.now >= self._done_at

    def result(self, timeout: float | None = None) -> R:
        self._helper.wait_until(self._done_at)
        return super().result(timeout)


class Helper(Workers):
    """One process beside this one, or none, and a clock as if both had a core of their own."""

    def __init__(self, count: int) -> None:
        self.busy_s = 0.0
        self.waited_s = 0.0
        self._count = count
        self._free_at = 0.0
        self._started = time.process_time()

    @property
    def now(self) -> float:
        return time.process_time() - self._started - self.busy_s + self.waited_s

    @property
    def helpers(self) -> int:
        return self._count

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        began, before = time.process_time(), self.now
        value = fn(*args, **kwargs)
        took = time.process_time() - began
        self.busy_s += took
        self._free_at = max(self._free_at, before) + took
        return Answer(self, self._free_at, value)

    def wait_until(self, moment: float) -> None:
        self.waited_s += max(0.0, moment - self.now)


class LimitedSearch(Search):
    """Out of time after a number of evaluations."""

    most = 0

    @property
    def is_out_of_time(self) -> bool:
        return self.judged_by_model > self.most


def solve(task: Problem, helpers: int, evaluations: int) -> tuple[float, object, Helper]:
    """Seconds of a search, what it found, and its helper."""
    helper = Helper(helpers)
    search = LimitedSearch(task, Store(None), helper)
    search.most = evaluations
    Exact().run(search)
    return helper.now, (search.best, search.lower_bound, search.evaluated), helper


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kernels", nargs="+", default=[], help="only these")
    parser.add_argument("--evaluations", type=int, default=150, help="of each search")
    options = parser.parse_args()
    print(
        f"{'kernel':16} {'alone s':>8} {'helped s':>9} {'ratio':>6} {'busy s':>7} {'waited s':>9}"
    )
    ratios = []
    for path in sorted((EXAMPLES / "polybench").glob("*.py")):
        if options.kernels and path.stem not in options.kernels:
            continue
        task = problem(path, "medium", "xc7z020", 10.0, None)
        # what is kept of a kernel between searches is there for both
        solve(task, 0, 1)
        alone, answer, _ = solve(task, 0, options.evaluations)
        helped, same, helper = solve(task, 1, options.evaluations)
        ratios.append(helped / alone)
        print(f"{path.stem:16} {alone:8.2f} {helped:9.2f} {ratios[-1]:6.2f} {helper.busy_s:7.2f} "
              f"{helper.waited_s:9.2f}{'' if same == answer else '  other answers'}",
              flush=True)  # fmt: skip
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"geometric mean of the ratios: {mean:.2f}, worst {max(ratios):.2f}")


if __name__ == "__main__":
    main()
