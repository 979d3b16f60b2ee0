"""Verdicts on schedules against enumeration of every pair of instances."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace

import islpy as isl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Const, Load
from pom.ir.graph import Assign
from pom.ir.poly import Loop, PolyProgram, Sequence
from pom.ir.types import IntType, ScalarType, f32
from pom.passes.conflicts import Conflict, conflicts
from pom.passes.dependences import dependences
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.legality import (
    Violation,
    illegal_dependences,
    is_legal,
    kept_order,
    legal,
    reversed_pairs,
    violations_of,
)
from pom.passes.loop_directives import with_directives
from pom.passes.loop_ranges import value_range
from pom.passes.poly_after import After
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_peel import Peel
from pom.passes.poly_reverse import Reverse, reversed_loop
from pom.passes.poly_split import Split
from pom.passes.reductions import commuting, relaxed_statements
from tests.passes.brute_force import Enumerated, Instance, pairs_of, random_kernel
from tests.passes.random_schedules import rewrites
from tests.passes.test_dependences import access, add, gemm, kernel, load, loop

seeds = st.integers(0, 10**9)
i, j, t = map(Affine.var, "ijt")


def ends(violation: Violation) -> tuple[Instance, Instance]:
    return (
        (violation.source, tuple(v for _, v in violation.source_point)),
        (violation.target, tuple(v for _, v in violation.target_point)),
    )


@settings(max_examples=70, deadline=None)
@given(seeds)
def test_verdicts_are_those_of_enumeration(seed: int) -> None:
    rng = random.Random(seed)
    source = random_kernel(rng)
    original = graph_to_poly(source)
    enumerated = Enumerated(source, original)
    for program, _, candidates in rewrites(rng, original, 3):
        assert not enumerated.reversed_pairs(program)
        for candidate in candidates:
            wrong = enumerated.reversed_pairs(candidate)
            assert is_legal(program, candidate) == (not wrong)
            found = violations_of(program, candidate)
            assert bool(found) == bool(wrong)
            assert {ends(v) for v in found} <= wrong
            # the same verdict from the dependences of the unscheduled program
            assert bool(illegal_dependences(candidate, dependences(original))) == bool(wrong)


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([(f32, True), (IntType(8), False)]))
def test_reductions_may_be_reordered_and_nothing_else(seed: int, mode: tuple) -> None:  # type: ignore[type-arg]
    element, fast_math = mode
    rng = random.Random(seed)
    source = random_kernel(rng, element)
    original = graph_to_poly(source)
    enumerated = Enumerated(source, original)
    classes = commuting(original, relaxed_statements(original, fast_math))
    for program, _, candidates in rewrites(rng, original, 2, fast_math):
        for candidate in candidates:
            wrong = enumerated.reversed_pairs(candidate, classes)
            assert is_legal(program, candidate, fast_math) == (not wrong)


@settings(max_examples=70, deadline=None)
@given(seeds)
def test_primitives_accept_exactly_what_is_legal(seed: int) -> None:
    rng = random.Random(seed)
    source = random_kernel(rng)
    original = graph_to_poly(source)
    enumerated = Enumerated(source, original)
    for program, primitive, candidates in rewrites(rng, original, 2):
        possible = any(not enumerated.reversed_pairs(c) for c in candidates)
        if possible:
            result = primitive.run(program)
            assert not enumerated.reversed_pairs(result)
            assert {s.name for s in result.statements} == set(result.schedule.statements)
        else:
            with pytest.raises(PomError, match="POM-S001") as refused:
                primitive.run(program)
            assert refused.value.notes


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_what_is_handed_on_is_what_would_be_found(seed: int) -> None:
    rng = random.Random(seed)
    source = random_kernel(rng)
    for program, _, candidates in rewrites(rng, graph_to_poly(source), 4):
        known = kept_order(program, frozenset())
        for candidate in candidates:
            fresh = illegal_dependences(candidate, conflicts(program))
            assert bool(fresh) == bool(illegal_dependences(candidate, known))


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans())
@example(510511, True)
def test_conflicts_of_the_parts_of_a_statement_are_those_that_would_be_found(
    seed: int, is_split: bool
) -> None:
    rng = random.Random(seed)
    program = graph_to_poly(random_kernel(rng))
    for number in range(2):
        statement = rng.choice(program.statements).name
        around = [n for n in program.loops(statement) if value_range(program, n)[1] >= 1]
        if not around:
            continue
        node = rng.choice(around)
        low, high = value_range(program, node)
        if high > low:
            at = rng.randint(low + 1, high)
            program = Peel(statement, node.name, at, f"rest{number}").run(program)
        if is_split and high > low + 1:
            names = (f"{node.name}_{number}a", f"{node.name}_{number}b")
            program = Split(statement, node.name, 2, names).run(program)
    known, fresh = _listed(kept_order(program, frozenset())), _listed(conflicts(program))
    if not is_split:
        assert known == fresh
    # among remainders, pairs that follow from others may be found, too, and none may be missing
    assert known <= fresh
    assert {pair[1:] for pair in fresh} <= _closure({pair[1:] for pair in known})


def _closure(pairs: set[tuple[Instance, Instance]]) -> set[tuple[Instance, Instance]]:
    """Every pair that follows from `pairs`."""
    after: dict[Instance, set[Instance]] = {}
    for first, second in pairs:
        after.setdefault(first, set()).add(second)
    found = set()
    for first in after:
        waiting, seen = list(after[first]), set(after[first])
        while waiting:
            for further in after.get(waiting.pop(), set()) - seen:
                seen.add(further)
                waiting.append(further)
        found |= {(first, other) for other in seen}
    return found


def _listed(found: tuple[Conflict, ...]) -> set[tuple[str, Instance, Instance]]:
    return {(c.kind, *pair) for c in found for pair in pairs_of(c.relation)}


def test_the_parts_of_a_relaxed_reduction_are_still_in_order() -> None:
    peeled = Peel("mac", "k", 2, "rest").run(graph_to_poly(gemm()))
    relaxed = relaxed_statements(peeled, True)
    assert relaxed == {"mac", "rest"}
    found = {(c.source, c.target) for c in kept_order(peeled, relaxed)}
    assert found == {(c.source, c.target) for c in conflicts(peeled, relaxed)} == {("mac", "rest")}


def two_updates(element: ScalarType, first: str, second: str) -> PolyProgram:
    """``x[i]`` is updated by a value that the iteration before gives, then by others."""
    x = Load(access("x", i), element)
    near = Load(access("x", i - 1), element)
    other = Load(access("A", i, j), element)
    body = (
        Assign("S", access("x", i), Apply(first, (x, near), element)),
        loop("j", 0, 4, Assign("T", access("x", i), Apply(second, (x, other), element))),
    )
    return graph_to_poly(kernel(loop("i", 1, 8, *body), element=element))


@pytest.mark.parametrize(
    ("first", "second"), [("max", "max"), ("add", "add"), ("add", "sub"), ("xor", "xor")]
)
def test_exact_updates_of_several_statements_commute(first: str, second: str) -> None:
    program = two_updates(IntType(32), first, second)
    moved = After("S", "T", "i").run(program)
    assert moved.schedule.statements == ("T", "S")
    assert illegal_dependences(moved, conflicts(program))
    relaxed = relaxed_statements(program)
    assert not illegal_dependences(moved, conflicts(program, relaxed))


@pytest.mark.parametrize(
    ("element", "first", "second", "fast_math"),
    [
        (IntType(32), "max", "min", False),
        (IntType(32), "add", "mul", False),
        (f32, "add", "add", True),
        (f32, "max", "max", True),
    ],
)
def test_other_updates_keep_their_order(
    element: ScalarType, first: str, second: str, fast_math: bool
) -> None:
    program = two_updates(element, first, second)
    with pytest.raises(PomError, match="POM-S001"):
        After("S", "T", "i", fast_math).run(program)


def test_updates_stay_in_order_with_what_reads_them() -> None:
    """The next iteration reads what both have made, so one may not leave its iteration."""
    program = two_updates(IntType(32), "max", "max")
    with pytest.raises(PomError, match="POM-S001"):
        Distribute("T", "i").run(program)


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([f32, IntType(8)]))
def test_verdicts_on_parts_of_relaxed_reductions_are_those_of_conflicts_found_anew(
    seed: int, element: ScalarType
) -> None:
    rng = random.Random(seed)
    source = random_kernel(rng, element)
    program = graph_to_poly(source)
    sums = sorted(relaxed_statements(program, True))
    for number in range(2):
        if not sums:
            return
        statement = rng.choice(sums)
        around = [n for n in program.loops(statement) if _is_longer_than_one(program, n)]
        if around:
            low, high = value_range(program, node := rng.choice(around))
            at = rng.randint(low + 1, high)
            program = Peel(statement, node.name, at, f"rest{number}").run(program)
    relaxed = relaxed_statements(program, True)
    for before, _, candidates in rewrites(rng, program, 3, fast_math=True):
        fresh = conflicts(before, relaxed)
        for candidate in candidates:
            known = kept_order(before, relaxed)
            is_refused = bool(illegal_dependences(candidate, known))
            assert is_refused == bool(illegal_dependences(candidate, fresh))
            assert is_legal(before, candidate, True) == (not is_refused)


def _is_longer_than_one(program: PolyProgram, node: Loop) -> bool:
    low, high = value_range(program, node)
    return high > low


def stencil() -> PolyProgram:
    body = add(load("x", i - 1), load("x", i + 1))
    return graph_to_poly(
        kernel(loop("t", 0, 4, loop("i", 1, 9, Assign("S", access("x", i), body))))
    )


def test_a_violation_says_everything() -> None:
    program = stencil()
    with pytest.raises(PomError, match="POM-S001") as caught:
        Reverse("S", "i").run(program)
    error = caught.value
    assert "reverse('i') of 'S' reverses the" in error.summary
    assert "writes" in error.notes[0] or "reads" in error.notes[0]
    assert "decided by loop 'i'" in error.notes[1]
    assert pickle.loads(pickle.dumps(error)).render() == error.render()


def test_the_loop_that_decides_is_named() -> None:
    body = Assign("S", access("A", i, j), load("A", i, j - 1))
    program = graph_to_poly(kernel(loop("i", 0, 6, loop("j", 1, 6, body))))
    with pytest.raises(PomError) as caught:
        Reverse("S", "j").run(program)
    assert caught.value.summary == (
        "reverse('j') of 'S' reverses the flow dependence S -> S through A"
    )
    assert caught.value.notes[1].endswith("(decided by loop 'j')")


def test_the_innermost_of_three_loops_is_named() -> None:
    body = Assign("S", access("A", i, Affine.var("k")), load("A", i, Affine.var("k") - 1))
    nest = loop("i", 0, 4, loop("j", 0, 1, loop("k", 1, 6, body)))
    with pytest.raises(PomError, match="decided by loop 'k'"):
        Reverse("S", "k").run(graph_to_poly(kernel(nest)))


def test_a_loop_of_the_deeper_end_is_named() -> None:
    target = access("x", i)
    first = Assign("S", target, load("y", i))
    second = Assign("T", target, add(load("x", i), load("A", i, j)))
    program = graph_to_poly(kernel(loop("i", 0, 6, first, loop("j", 1, 6, second))))
    assert isinstance(program.schedule, Loop)
    assert isinstance(program.schedule.child, Sequence)
    inner = program.schedule.child.children[1]
    assert isinstance(inner, Loop)
    early = (("S", Affine.const(3)), ("T", j))
    body = Sequence((program.schedule.child.children[0], inner.child))
    mixed = replace(program.schedule, child=replace(inner, exprs=early, child=body))
    found = illegal_dependences(replace(program, schedule=mixed), dependences(program))
    assert {v.loop for v in found if v.source == "S"} == {"j"}


def test_how_many_more() -> None:
    with pytest.raises(PomError, match="through C and 2 more") as caught:
        Reverse("mac", "k").run(graph_to_poly(gemm()))
    assert caught.value.summary.endswith("and 2 more")
    both = Assign("S", access("x", 0), load("y", i))
    two = Assign("T", access("y", i + 1), load("x", 0))
    program = graph_to_poly(kernel(loop("i", 0, 3, both), loop("i", 0, 3, two)))
    assert isinstance(program.schedule, Sequence)
    swapped = replace(program, schedule=Sequence(program.schedule.children[::-1]))
    count = len(violations_of(program, swapped))
    with pytest.raises(PomError, match="POM-S001") as caught:
        legal(program, swapped, "swap")
    assert caught.value.summary.endswith("and 1 more" if count == 2 else "through x")
    assert count == 2


def test_equal_times_are_a_violation() -> None:
    program = stencil()
    assert isinstance(program.schedule, Loop)
    flat = replace(program.schedule, exprs=(("S", Affine.const(0)),))
    found = illegal_dependences(replace(program, schedule=flat), dependences(program))
    assert found
    # flat time runs the source of a dependence of distance (1, 0) together with its target
    assert any(dict(v.source_point)["i"] == dict(v.target_point)["i"] for v in found)


def test_order_of_the_text_decides_last() -> None:
    first = Assign("S", access("x", i), load("y", i))
    second = Assign("T", access("C", i, 0), load("x", i))
    program = graph_to_poly(kernel(loop("i", 0, 4, first, second)))
    assert isinstance(program.schedule, Loop)
    assert isinstance(program.schedule.child, Sequence)
    swapped = Sequence(program.schedule.child.children[::-1])
    late = replace(program, schedule=replace(program.schedule, child=swapped))
    (found,) = illegal_dependences(late, dependences(program))
    assert found.loop is None
    assert found.kind == "flow"
    assert not found.notes[1].endswith(")")


def test_pairs_that_no_order_of_one_loop_leaves_equal_are_done_with() -> None:
    source = stencil().statement("S")
    relation = isl.Map("{ S[t, i] -> S[t, i'] : i' = i + 1 and 0 <= t < 4 and 1 <= i < 8 }")
    pairs = relation.set_dim_name(isl.dim_type.out, 0, "t").wrap()
    zero, text = Affine(), (Affine(), Affine.const(1))
    assert reversed_pairs(pairs, source, source, (i,), (i,)) is None
    assert reversed_pairs(pairs, source, source, (i, text[1]), (i, text[0])) is None
    found = reversed_pairs(pairs, source, source, (zero, i * -1), (zero, i * -1))
    assert found is not None
    assert found[1] == 1
    assert found[0].is_equal(pairs)


def test_a_relation_without_pairs_is_no_dependence() -> None:
    """isl's analysis may give one."""
    first = Assign("S", access("x", i), load("y", i))
    second = Assign("T", access("C", i, 0), load("x", i))
    program = graph_to_poly(kernel(loop("i", 0, 4, first), loop("i", 0, 4, second)))
    assert isinstance(program.schedule, Sequence)
    late = replace(program, schedule=Sequence(program.schedule.children[::-1]))
    (known,) = dependences(program)
    nothing = known.relation.subtract(known.relation)
    assert illegal_dependences(late, [replace(known, relation=nothing)]) == ()
    assert len(illegal_dependences(late, [replace(known, relation=nothing), known])) == 1


