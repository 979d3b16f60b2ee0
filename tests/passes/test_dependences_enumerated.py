"""The dependence analysis against enumeration, where isl's own dataflow analysis fails too."""

from __future__ import annotations

import random
from dataclasses import replace

import islpy as isl
import pytest

from pom.passes.conflicts import find_conflicts
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import unwritten
from pom.passes.reductions import relaxed_statements
from tests.fuzz.analysis import INVENTED, MISSED, difference, wrong_dependence
from tests.fuzz.enumerate import enumerated
from tests.fuzz.kernels import random_kernel
from tests.passes.nests import access, assign, gemm, i, j, kernel, load, loop


@pytest.mark.parametrize("seed", range(60))
def test_random_kernels(seed: int) -> None:
    program = graph_to_poly(random_kernel(random.Random(f"dependences:{seed}")))
    for fast_math in (False, True):
        assert wrong_dependence(program, relaxed_statements(program, fast_math)) is None


def test_remainders_in_both_subscripts() -> None:
    """isl's analysis leaves out the reads in the iterations before the one that writes."""
    body = assign("S", access("A", (j * 2 - i) % 7, -i % 4), load("A", 3, 3))
    program = graph_to_poly(kernel(loop("i", 0, 3, loop("j", 0, 4, body))))
    (anti,) = (c for c in find_conflicts(program) if c.kind == "anti")
    expected = "{ S[i, j] -> S[1, 2] : (i = 0 and 0 <= j <= 3) or (i = 1 and 0 <= j < 2) }"
    assert anti.relation.is_equal(isl.Map(expected))


def test_lost_and_invented_pairs_are_noticed() -> None:
    program = gemm(3)
    judge = enumerated(program, frozenset())
    found = find_conflicts(program)
    assert difference(judge, found) is None
    lost = difference(judge, [c for c in found if c.source == c.target])
    assert lost is not None
    assert lost.kind == MISSED
    assert lost.detail == "scale(0, 0) before mac(0, 0, 0)"
    for conflict in found:
        everything = isl.Map.from_domain_and_range(
            conflict.relation.domain(), conflict.relation.range()
        )
        invented = difference(judge, (*found, replace(conflict, relation=everything)))
        assert invented is not None
        assert invented.kind == INVENTED


def test_reads_of_what_nothing_has_written() -> None:
    reads = isl.UnionMap("{ R[i] -> A[a] : 0 <= i < 6 and (a + i) mod 3 = 0 and 0 <= a < 3 }")
    writes = isl.UnionMap("{ W[i] -> A[1] : i = 0; W[i] -> A[2] : i = 4 }")
    schedule = isl.UnionMap("{ R[i] -> [i, 1]; W[i] -> [i, 0] }")
    # A[0] at 0 and 3; A[2] at 1, and at 4, when it has just been written; A[1] at 2 and 5, written
    expected = isl.UnionMap("{ R[0] -> A[0]; R[3] -> A[0]; R[1] -> A[2] }")
    assert unwritten(reads, writes, schedule).is_equal(expected)


def test_a_loop_that_never_runs_has_none() -> None:
    body = assign("S", access("x", i % 3), load("x", (i + 1) % 3))
    assert find_conflicts(graph_to_poly(kernel(loop("i", 4, 4, body)))) == ()
