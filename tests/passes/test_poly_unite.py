from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pom
from pom.dialects.poly import from_mlir, to_mlir, verify
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Load
from pom.ir.poly import PolyProgram
from pom.ir.types import f32
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import domain
from pom.passes.loop_ranges import value_range
from pom.passes.poly_after import After
from pom.passes.poly_bind_op import BindOp
from pom.passes.poly_peel import Peel
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.poly_unite import Unite
from pom.passes.validate import validate
from pom.schedule import Schedule
from tests.fuzz.execute import expectations, lowered_text, run_jit
from tests.fuzz.kernels import random_kernel
from tests.passes.nests import access, add, assign, copy, gemm, kernel, load, loop, shape

i, j = Affine.var("i"), Affine.var("j")
N = 12


@pom.kernel
def halves(A: pom.f32[N, N], x: pom.f32[N]):
    for a in pom.loop("a", 0, N):
        for b in pom.loop("b", 0, a):
            A[a, b] = A[a, b] - x[a] * x[b]
    for c in pom.loop("c", 0, N):
        for d in pom.loop("d", c, N):
            A[c, d] = A[c, d] - x[c] * x[d]


def fused() -> PolyProgram:
    return After("S1", "S0", "b").run(graph_to_poly(halves.graph))


def test_golden() -> None:
    assert shape(fused()) == "a(b(S0 S1))"
    new = Unite("S0", "S1").run(fused())
    assert shape(new) == "a(b(S0))"
    assert new.statement("S0").domain == "{ S0[a, b] : 0 <= a <= 11 and 0 <= b <= 11 }"
    assert new.statement("S0").body == fused().statement("S0").body
    assert shape(Unite("S1", "S0").run(fused())) == "a(b(S1))"


def test_the_result_is_a_program_of_level_2_and_runs() -> None:
    new = Unite("S0", "S1").run(fused())
    verify(new)
    assert from_mlir(to_mlir(new)) == new
    module = poly_to_affine(new)
    assert "affine_set" not in str(module)
    validate(new, module)


def test_united_statements_compute_the_same() -> None:
    s = pom.schedule(halves)
    s["S1"].after("S0", "b")
    s["S0"].unite("S1")
    s["S0"].pipeline("b")
    expected = expectations(s.kernel, 3)
    results = run_jit({"k": lowered_text(s, "k")}, expected)
    assert expected.difference(results["k"], s.is_exact) is None


def test_iterators_may_be_shifted() -> None:
    """The loop j is where i - 1 of the other statement is."""
    first = assign("S", access("x", i), add(load("x", i), load("y", i)))
    second = assign("T", access("x", j), add(load("x", j), load("y", j)))
    program = graph_to_poly(kernel(loop("i", 0, 4, first), loop("j", 4, 9, second)))
    new = Unite("S", "T").run(After("T", "S", "i").run(program))
    assert new.statement("S").domain == "{ S[i] : 0 <= i <= 8 }"


def test_bindings_have_to_agree() -> None:
    peeled = Peel("mac", "k", 4).run(gemm())
    bound = BindOp("mac", "fadd", "fabric").run(peeled)
    with pytest.raises(PomError, match=r"POM-S152.*bound differently"):
        Unite("mac", "mac_rest").run(bound)
    both = BindOp("mac_rest", "fadd", "fabric").run(bound)
    new = Unite("mac", "mac_rest").run(both)
    assert new == BindOp("mac", "fadd", "fabric").run(gemm())


def test_other_loops() -> None:
    with pytest.raises(PomError, match=r"POM-S152.*not next to each other") as caught:
        Unite("S0", "S1").run(graph_to_poly(halves.graph))
    assert "after('S0', …)" in (caught.value.hint or "")
    with pytest.raises(PomError, match=r"POM-S152.*not next to each other"):
        Unite("S", "S").run(copy())


