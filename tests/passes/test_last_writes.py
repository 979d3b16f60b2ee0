"""The analysis of exact accesses against isl's dataflow analysis, and against known nests."""

from __future__ import annotations

import random
from pathlib import Path

import islpy as isl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pom
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.conflicts import Conflict, assumed_conflicts, find_conflicts
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import accesses, schedule_times
from pom.passes.last_writes import LastWrites, TimedAccess, TooComplicated
from pom.passes.poly_reverse import reversed_loop
from tests.passes.brute_force import random_kernel
from tests.passes.nests import access, add, assign, i, j, kernel, load, loop
from tests.passes.random_schedules import random_primitive

POLYBENCH = Path(__file__).resolve().parents[2] / "examples" / "polybench"
KERNELS = sorted(p.stem for p in POLYBENCH.glob("*.py") if not p.stem.startswith("_"))

pytestmark = pytest.mark.usefixtures("unlimited")


def by_access(found: tuple[Conflict, ...]) -> dict[tuple[str, ...], isl.Map]:
    """What is found, with one relation for each pair of accesses."""
    result: dict[tuple[str, ...], isl.Map] = {}
    for c in found:
        key = (c.kind, c.source, c.target, c.array, c.source_access, c.target_access)
        result[key] = result[key].union(c.relation) if key in result else c.relation
    return {key: relation for key, relation in result.items() if not relation.is_empty()}


def assert_both_agree(program: PolyProgram) -> None:
    infos = {s.name: accesses(program, s) for s in program.statements}
    by_isl = by_access(assumed_conflicts(program, infos, set(program.arrays), frozenset()))
    found = find_conflicts(program)
    assert not any(c.relation.is_empty() for c in found)
    quick = by_access(found)
    assert quick.keys() == by_isl.keys()
    for key, relation in quick.items():
        assert relation.is_equal(by_isl[key]), key


@pytest.mark.parametrize("name", KERNELS)
def test_isl_finds_the_same_in_polybench(name: str) -> None:
    assert_both_agree(graph_to_poly(pom.load_kernel(POLYBENCH / f"{name}.py", size="large").graph))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9))
def test_isl_finds_the_same_under_a_schedule(seed: int) -> None:
    rng = random.Random(seed)
    program = graph_to_poly(random_kernel(rng))
    for _ in range(3):
        if any(program.loops(s.name) for s in program.statements):
            primitive, _ = random_primitive(rng, program)
            try:
                program = primitive.run(program)
            except PomError:
                continue
    assert_both_agree(program)


def fail(relation: isl.Map) -> None:
    raise isl.Error("affine expression involves some of the domain dimensions")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_the_same_without_isl_s_parametric_programming(seed: int) -> None:
    program = graph_to_poly(random_kernel(random.Random(seed)))
    expected = by_access(find_conflicts(program))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl.Map, "lexmax", fail)
        patch.setattr(isl.Map, "lexmin", fail)
        found = by_access(find_conflicts(program))
    assert found.keys() == expected.keys()
    assert all(found[key].is_equal(expected[key]) for key in found)


def test_where_isl_s_parametric_programming_fails() -> None:
    assert_both_agree(graph_to_poly(random_kernel(random.Random(36971268))))


def exact_accesses(program: PolyProgram, array: str) -> list[TimedAccess]:
    times = schedule_times(program)
    return [
        TimedAccess(s, info, times[s.name])
        for s in program.statements
        for info in accesses(program, s)
        if info.array == array
    ]


def test_remainders_are_left_to_isl() -> None:
    """The analysis of this array by slots has relations with 63 existential variables."""
    copied = assign("S", access("x", i // 3), load("y", i))
    update = assign("T", access("x", i % 4), load("x", (i + 1) // 2))
    nest = loop("t", 0, 4, loop("i", 0, 12, copied), loop("i", 0, 12, update))
    program = graph_to_poly(kernel(nest))
    used = exact_accesses(program, "x")
    writes = LastWrites(a for a in used if a.info.is_write)
    with pytest.raises(TooComplicated):
        any(writes.before(sink) is None for sink in used)
    assert_both_agree(program)


def test_one_analysis_serves_a_read_and_a_write_of_one_element() -> None:
    nest = loop("i", 0, 4, loop("k", 0, 5, assign("S", access("x", i), load("x", i))))
    read, write = exact_accesses(graph_to_poly(kernel(nest)), "x")
    writes = LastWrites([write])
    assert writes.before(read) is writes.before(write)
    ((_, pairs),) = writes.after(write)
    assert pairs.is_equal(isl.Map("{ S[i, k] -> S[i, k - 1] : 0 <= i < 4 and 0 < k < 5 }"))


def test_what_isl_leaves_out_among_remainders_and_relaxed_updates() -> None:
    """Found by random testing: isl's analysis missed T -> S, and a distribution was accepted."""
    row = i % 3
    first = assign(
        "S", access("A", j // 2, i * 2 + j + 1 - (i * 2 + j + 1) // 4 * 4), load("B", 0, 0)
    )
    kept = assign("R", access("B", i, j), load("A", row, (i + j) % 4))
    update = assign("T", access("A", row, j), add(load("A", row, j), load("B", 0, 0)))
    program = graph_to_poly(kernel(loop("i", 0, 2, loop("j", 0, 4, first, kept, update))))
    relaxed = frozenset({"T"})
    infos = {s.name: accesses(program, s) for s in program.statements}
    expected = by_access(assumed_conflicts(program, infos, {"A", "B"}, relaxed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl.UnionAccessInfo, "compute_flow", fail)
        found = by_access(assumed_conflicts(program, infos, {"A", "B"}, relaxed))
    assert found.keys() == expected.keys()
    assert all(found[key].is_equal(expected[key]) for key in found)


def test_the_last_write_is_the_one_that_runs_last() -> None:
    """Not the one with the largest iterators, where a loop runs backwards or was permuted."""
    fill = loop("i", 0, 5, loop("j", 0, 3, assign("S", access("x", i * 0), load("y", i + j))))
    read = assign("T", access("z", 0), load("x", 0))
    program = graph_to_poly(kernel(fill, read))

    def last(scheduled: PolyProgram) -> isl.Map:
        (flow,) = (c for c in find_conflicts(scheduled) if c.kind == "flow" and c.array == "x")
        return flow.relation

    assert last(program).is_equal(isl.Map("{ S[4, 2] -> T[] }"))
    backwards = reversed_loop(program, "S", "i")
    assert last(backwards).is_equal(isl.Map("{ S[0, 2] -> T[] }"))
    both = reversed_loop(backwards, "S", "j")
    assert last(both).is_equal(isl.Map("{ S[0, 0] -> T[] }"))
    assert_both_agree(both)