def test_remedies_that_are_refused_are_left_out() -> None:
    program = stencil()
    wrong = reversed_loop(program, "S", "i")

    def refused() -> PolyProgram:
        raise PomError("POM-S003", "no such loop")

    remedies = [("first", refused), ("second", lambda: wrong), ("third", lambda: program)]
    with pytest.raises(PomError, match="hint: third"):
        legal(program, wrong, "reverse", remedies=remedies)
    with pytest.raises(PomError, match="POM-S001") as caught:
        legal(program, wrong, "reverse", remedies=remedies[:2])
    assert caught.value.hint is None


def test_a_remedy_whose_directives_do_not_fit_is_left_out() -> None:
    program = stencil()
    wrong = reversed_loop(program, "S", "i")
    nested = with_directives(program, "S", "t", pipeline_ii=1)
    nested = with_directives(nested, "S", "i", pipeline_ii=1)
    with pytest.raises(PomError, match="POM-S001") as caught:
        legal(program, wrong, "reverse", remedies=[("nested pipelines", lambda: nested)])
    assert caught.value.hint is None


def test_hint_of_fast_math_works() -> None:
    program = graph_to_poly(gemm())
    with pytest.raises(PomError, match="fast_math=True"):
        Reverse("mac", "k").run(program)
    accepted = Reverse("mac", "k", fast_math=True).run(program)
    assert accepted != program
    # what was reassociated once stays reassociated: undoing it needs fast_math as well
    with pytest.raises(PomError, match="POM-S001"):
        Reverse("mac", "k").run(accepted)