def test_a_statement_in_between() -> None:
    """What the one in the middle reads is written before it and behind it."""
    first = assign("S", access("x", i), load("y", i))
    middle = assign("M", access("z", i), load("x", 3))
    program = graph_to_poly(kernel(loop("i", 0, 8, first, middle)))
    peeled = Peel("S", "i", 4).run(program)
    assert shape(peeled) == "i(S S_rest M)"
    moved = replace(
        peeled,
        schedule=replace(
            peeled.schedule,  # type: ignore[type-var]
            child=replace(
                peeled.schedule.child,  # type: ignore[union-attr]
                children=tuple(
                    peeled.schedule.child.children[n]
                    for n in (0, 2, 1)  # type: ignore[union-attr]
                ),
            ),
        ),
    )
    with pytest.raises(PomError, match=r"POM-S152.*not next to each other"):
        Unite("S", "S_rest").run(moved)


@pytest.mark.parametrize(
    "value", [load("x", i + 1), add(load("x", i), load("y", i)), Load(access("z", i), f32)]
)
def test_other_computations(value: object) -> None:
    first = assign("S", access("x", i), load("y", i))
    second = assign("T", access("x", i), value)  # type: ignore[arg-type]
    program = graph_to_poly(kernel(loop("i", 0, 8, first, second)))
    with pytest.raises(PomError, match=r"POM-S152.*do not compute the same"):
        Unite("S", "T").run(program)


def test_the_same_instances_twice() -> None:
    first = assign("S", access("x", i), add(load("x", i), load("y", i)))
    program = graph_to_poly(kernel(loop("i", 0, 8, first, replace(first, name="T"))))
    with pytest.raises(PomError, match=r"POM-S152.*some iterations run both"):
        Unite("S", "T").run(program)


def test_instances_that_no_loop_tells() -> None:
    """The other statement has an iterator that stands still, so that no loop runs over it."""
    peeled = Peel("S", "j", 7).run(copy())
    tree = peeled.schedule
    still = replace(
        peeled,
        schedule=replace(
            tree,  # type: ignore[type-var]
            child=replace(
                tree.child,  # type: ignore[union-attr]
                exprs=tuple(
                    (s, Affine.const(7) if s == "S_rest" else e)
                    for s, e in tree.child.exprs  # type: ignore[union-attr]
                ),
            ),
        ),
    )
    with pytest.raises(PomError, match="POM-S152"):
        Unite("S", "S_rest").run(still)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_it_is_the_inverse_of_peel(seed: int) -> None:
    rng = random.Random(seed)
    program = graph_to_poly(random_kernel(rng))
    statement = rng.choice(program.statements)
    loops = program.loops(statement.name)
    node = rng.choice(loops)
    low, high = value_range(program, node)
    if low >= high:
        return
    at = rng.randint(low + 1, high)
    peeled = Peel(statement.name, node.name, at, rest="rest").run(program)
    again = Unite(statement.name, "rest").run(peeled)
    assert again.schedule == program.schedule
    assert domain(again.statement(statement.name)).is_equal(domain(statement))
    assert [s.body for s in again.statements] == [s.body for s in program.statements]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**9))
def test_united_random_programs_compute_the_same(seed: int) -> None:
    """Cut twice, and two of the three parts put together in another name."""
    rng = random.Random(seed)
    s = Schedule(random_kernel(rng))
    statement = rng.choice(s.program.statements).name
    node = rng.choice(s.program.loops(statement))
    low, high = value_range(s.program, node)
    first = rng.randint(low, high + 1)
    for primitive in (
        Peel(statement, node.name, first, rest="rest"),
        Peel("rest", node.name, rng.randint(first, high + 1), rest="last"),
        Unite("rest", rng.choice((statement, "last"))),
        Unite("last", "rest"),
    ):
        try:
            s.apply(primitive)
        except PomError:  # nothing to cut, or not next to each other
            continue
    expected = expectations(s.kernel, seed)
    results = run_jit({"k": lowered_text(s, "k")}, expected)
    if results:
        assert expected.difference(results["k"], s.is_exact) is None
