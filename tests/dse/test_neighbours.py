"""Designs near a known one: several nests change at once, within what fits."""

from __future__ import annotations

from pom.dse.branch import Branch
from pom.dse.executor import SerialExecutor
from pom.dse.neighbours import Neighbours
from pom.dse.search import Search
from pom.dse.space import problem_variants
from pom.dse.store import Store
from tests.dse.problems import example


def branch_of(name: str) -> tuple[Search, Branch]:
    search = Search(example(name), Store(None), SerialExecutor())
    return search, Branch(search, problem_variants(search.problem, search.local)[0])


def plain_rows(branch: Branch) -> tuple[int, ...]:
    rows = tuple(int(table.lanes.argmin()) for table in branch.tables)
    branch.ask(list(enumerate(rows)))
    return rows


def test_all_small_nests_of_a_filter_change_at_once() -> None:
    search, branch = branch_of("polybench/deriche")
    rows = plain_rows(branch)
    (known,) = search.evaluate([(branch.plan(rows), "")])
    limit = 1e6
    near = Neighbours(
        rows, branch._expected(), branch.tables, branch._shared, limit, known.resources.lut
    )
    first = next(near.designs())
    assert sum(a != b for a, b in zip(first, rows, strict=True)) > 10
    (better,) = search.evaluate([(branch.plan(first), "")])
    assert better.latency_cycles < known.latency_cycles / 2
    assert better.resources.lut < limit


def test_nothing_changes_where_nothing_more_fits() -> None:
    search, branch = branch_of("polybench/deriche")
    rows = plain_rows(branch)
    (known,) = search.evaluate([(branch.plan(rows), "")])
    lut = known.resources.lut
    near = Neighbours(rows, branch._expected(), branch.tables, branch._shared, lut - 100.0, lut)
    plain = sum(table.known.latency[row] for table, row in zip(branch.tables, rows, strict=True))
    for design in near.designs():
        (answer,) = search.evaluate([(branch.plan(design), "")])
        assert answer.latency_cycles < plain
        assert answer.resources.lut <= lut + 100
