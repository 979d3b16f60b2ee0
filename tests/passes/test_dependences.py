"""Dependences against enumeration, and against what is known of textbook nests."""

from __future__ import annotations

import random

import islpy as isl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Const, Load
from pom.ir.graph import Array, Assign, Call, For, Kernel
from pom.ir.poly import Loop
from pom.ir.types import ArrayType, BoolType, FixedType, IntType, ScalarType, f32
from pom.passes import isl_build
from pom.passes.conflicts import assumed_conflicts, conflicts, find_conflicts
from pom.passes.dependences import (
    Dependence,
    Distance,
    common_loops,
    dependences,
    dependences_from,
)
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import accesses
from pom.passes.poly_pipeline import Pipeline
from pom.passes.reductions import (
    commuting,
    reduction_of,
    reductions,
    relaxed_statements,
)
from tests.passes.brute_force import Enumerated, pairs_of, random_kernel

seeds = st.integers(0, 10**9)
i, j, k, t = map(Affine.var, "ijkt")


def loop(var: str, low: Affine | int, high: Affine | int, *body: object) -> For:
    bounds = [b if isinstance(b, Affine) else Affine.const(b) for b in (low, high)]
    return For(var, var, (bounds[0],), (bounds[1],), body)  # type: ignore[arg-type]


def kernel(*body: object, element: object = f32) -> Kernel:
    arrays = tuple(
        Array(name, ArrayType(element, (64,) * rank))  # type: ignore[arg-type]
        for name, rank in (("A", 2), ("B", 2), ("C", 2), ("x", 1), ("y", 1))
    )
    return Kernel("k", arrays, (), body)  # type: ignore[arg-type]


pytestmark = pytest.mark.usefixtures("unlimited")


def add(*operands: object, element: object = f32) -> Apply:
    return Apply("add", operands, element)  # type: ignore[arg-type]


def load(array: str, *subscripts: Affine | int, element: object = f32) -> Load:
    return Load(access(array, *subscripts), element)  # type: ignore[arg-type]


def access(array: str, *subscripts: Affine | int) -> Access:
    return Access(array, tuple(s if isinstance(s, Affine) else Affine.const(s) for s in subscripts))


def gemm() -> Kernel:
    target = access("C", i, j)
    product = Apply("mul", (load("A", i, k), load("B", k, j)), f32)
    update = Assign("mac", target, add(Load(target, f32), product))
    return kernel(loop("i", 0, 5, loop("j", 0, 6, loop("k", 0, 7, update))))


@settings(max_examples=120, deadline=None)
@given(seeds)
def test_conflicts_are_the_nearest_pairs(seed: int) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    found: dict[str, set[object]] = {"flow": set(), "anti": set(), "output": set()}
    for conflict in find_conflicts(program):
        assert not conflict.is_may
        found[conflict.kind] |= pairs_of(conflict.relation)
    assert found == Enumerated(source, program).nearest()


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_nearest_pairs_from_the_definition(seed: int) -> None:
    """What is used where isl's own analysis fails gives the same."""
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    infos = {s.name: accesses(program, s) for s in program.statements}
    found: dict[str, set[object]] = {"flow": set(), "anti": set(), "output": set()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl.UnionAccessInfo, "compute_flow", _fail)
        for conflict in assumed_conflicts(program, infos, set(program.arrays), frozenset()):
            found[conflict.kind] |= pairs_of(conflict.relation)
    assert found == Enumerated(source, program).nearest()


def _fail(info: object) -> None:
    raise isl.Error("affine expression involves some of the domain dimensions")


def test_a_kernel_on_which_isl_fails() -> None:
    source = random_kernel(random.Random(8388607))
    program = graph_to_poly(source)
    found: dict[str, set[object]] = {"flow": set(), "anti": set(), "output": set()}
    for conflict in find_conflicts(program):
        found[conflict.kind] |= pairs_of(conflict.relation)
    assert found == Enumerated(source, program).nearest()


