"""Small search problems for the tests."""

from __future__ import annotations

from pathlib import Path

import pom
from pom import devices
from pom.dse.executor import SerialExecutor
from pom.dse.problem import Problem, limits_of
from pom.dse.search import Search
from pom.dse.store import Store
from pom.dse.strategies import make_strategy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str, size: str = "mini", *limits: str, device: str = "xc7z020") -> Problem:
    """An example kernel such as ``polybench/gemm`` as a search problem."""
    target = devices.load(device)
    kernel = pom.load_kernel(EXAMPLES / f"{name}.py", size=size).graph
    return Problem(kernel, target, 10.0, limits_of(target, limits))


def searched(problem: Problem, strategy: object) -> Search:
    """A finished search; `strategy` is one, or the name of one."""
    search = Search(problem, Store(None), SerialExecutor())
    runner = make_strategy(strategy) if isinstance(strategy, str) else strategy
    runner.run(search)
    return search
