"""Small search problems for the tests."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import pom
from pom import devices
from pom.dse.branch import Branch
from pom.dse.evaluation import Evaluation
from pom.dse.executor import SerialExecutor
from pom.dse.problem import Problem, limits_of
from pom.dse.search import Search
from pom.dse.space import problem_variants
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


def branches(problem: Problem) -> tuple[Search, list[Branch]]:
    """A search that has not begun, and the branches that it would look at."""
    search = Search(problem, Store(None), SerialExecutor())
    return search, [Branch(search, v) for v in problem_variants(problem, search.local)]


def random_designs(
    search: Search, found: Sequence[Branch], seed: int, count: int
) -> Iterator[tuple[Branch, list[int], Evaluation]]:
    """Branches, rows with few lanes, and the designs of these that the model accepts."""
    rng = random.Random(seed)
    for _ in range(count):
        branch = rng.choice(found)
        few = [np.flatnonzero(table.lanes <= 12).tolist() for table in branch.tables]
        rows = [rng.choice(of_nest) for of_nest in few]
        (whole,) = search.evaluate([(branch.plan(rows), "")])
        if not whole.is_refused:
            yield branch, rows, whole