@pytest.mark.parametrize("operations", [0, 1])
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_every_conflicting_pair_is_reached(operations: int, seed: int) -> None:
    """Also where the definition takes too long."""
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    enumerated = Enumerated(source, program)
    successors: dict[object, set[object]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl_build, "_MOST_OPERATIONS", operations)
        found = find_conflicts(program)
    for conflict in found:
        for a, b in pairs_of(conflict.relation):
            successors.setdefault(a, set()).add(b)
    reached: dict[object, set[object]] = {}
    for instance in reversed(enumerated.order):
        after = successors.get(instance, set())
        reached[instance] = after.union(*(reached[b] for b in after))
    for a, b in enumerated.conflicting_pairs():
        assert b in reached[a]


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([f32, IntType(8)]))
def test_commuting_updates_stay_ordered_with_everything_else(
    seed: int, element: ScalarType
) -> None:
    source = random_kernel(random.Random(seed), element)
    program = graph_to_poly(source)
    relaxed = relaxed_statements(program, fast_math=True)
    enumerated = Enumerated(source, program)
    successors: dict[object, set[object]] = {}
    for conflict in conflicts(program, relaxed):
        for a, b in pairs_of(conflict.relation):
            successors.setdefault(a, set()).add(b)
    reached: dict[object, set[object]] = {}
    for instance in reversed(enumerated.order):
        after = successors.get(instance, set())
        reached[instance] = after.union(*(reached[b] for b in after))
    for a, b in enumerated.conflicting_pairs(commuting(program, relaxed)):
        assert b in reached[a]


@settings(max_examples=80, deadline=None)
@given(seeds)
def test_distances_and_levels(seed: int) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    enumerated = Enumerated(source, program)
    for d in dependences(program):
        loops = common_loops(program, d.source, d.target)
        assert d.loops == tuple(n.name for n in loops)
        vectors = []
        for a, b in pairs_of(d.relation):
            before, after = enumerated.point(a), enumerated.point(b)
            vectors.append(
                [
                    n.expr(d.target).evaluate(after) - n.expr(d.source).evaluate(before)
                    for n in loops
                ]
            )
        assert vectors
        for position, distance in enumerate(d.distance):
            reached = [v[position] for v in vectors]
            assert (distance.minimum, distance.maximum) == (min(reached), max(reached))
        for v in vectors:
            first = next((n for n, value in enumerate(v, 1) if value), None)
            assert first == d.level
            assert first is None or v[first - 1] > 0


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_levels_divide_the_conflicts(seed: int) -> None:
    program = graph_to_poly(random_kernel(random.Random(seed)))
    whole = isl.UnionMap("{ }")
    for c in conflicts(program):
        whole = whole.union(isl.UnionMap.from_map(c.relation))
    parts = isl.UnionMap("{ }")
    for d in dependences(program):
        parts = parts.union(isl.UnionMap.from_map(d.relation))
    assert whole.is_equal(parts)


def test_gemm() -> None:
    found = dependences(graph_to_poly(gemm()))
    assert {(d.kind, str(d)) for d in found} == {
        (kind, f"{kind} mac:C[i, j] -> mac:C[i, j] (0, 0, 1) carried by k")
        for kind in ("flow", "anti", "output")
    }
    assert all(d.is_reduction and not d.is_relaxable and not d.is_may for d in found)
    assert all(d.direction == ("=", "=", "<") and d.level == 3 for d in found)


def test_distance_intervals_and_directions() -> None:
    # x[0] is read by every later iteration: distances 1 to 4
    body = Assign("S", access("x", i), load("x", 0))
    (flow,) = [
        d for d in dependences(graph_to_poly(kernel(loop("i", 0, 5, body)))) if d.kind == "flow"
    ]
    assert flow.distance == (Distance(1, 4),)
    assert str(flow.distance[0]) == "1..4"
    assert flow.direction == ("<",)


@pytest.mark.parametrize(
    ("low", "high", "direction"),
    [(1, 2, "<"), (0, 0, "="), (-2, -1, ">"), (0, 2, "<="), (-2, 0, ">="), (-1, 1, "*")],
)
def test_directions(low: int, high: int, direction: str) -> None:
    assert Distance(low, high).direction == direction
    assert Distance(low, high).is_constant == (low == high)


