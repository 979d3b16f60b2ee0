from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.dialects.poly import from_mlir, to_mlir, verify
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.directives import OpBinding
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.loop_ranges import value_range
from pom.passes.poly_bind_op import BindOp
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_peel import Peel
from pom.passes.poly_split import Split
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.poly_unroll import Unroll
from pom.passes.validate import validate
from pom.schedule import Schedule
from tests.fuzz.enumerate import evaluate, points, times
from tests.fuzz.execute import expectations, lowered_text, run_jit
from tests.fuzz.kernels import random_kernel
from tests.passes.nests import copy, gemm, imperfect, shape, triangle


def test_golden() -> None:
    new = Peel("S", "j", 6).run(copy())
    assert shape(new) == "i(j(S S_rest))"
    assert new.statement("S").domain == "{ S[i, j] : 0 <= i <= 7 and 0 <= j <= 5 }"
    assert new.statement("S_rest").domain == "{ S_rest[i, j] : 0 <= i <= 7 and 6 <= j <= 7 }"
    assert new.statement("S_rest").body == replace(new.statement("S").body, name="S_rest")
    assert shape(Distribute("S_rest", "j").run(new)) == "i(j(S) j(S_rest))"


def test_the_rest_is_a_statement_of_level_2() -> None:
    new = Peel("S", "j", 6).run(copy())
    verify(new)
    assert from_mlir(to_mlir(new)) == new


def test_the_rest_follows_its_statement() -> None:
    assert shape(Peel("scale", "j", 3).run(imperfect())) == "i(j(scale scale_rest k(mac)))"


def test_both_parts_are_loops_without_guards() -> None:
    program = copy(7)
    peeled = Distribute("rest", "j").run(Peel("S", "j", 4, rest="rest").run(program))
    module = poly_to_affine(peeled)
    text = str(module)
    assert text.count('name = "S"') == text.count('name = "rest"') == 1
    assert "affine_set" not in text
    validate(peeled, module)


def test_a_factor_divides_what_is_left() -> None:
    peeled = Distribute("S_rest", "j").run(Peel("S", "j", 4).run(copy(7)))
    unrolled = Unroll("S", "j", 4).run(peeled)
    assert unrolled.loops("S")[1].directives.unroll == 4
    assert unrolled.loops("S_rest")[1].directives.unroll == 1


def test_bindings_hold_for_both() -> None:
    bound = BindOp("mac", "fadd", "fabric").run(gemm())
    peeled = Peel("mac", "k", 4).run(bound)
    assert peeled.bindings == (
        OpBinding("mac", "fadd", "fabric"),
        OpBinding("mac_rest", "fadd", "fabric"),
    )


def test_a_name_that_is_taken() -> None:
    once = Peel("S", "j", 6).run(copy())
    with pytest.raises(PomError, match="POM-S150") as caught:
        Peel("S", "j", 3).run(once)
    assert "rest='…'" in (caught.value.hint or "")
    twice = Peel("S", "j", 3, rest="middle").run(once)
    assert shape(twice) == "i(j(S middle S_rest))"


@pytest.mark.parametrize("at", [-1, 0, 8, 100])
def test_nothing_to_cut_there(at: int) -> None:
    with pytest.raises(PomError, match="POM-S151"):
        Peel("S", "j", at).run(copy())


def test_a_loop_that_runs_once() -> None:
    with pytest.raises(PomError, match="POM-S151"):
        Peel("S", "j", 0).run(copy(1))


def test_unknown_loop() -> None:
    with pytest.raises(PomError, match="POM-S003"):
        Peel("S", "k", 1).run(triangle())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_instances_are_divided_and_keep_their_times(seed: int) -> None:
    rng = random.Random(seed)
    program = graph_to_poly(random_kernel(rng))
    statement = rng.choice(program.statements)
    node = rng.choice(program.loops(statement.name))
    low, high = value_range(program, node)
    if low >= high:
        return
    at = rng.randint(low + 1, high)
    new = Peel(statement.name, node.name, at, rest="rest").run(program)
    kept, rest = new.statement(statement.name), new.statement("rest")

    def reached(part: object) -> list[bool]:
        value = node.expr(statement.name) - Affine.const(at)
        return (evaluate(value, statement.iterators, points(part)) >= 0).tolist()  # type: ignore[arg-type]

    assert not any(reached(kept))
    assert all(reached(rest))
    together = [*points(kept).tolist(), *points(rest).tolist()]
    assert sorted(together) == points(statement).tolist()
    # the order within the statement is the old one
    old = dict(zip(map(tuple, points(statement).tolist()), times(program)[statement.name], strict=True))  # fmt: skip
    now = times(new)
    new_times = [*now[statement.name], *now["rest"]]
    by_old = sorted(zip(map(tuple, together), new_times, strict=True), key=lambda p: old[p[0]])
    assert [t for _, t in by_old] == sorted(new_times)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**9))
def test_peeled_and_distributed_programs_compute_the_same(seed: int) -> None:
    rng = random.Random(seed)
    s = Schedule(random_kernel(rng))
    for number in range(2):
        statement = rng.choice(s.program.statements).name
        node = rng.choice(s.program.loops(statement))
        low, high = value_range(s.program, node)
        factor = rng.randint(1, 3)
        for primitive in (
            Peel(statement, node.name, rng.randint(low, high + 1), rest=f"rest{number}"),
            Distribute(f"rest{number}", node.name),
            Split(statement, node.name, factor),
        ):
            try:
                s.apply(primitive)
            except PomError:  # nothing to cut, or other statements depend on it
                continue
    expected = expectations(s.kernel, seed)
    results = run_jit({"k": lowered_text(s, "k")}, expected)
    if results:
        assert expected.difference(results["k"], s.is_exact) is None


@pytest.mark.parametrize("at", ["6", 6.0, True])
def test_the_place_is_an_integer(at: object) -> None:
    with pytest.raises(PomError, match=r"POM-S151.*must be an integer"):
        Peel("S", "j", at).run(copy())  # type: ignore[arg-type]


def test_one_iteration_has_no_rest() -> None:
    with pytest.raises(PomError, match=r"POM-S151.*nothing to peel"):
        Peel("S", "j", 0).run(copy(1))


@pytest.mark.parametrize("rest", ["a b", "1x", "é"])
def test_the_rest_has_a_name(rest: str) -> None:
    with pytest.raises(PomError, match=r"POM-S150.*cannot be the name"):
        Peel("S", "j", 6, rest).run(copy())