def test_integer_reductions_need_no_permission() -> None:
    element = IntType(16)
    target = access("x", 0)
    update = Assign(
        "S",
        target,
        add(load("x", 0, element=element), load("y", i, element=element), element=element),
    )
    program = graph_to_poly(kernel(loop("i", 0, 8, update), element=element))
    Reverse("S", "i").run(program)


def test_assumed_dependences_say_why() -> None:
    index = Load(access("y", i), IntType(8))
    scatter = Assign("S", Access("x", (index,)), Const(1, IntType(8)))
    program = graph_to_poly(kernel(loop("i", 0, 5, scatter), element=IntType(8)))
    with pytest.raises(PomError, match="affine subscripts") as caught:
        Reverse("S", "i").run(program)
    assert any("depend on data" in note for note in caught.value.notes)


def test_a_legal_program_is_returned_as_it_is() -> None:
    program = stencil()
    new = Split("S", "i", 3).run(program)
    assert legal(program, new, "split") is new
    assert violations_of(program, new) == ()


def test_fast_math_must_be_asked_for() -> None:
    program = graph_to_poly(gemm())
    reassociated = Reverse("mac", "k", fast_math=True).run(program)
    assert legal(program, reassociated, "reverse", fast_math=True) is reassociated
    assert not is_legal(program, reassociated)
    assert violations_of(program, reassociated)
    with pytest.raises(PomError, match="POM-S001"):
        legal(program, reassociated, "reverse")