def test_a_write_in_between_hides_the_first() -> None:
    first = Assign("S", access("x", i), load("y", i))
    second = Assign("T", access("x", i), load("y", i))
    third = Assign("U", access("y", i), load("x", i))
    nest = kernel(loop("i", 0, 5, first, second, third))
    flows = {(d.source, d.target) for d in dependences(graph_to_poly(nest)) if d.kind == "flow"}
    assert flows == {("T", "U")}


def test_data_dependent_subscripts_are_assumed() -> None:
    index = Load(access("y", i), IntType(8))
    body = Assign("S", Access("x", (index,)), Const(1, IntType(8)))
    program = graph_to_poly(kernel(loop("i", 0, 5, body), element=IntType(8)))
    (output,) = dependences(program)
    assert output.kind == "output"
    assert output.is_may
    assert "depend on data" in output.may_reason
    assert output.distance == (Distance(1, 4),)


def test_an_assumed_write_hides_nothing() -> None:
    index = Load(access("y", i), IntType(8))
    first = Assign("S", access("x", i), Const(1, IntType(8)))
    second = Assign("T", Access("x", (index,)), Const(1, IntType(8)))
    third = Assign("U", access("C", i, 0), load("x", i, element=IntType(8)))
    program = graph_to_poly(
        kernel(*(loop("i", 0, 5, s) for s in (first, second, third)), element=IntType(8))
    )
    flows = {(d.source, d.target) for d in dependences(program) if d.kind == "flow"}
    assert flows == {("S", "U"), ("T", "U")}
    assert [d.is_may for d in dependences(program) if d.target == "U"] == [False, True]


def test_an_assumed_access_is_compared_with_the_definition() -> None:
    index = Load(access("y", i), IntType(8))
    first = Assign("S", access("x", i), Const(1, IntType(8)))
    second = Assign("T", access("x", i), Const(1, IntType(8)))
    third = Assign("U", access("C", i, 0), Load(Access("x", (index,)), IntType(8)))
    nests = (loop("i", 0, 8, first), loop("i", 0, 5, second), loop("i", 0, 5, third))
    program = graph_to_poly(kernel(*nests, element=IntType(8)))
    quick = find_conflicts(program)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl.UnionAccessInfo, "compute_flow", _fail)
        slow = find_conflicts(program)
    assert {(c.source, c.target, str(c.relation.domain())) for c in slow} == {
        ("S", "T", "{ S[i] : 0 <= i <= 4 }"),
        ("S", "U", "{ S[i] : 5 <= i <= 7 }"),
        ("T", "U", "{ T[i] : 0 <= i <= 4 }"),
    }
    assert {(c.source, c.target) for c in quick} == {(c.source, c.target) for c in slow}


def test_conflicts_do_not_depend_on_directives() -> None:
    program = graph_to_poly(gemm())
    assert conflicts(Pipeline("mac", "k").run(program)) is conflicts(program)


def test_calls_touch_their_arrays_as_a_whole() -> None:
    inner_body = Assign("S", access("p", 0), load("q", 0))
    vector = ArrayType(f32, (64,))
    inner = Kernel(
        "f", (Array("p", vector), Array("q", vector)), (), (loop("i", 0, 4, inner_body),)
    )
    body = (
        Call("c1", "f", ("x", "y")),
        Call("c2", "f", ("y", "x")),
    )
    arrays = (Array("x", vector), Array("y", vector))
    program = graph_to_poly(Kernel("k", arrays, (), body, callees=(inner,)))
    found = {(d.kind, d.array, d.source, d.target) for d in dependences(program)}
    assert found == {("flow", "x", "c1", "c2"), ("anti", "y", "c1", "c2")}
    assert all("f is a function" in d.may_reason for d in dependences(program))


