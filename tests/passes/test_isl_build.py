from __future__ import annotations

import random

import islpy as isl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.ir.affine import Affine, Constraint
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import (
    affine,
    compact_times,
    directions,
    domain,
    domain_text,
    isl_names,
    parse_domain,
    sample,
    schedule_map,
    schedule_times,
    schedule_union,
    union_domain,
)
from tests.passes.brute_force import Enumerated, random_kernel, time_of
from tests.passes.nests import gemm, triangle

i, j = Affine.var("i"), Affine.var("j")


def test_names_that_isl_reserves() -> None:
    assert isl_names(("mod", "mod_", "i")) == ("mod__", "mod_", "i")
    assert isl_names(("Max",)) == ("Max_",)
    text = domain_text("and", ("mod", "floor"), [Constraint(Affine.var("mod") - 3, True)])
    found = parse_domain("and", ("mod", "floor"), text)
    assert found.get_tuple_name() == "and"
    assert found.get_dim_name(isl.dim_type.set, 0) == "mod"


def test_domain_text_reads_back() -> None:
    constraints = [Constraint(i), Constraint(Affine.const(7) - i), Constraint(i % 3, True)]
    found = parse_domain("S", ("i",), domain_text("S", ("i",), constraints))
    assert found.is_equal(isl.Set("{ S[i] : 0 <= i <= 7 and i mod 3 = 0 }"))
    nothing = domain_text("S", ("i",), [Constraint(i), Constraint(-i - 1)])
    assert parse_domain("S", ("i",), nothing).is_empty()


def test_a_domain_of_another_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="does not have dims"):
        parse_domain("S", ("i", "j"), "{ S[i] : i = 0 }")


def test_unknown_variables_are_refused() -> None:
    with pytest.raises(ValueError):
        affine(gemm().statement("scale"), Affine.var("z"))


def test_quasi_affine_expressions() -> None:
    value = (i * 3 + 1) // 4 - j % 5
    function = affine(triangle().statement("S"), value)
    for point in ((0, 0), (3, 2), (7, 6)):
        at = isl.Set(f"{{ S[{point[0]}, {point[1]}] }}")
        assert at.max_val(function).to_python() == value.evaluate({"i": point[0], "j": point[1]})


def test_times_have_one_length() -> None:
    times = schedule_times(gemm())
    assert len({len(t) for t in times.values()}) == 1
    assert [str(t) for t in times["mac"]] == ["1", "i", "0", "j", "0", "k", "0"]
    assert [str(t) for t in times["scale"]] == ["0", "i", "0", "j", "0", "0", "0"]
    assert [str(t) for t in compact_times(gemm())["mac"]] == ["1", "i", "j", "k"]


def test_directions() -> None:
    read, written = directions(gemm())
    assert read == {"A", "B", "C", "x"}
    assert written == {"C"}


def test_sample() -> None:
    assert sample(isl.Set("{ [i, j] : i = 3 and j = -2 }")) == (3, -2)
    assert sample(isl.Set("{ [i] : i > 0 and i < 0 }")) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_domains_and_schedules_by_enumeration(seed: int) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    enumerated = Enumerated(source, program)
    assert union_domain(program).is_equal(schedule_union(program).domain())
    for statement in program.statements:
        mine = [x for x in enumerated.order if x[0] == statement.name]
        assert domain(statement).count_val().to_python() == len(mine)
        times = schedule_map(program, statement.name)
        for instance in mine[:5]:
            point = isl.Set(f"{{ {statement.name}[{', '.join(map(str, instance[1]))}] }}")
            found = sample(point.apply(times))
            expected = time_of(program.schedule, statement.name, enumerated.point(instance))
            assert found is not None
            assert found[: len(expected)] == expected
            assert not any(found[len(expected) :])
    ranks = [time_of(program.schedule, s, enumerated.point((s, p))) for s, p in enumerated.order]
    assert ranks == sorted(ranks)
