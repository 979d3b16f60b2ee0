"""Lowering where the code generator puts instances out of order, which validation finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pom.errors import PomError
from pom.ir.affine import Affine, as_affine
from pom.ir.expr import Access, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node
from pom.ir.poly import Loop, PolyProgram
from pom.ir.types import ArrayType, FloatType
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.lowering import lower
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_scalar_promotion import ScalarPromotion
from pom.passes.poly_split import Split
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate

HALF = FloatType(16)


def at(array: str, *subscripts: Affine | int) -> Access:
    return Access(array, tuple(as_affine(s) for s in subscripts))


def assign(name: str, target: Access, source: Access) -> Assign:
    return Assign(name, target, Load(source, HALF))


def loop(var: str, upper: Affine | int, *body: Node) -> For:
    return For(var, var, (as_affine(0),), (as_affine(upper),), body)


@pytest.fixture(scope="module")
def rewritten() -> PolyProgram:
    """Names are those with which the code generator, which looks at hashes, was seen to fail."""
    i, j = Affine.var("i"), Affine.var("j")
    body = loop(
        "i",
        5,
        loop("j", i, assign("S1", at("A2", 4), at("A0", 4 - i, i))),
        assign("S2", at("A0", i, i), at("A2", i + 1)),
        loop("j", 2, assign("S3", at("A2", 2 - j), at("A2", 6 - i))),
    )
    arrays = Array("A0", ArrayType(HALF, (6, 5))), Array("A2", ArrayType(HALF, (9,)))
    program = graph_to_poly(Kernel("kernel", arrays, (), (body,)))
    split = Split("S1", "i", 3).run(program)
    return ScalarPromotion("S1", "A2", "j", "reg44").run(split)


def test_legal_schedule_is_lowered(rewritten: PolyProgram) -> None:
    """One time of the innermost loop holds two statements whose order alternates between times."""
    scheduled = AutoSchedule(algorithm="pluto", fuse=True, wavefront=True, local=True).run(
        rewritten
    )
    with pytest.raises(PomError, match="must run before") as refused:
        validate(rewritten, poly_to_affine(scheduled))
    assert refused.value.code == "POM-A107"
    validate(rewritten, lower(scheduled, rewritten))


def test_other_order_is_refused(rewritten: PolyProgram) -> None:
    """Generating loops apart helps the code generator; it does not excuse a wrong schedule."""
    scheduled = AutoSchedule(algorithm="pluto", fuse=True, wavefront=True, local=True).run(
        rewritten
    )
    reverse = reversed_outermost(scheduled)
    with pytest.raises(PomError) as refused:
        lower(reverse, rewritten)
    assert refused.value.code == "POM-A107"


def reversed_outermost(program: PolyProgram) -> PolyProgram:
    """`program` with the values of its outermost loop negated, whatever depends on them."""
    outermost = program.schedule
    assert isinstance(outermost, Loop)
    exprs = tuple((name, -expression) for name, expression in outermost.exprs)
    return replace(program, schedule=replace(outermost, exprs=exprs))
