"""Scalar promotion: one element in a register while a loop runs."""

from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_scalar_promotion import ScalarPromotion
from tests.passes.data_primitives import assert_same, gemm, program, shapes, triangle_sum


def test_the_accumulator_stays_in_a_register() -> None:
    kernel = gemm()
    new = ScalarPromotion("mac", "C", "k").run(program(kernel))
    assert shapes(new) == {"C_reg": ()}
    assert [s.name for s in new.statements] == ["scale", "C_reg_in", "mac", "C_reg_out"]
    assert_same(kernel, new)


def test_an_empty_sum_copies_nothing() -> None:
    kernel = triangle_sum()
    new = ScalarPromotion("acc", "x", "k", "r").run(program(kernel))
    domain = new.statement("r_in").domain
    assert "0 < i" in domain
    assert_same(kernel, new)


def test_several_elements_are_refused() -> None:
    with pytest.raises(PomError, match="POM-P065"):
        ScalarPromotion("mac", "A", "k").run(program(gemm()))
    moved = Interchange("acc", "i", "k").run(program(triangle_sum()))
    with pytest.raises(PomError, match="POM-P065"):
        ScalarPromotion("acc", "x", "i").run(moved)