@pytest.mark.parametrize(
    ("op", "element", "other", "exact"),
    [
        ("add", IntType(8), IntType(16), True),
        ("sub", IntType(8), IntType(8), True),
        ("mul", IntType(8), IntType(8), True),
        ("max", IntType(8), IntType(8), True),
        ("max", IntType(8), IntType(9), False),
        ("xor", IntType(8), IntType(8), True),
        ("add", f32, f32, False),
        ("min", f32, f32, False),
        ("add", FixedType(16, 8), FixedType(12, 6), True),
        ("add", FixedType(16, 8), FixedType(16, 6), False),
        ("mul", FixedType(16, 8), FixedType(16, 8), False),
        ("add", FixedType(16, 8), FixedType(14, 6), True),
        ("max", FixedType(16, 8), FixedType(16, 8), True),
        ("max", FixedType(16, 8), FixedType(16, 7), False),
        ("or", BoolType(), BoolType(), True),
    ],
)
def test_reductions(op: str, element: object, other: object, exact: bool) -> None:
    target = access("x", 0)
    value = Apply(op, (Load(target, element), load("y", i, element=other)), element)  # type: ignore[arg-type]
    found = reduction_of(Assign("S", target, value), element)  # type: ignore[arg-type]
    assert found is not None
    assert (found.op, found.accumulator, found.is_exact) == (op, target, exact)


def test_what_is_no_reduction() -> None:
    target = access("x", 0)
    own = Load(target, f32)
    no_update = Assign("S", target, add(load("y", i), load("y", i)))
    twice = Assign("S", target, add(own, own))
    swapped = Assign("S", target, Apply("sub", (load("y", i), own), f32))
    division = Assign("S", target, Apply("div", (own, load("y", i)), f32))
    scatter = Access("x", (Load(access("y", i), IntType(8)),))
    unknown = Assign("S", scatter, add(Load(scatter, f32), load("y", i)))
    call = Call("S", "f", ("x",))
    for body in (no_update, twice, swapped, division, unknown, call):
        assert reduction_of(body, f32) is None


def test_casts_around_a_reduction() -> None:
    target, element = access("x", 0), IntType(8)
    total = Apply("add", (Load(target, element), load("y", i, element=element)), IntType(9))
    stored = Assign("S", target, Apply("cast", (total,), element))
    narrowed = Assign("S", target, Apply("cast", (Apply("cast", (total,), IntType(4)),), element))
    found, lossy = reduction_of(stored, element), reduction_of(narrowed, element)
    assert found is not None
    assert found.is_exact
    assert lossy is not None
    assert not lossy.is_exact


def test_relaxed_statements_need_fast_math_for_floats() -> None:
    program = graph_to_poly(gemm())
    assert set(reductions(program)) == {"mac"}
    assert relaxed_statements(program) == frozenset()
    assert relaxed_statements(program, fast_math=True) == {"mac"}


def test_updates_of_a_relaxed_reduction_do_not_conflict() -> None:
    program = graph_to_poly(gemm())
    assert conflicts(program, frozenset({"mac"})) == ()
    assert len(conflicts(program)) == 3


def test_iterators_may_be_isl_words() -> None:
    body = Assign("max", access("x", Affine.var("mod")), load("x", Affine.var("mod") - 1))
    program = graph_to_poly(kernel(loop("mod", 1, 5, body)))
    (flow,) = [d for d in dependences(program) if d.kind == "flow"]
    assert (flow.source, flow.loop, flow.distance) == ("max", "mod", (Distance(1, 1),))
    assert isinstance(program.schedule, Loop)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_bounds_in_place_of_extrema_hold(seed: int) -> None:
    """What is said where the extrema take too long: intervals that hold the exact ones."""
    program = graph_to_poly(random_kernel(random.Random(seed)))
    known = find_conflicts(program)
    exact = dependences_from(program, known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isl_build, "_MOST_OPERATIONS", 1)
        bounds = dependences_from(program, known)

    def by_loop(found: tuple[Dependence, ...]) -> dict[object, list[Dependence]]:
        result: dict[object, list[Dependence]] = {}
        for d in found:
            key = d.kind, d.source, d.target, d.source_access, d.target_access, d.level
            result.setdefault(key, []).append(d)
        return result

    wide = by_loop(bounds)
    for key, found in by_loop(exact).items():
        for one in found:
            assert any(
                all(
                    w.minimum <= e.minimum and e.maximum <= w.maximum
                    for e, w in zip(one.distance, other.distance, strict=True)
                )
                for other in wide[key]
            )
