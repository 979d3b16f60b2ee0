"""Sources by definition are those of isl's dataflow analysis where that is to be trusted."""

from __future__ import annotations

import random

import islpy as isl
import pytest

from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import has_remainders
from pom.passes.value_flow import _Flow
from tests.fuzz.kernels import random_kernel


@pytest.mark.parametrize("seed", range(12))
def test_definition_and_isl_agree(seed: int) -> None:
    """With certain writes alone; the definition is for the others."""
    program = graph_to_poly(random_kernel(random.Random(seed)))
    flow = _Flow(program, frozenset(program.arrays))
    flow.may = isl.UnionMap("{ }")
    final = isl.UnionMap("{ }")
    for name, array in flow.arrays.items():
        dims = ", ".join(f"a{k}" for k in range(array.type.rank))
        limits = " and ".join(f"0 <= a{k} < {n}" for k, n in enumerate(array.type.shape))
        final = final.union(
            isl.UnionMap(f"{{ final_{name}[{dims}] -> {name}[{dims}] : {limits or 'true'} }}")
        )
    assert flow._flow(final).is_equal(flow._flow_by_definition(final))


def test_a_possible_write_hides_nothing_and_is_hidden() -> None:
    writes = isl.UnionMap("{ W[i] -> A[i] : 0 <= i < 4 }")
    perhaps = isl.UnionMap("{ M[i] -> A[j] : 0 <= i < 4 and 0 <= j < 4 }")
    flow = object.__new__(_Flow)
    flow.must, flow.may = writes, perhaps
    flow.schedule = isl.UnionMap("{ W[i] -> [2i, 0]; M[i] -> [2i + 1, 0]; R[] -> [5, 0] }")
    found = flow._flow_by_definition(isl.UnionMap("{ R[] -> A[1]; R[] -> A[3] }"))
    # W[3] comes after R[]; W[1] at 2 hides M[0] at 1; of A[3] nothing certain was written before
    expected = isl.UnionMap("{ R[] -> W[1]; R[] -> M[i] : 0 <= i < 2 }")
    assert found.is_equal(expected)


def test_remainders_are_recognised() -> None:
    assert has_remainders(isl.UnionMap("{ S[i] -> A[j] : (i + j) mod 3 = 0 }"))
    assert not has_remainders(isl.UnionMap("{ S[i] -> A[i] : 0 <= i < 3 }"))
