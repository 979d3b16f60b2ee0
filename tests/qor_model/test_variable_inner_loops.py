"""Loops whose bounds depend on a loop two levels out keep their trip counts."""

from __future__ import annotations

import pom
from pom import devices
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import If, OpKind
from tests.qor_model.regions import array, compute, design, iv, load, loop, store


def test_a_constant_loop_between_does_not_hide_the_dependence() -> None:
    @pom.kernel
    def wedge(A: pom.f32[40, 30], b: pom.f32[40, 30]):
        for i in pom.loop("i", 0, 40):
            for j in pom.loop("j", 0, 30):
                b[i, j] = 0.0
                for k in pom.loop("k", 0, i):
                    b[i, j] += A[k, j] * A[i, j]

    design = design_from_affine(poly_to_affine(graph_to_poly(wedge.graph)))
    library = OperatorLibrary.for_device(devices.load("xczu9eg"))
    result = estimate_latency(design, library)
    (outer,) = result.function("wedge").loops
    assert outer.names == ("i",)
    # 19 iterations of k on average, for each of 40 × 30 values of i and j
    assert result.latency_cycles > 40 * 30 * 19


def test_a_loop_under_a_guard_counts_as_often_as_it_runs() -> None:
    add = compute(OpKind.ADD, total := load("b", iv("i")), item := load("A", iv("i"), iv("j")))
    inner = loop("j", 80, total, item, add, store(add, "b", iv("i")))
    odd = iv("i") - iv("i").floor_div(4) * 4 - 1
    guard = If((odd,), (inner,), equalities=(0,))
    outer = loop("i", 64, guard)
    found = design(outer, arrays=(array("A", 64, 80), array("b", 64)))
    result = estimate_latency(found, OperatorLibrary.for_device(devices.load("xczu9eg")))
    first, second = result.all_loops()
    assert (first.names, second.names, second.share) == (("i",), ("j",), 0.25)
    assert 16 * second.latency_cycles < first.latency_cycles < 17 * second.latency_cycles + 64 * 5
