"""Partial sums in fixed point start at a value of their type."""

from __future__ import annotations

import pytest

import pom
from pom.dialects import poly
from pom.passes.poly_reduction import InterleaveReduction
from pom.schedule import Schedule


@pytest.mark.parametrize("tree", [False, True])
def test_a_fixed_point_sum_is_a_valid_program(tree):
    @pom.kernel
    def total(x: pom.fixed(22, 15)[8], y: pom.fixed(22, 15)[1]):
        y[0] = 0
        for i in pom.loop("i", 0, 8):
            y[0] += x[i]

    schedule = Schedule(total)
    schedule.apply(InterleaveReduction("S1", "i", 2, tree=tree))
    poly.verify(schedule.program)
    assert "ap_fixed<22, 15>" in schedule.build().cpp
