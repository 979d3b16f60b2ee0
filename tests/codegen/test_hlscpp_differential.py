"""The emitted C++ computes what the operation table and affine arithmetic say."""

from __future__ import annotations

import numpy as np
import pytest

from pom.ir.types import BoolType, FixedType, FloatType, IntType
from pom.runtime.gpp import WARNING_FLAGS, CompiledKernel
from tests.codegen.level3 import Straight, differences, parse, random_straight
from tests.codegen.nests import CAPACITY, random_nest


@pytest.mark.parametrize("seed", range(3))
def test_random_arithmetic(seed: int) -> None:
    """Random operations over random types, operators nested and shared."""
    kernel = random_straight(seed)
    compiled = CompiledKernel(parse(kernel.text()), flags=WARNING_FLAGS)
    wrong = differences(kernel, compiled(kernel.arguments()))
    assert not wrong, "\n".join(wrong) + compiled.source


@pytest.mark.parametrize("seed", range(10))
def test_random_nests(seed: int) -> None:
    """Bounds, steps, guards and subscripts with divisions of either sign."""
    nest = random_nest(seed)
    compiled = CompiledKernel(parse(nest.text), flags=WARNING_FLAGS)
    arguments = {f"O{k}": np.zeros(CAPACITY, np.int32) for k in range(3)}
    found = compiled({"N": np.array(0, np.int32), **arguments})
    count = len(nest.expected[0])
    assert int(found["N"]) == count, compiled.source
    for k in range(3):
        assert found[f"O{k}"][:count].tolist() == nest.expected[k], compiled.source


def test_every_conversion_that_the_headers_get_wrong() -> None:
    """The cases that `pom.ir.convert` lists, through the emitter."""
    kernel = Straight(6)
    small = [np.float32(v) for v in (-0.1, -0.5, -0.0, 0.4, -1.5, 2.5)]
    value = kernel.load(FloatType(32), small)
    wide_value = kernel.load(FloatType(32), [np.float32(v) for v in (1e30, -1e30, 3, 0, -7, 1)])
    fraction = kernel.load(FixedType(8, 0), [-64, -1, 0, 64, -128, 127])
    wide = kernel.load(IntType(100), [1 << 90, -(1 << 80) - 1, 3, -1, 0, (1 << 65) + 1])
    flag = kernel.load(BoolType(), [True, False, True, False, True, False])
    half = kernel.load(FloatType(16), [np.float16(v) for v in (-0.25, 1.5, -3.7, 0, 100, -100)])
    for source, target in (
        (value, IntType(8)),
        (value, FixedType(12, 4)),
        (wide_value, IntType(120)),
        (fraction, IntType(8)),
        (fraction, BoolType()),
        (wide, FloatType(32)),
        (wide, FloatType(64)),
        (flag, FloatType(16)),
        (flag, IntType(5)),
        (half, IntType(8)),
        (half, FixedType(10, 5)),
        (half, FloatType(64)),
    ):
        kernel.store(kernel.apply("cast", [source], target))
    compiled = CompiledKernel(parse(kernel.text()), flags=WARNING_FLAGS)
    wrong = differences(kernel, compiled(kernel.arguments()))
    assert not wrong, "\n".join(wrong) + compiled.source
