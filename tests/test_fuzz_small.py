"""A small budget of random testing, and that the tester itself notices what it must."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pom.ir.graph import Kernel
from pom.passes.base import PolyPass
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_reverse import Reverse, reversed_loop
from pom.passes.poly_unroll import Unroll
from pom.passes.reductions import commuting, relaxed_statements
from pom.schedule import Schedule
from tests.fuzz.__main__ import load, main
from tests.fuzz.enumerate import enumerated
from tests.fuzz.execute import Failure, expectations, lowered_text, run_jit
from tests.fuzz.kernels import random_kernel
from tests.fuzz.pool import Job, Pool, Result
from tests.fuzz.report import as_python, described
from tests.fuzz.shrink import shrink
from tests.fuzz.trial import Finding, Outcome, run_program
from tests.passes.brute_force import Enumerated
from tests.passes.nests import gemm, i, imperfect, j, kernel, loop, seidel

PROGRAMS, SCHEDULES = 8, 8


@pytest.mark.parametrize("index", range(PROGRAMS))
def test_random_schedules_of_random_kernels(index: int) -> None:
    outcome = run_program(20, index, SCHEDULES, lambda stage: None, with_cpp=index == 0)
    assert outcome.counts["accepted"] == SCHEDULES
    assert not outcome.findings, as_python(outcome.findings[0])


def test_every_run_of_a_seed_is_the_same() -> None:
    def counts() -> tuple[object, ...]:
        found: Outcome = run_program(21, 3, 4, lambda stage: None)
        return found.counts, found.primitives, found.refusals

    assert counts() == counts()


def test_enumeration_agrees_with_that_of_the_other_tests() -> None:
    """Two enumerations, one by the level-1 loops and one by the domains, give one verdict."""
    verdicts = []
    for seed in range(30):
        rng = random.Random(seed)
        one = random_kernel(rng)
        if "Index" in repr(one.body):
            continue  # the other one knows no subscripts that depend on data
        program = graph_to_poly(one)
        statement = rng.choice(program.statements).name
        new = reversed_loop(program, statement, rng.choice(program.loops(statement)).name)
        relaxed = relaxed_statements(program)
        expected = Enumerated(one, program).reversed_pairs(new, commuting(program, relaxed))
        found = enumerated(program, relaxed).reversal(new)
        assert bool(expected) == (found is not None)
        verdicts.append(found is None)
    assert set(verdicts) == {True, False}


def test_an_illegal_order_is_noticed() -> None:
    program = seidel()
    judge = enumerated(program, frozenset())
    assert judge.reversal(program) is None
    found = judge.reversal(reversed_loop(program, "S", "i"))
    assert found is not None
    assert found.array == "x"


def test_reductions_commute_where_they_may() -> None:
    program = gemm()
    backwards = reversed_loop(program, "mac", "k")
    assert enumerated(program, frozenset()).reversal(backwards) is not None
    assert enumerated(program, frozenset({"mac"})).reversal(backwards) is None
    both = imperfect()
    early = reversed_loop(both, "mac", "k")
    assert enumerated(both, frozenset({"mac"})).reversal(early) is None


def test_wrong_results_are_noticed() -> None:
    one = kernel(loop("i", 0, 5, loop("j", 0, 3, *_sum())))
    s = Schedule(one)
    text = lowered_text(s, "k0")
    expected = expectations(one, 0)
    assert expected.difference(run_jit({"k0": text}, expected)["k0"], True) is None
    shorter = text.replace("to 5 ", "to 4 ")
    assert shorter != text
    assert expected.difference(run_jit({"k0": shorter}, expected)["k0"], True) is not None


def _sum() -> Iterator[object]:
    from tests.passes.nests import access, add, assign
    from tests.passes.nests import load as element

    yield assign("S", access("A", i, j), add(element("A", i, j), element("B", j, i)))


def test_shrinking_keeps_what_fails() -> None:
    rng = random.Random(5)
    one = random_kernel(rng)
    while len(list(one.statements())) < 3:
        one = random_kernel(rng)
    name = list(one.statements())[-1][0].name
    primitives = (Unroll(name, "i", 1), Reverse(name, "i"), Unroll(name, "i", 2))

    def fails(smaller: Kernel, kept: tuple[PolyPass, ...]) -> bool:
        return primitives[1] in kept and any(s.name == name for s, _ in smaller.statements())

    smallest, kept = shrink(one, primitives, fails)
    assert kept == (primitives[1],)
    assert [s.name for s, _ in smallest.statements()] == [name]


def test_a_reproducer_runs() -> None:
    one = random_kernel(random.Random(1))
    finding = Finding(Failure("mismatch", "A[0] is 1, not 2"), one, (Reverse("S1", "i"),), False)
    text = described(finding, 1, shrinks=False)["python"]
    names: dict[str, object] = {}
    exec(compile(text.replace("print(", "answer = ("), "reproducer", "exec"), names)
    assert names["kernel"] == one
    assert names["primitives"] == finding.primitives
    assert names["answer"] is None


def test_statistics_are_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fuzz.json"
    arguments = ["--programs", "1", "--schedules", "2", "--cpp-every", "0", "--statistics", str(path)]  # fmt: skip
    assert main(arguments) == 0
    assert main(arguments) == 0
    data = json.loads(path.read_text())
    assert data["next_program"] == data["counts"]["kernels"] == 2
    assert data["counts"]["accepted"] == 4
    assert "pairs per second" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        load(path, seed=7, schedules=2)


@pytest.mark.parametrize(
    ("program", "kind"),
    [("import os, sys; sys.stdin.readline(); os.abort()", "crash"), ("import time; time.sleep(60)", "hang")],
)  # fmt: skip
def test_dead_and_silent_workers_are_findings(
    program: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    start = subprocess.Popen

    def other(command: list[str], **options: object) -> object:
        return start([sys.executable, "-c", program], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("tests.fuzz.pool.subprocess.Popen", other)
    results: list[Result] = []
    Pool(1, 0.5).run(iter([Job(0, 0, 1, 0, False)]), results.append, None)
    (found,) = (f for r in results for f in r.data["findings"])
    assert found["kind"] == kind
    assert "run_program(0, 0, 1, print)" in found["python"]
