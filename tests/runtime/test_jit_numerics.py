"""Every operation on every kind of type: the JIT gives the bits of the reference semantics."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from mlir import ir

from pom.ir.convert import conversion_problem
from pom.ir.ops import OPS, TypeRuleError, result_type
from pom.ir.types import (
    ArrayType,
    BoolType,
    FixedType,
    FloatType,
    IntType,
    ScalarType,
    f16,
    f32,
    f64,
)
from pom.runtime.arrays import from_values, to_values
from pom.runtime.inputs import edge_values, random_values
from pom.runtime.jit import JitFunction
from tests.runtime.level3 import context, elementwise

SIZE = 48
INTS = (
    IntType(1, False), IntType(3), IntType(7, False), IntType(8), IntType(24), IntType(32),
    IntType(33, False), IntType(64), IntType(64, False), IntType(70), IntType(129, False),
    IntType(200),
)  # fmt: skip
FIXEDS = (
    FixedType(8, 4), FixedType(8, 4, False), FixedType(12, -2), FixedType(10, 13),
    FixedType(16, 0, False), FixedType(70, 30), FixedType(100, 10, False), FixedType(5, 8, False),
)  # fmt: skip
FLOATS = (f16, f32, f64)
SHARED = ir.Context()
SHARED.allow_unregistered_dialects = True


def values(type: ScalarType, rng: np.random.Generator) -> list[object]:
    edges = edge_values(type)
    picked = [edges[k] for k in rng.integers(0, len(edges), SIZE // 2)]
    return picked + random_values(type, SIZE - len(picked), rng)


def same(found: object, wanted: object) -> bool:
    if isinstance(wanted, np.floating):
        if np.isnan(wanted):
            return bool(np.isnan(found))  # type: ignore[call-overload]
        return found == wanted and np.signbit(found) == np.signbit(wanted)  # type: ignore[call-overload]
    return found == wanted


def check(op: str, types: tuple[ScalarType, ...], result: ScalarType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = [values(t, rng) for t in types]
    if op in ("div", "mod") and not isinstance(types[-1], FloatType):
        columns[1] = [v or 1 for v in columns[1]]
    arguments = {
        f"x{k}": from_values(c, ArrayType(t, (SIZE,)))
        for k, (c, t) in enumerate(zip(columns, types, strict=True))
    }
    module = ir.Module.parse(elementwise(op, types, result, SIZE), SHARED)
    found = to_values(JitFunction(module, "f")(arguments)["y"], result)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        wanted = [OPS[op].evaluate(row, types, result) for row in zip(*columns, strict=True)]
    wrong = [
        f"{op} {', '.join(map(str, types))} -> {result}: {row} -> {f!r}, not {w!r}"
        for row, f, w in zip(zip(*columns, strict=True), found, wanted, strict=True)
        if not same(f, w)
    ]
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:10])


INTEGER_OPS = [
    "add", "sub", "mul", "div", "mod", "min", "max", "lt", "le", "gt", "ge", "eq", "ne", "and",
    "or", "xor", "select", "neg", "abs", "invert", "shl", "shr",
]  # fmt: skip
FLOAT_OPS = [n for n in OPS if n not in ("mod", "and", "or", "xor", "shl", "shr", "invert", "cast")]


def operand_choices(
    op: str, family: tuple[ScalarType, ...], rng: random.Random
) -> tuple[ScalarType, ...]:
    if op == "select":
        return (BoolType(), rng.choice(family), rng.choice(family))
    if op in ("shl", "shr"):
        return (rng.choice(family), IntType(rng.choice([1, 4, 9]), False))
    return tuple(rng.choice(family) for _ in range(OPS[op].arity))


@pytest.mark.parametrize("family", [INTS, FIXEDS], ids=["int", "fixed"])
@pytest.mark.parametrize("op", INTEGER_OPS)
def test_integer_and_fixed_operations(op: str, family: tuple[ScalarType, ...]) -> None:
    rng = random.Random(op)
    done = 0
    for attempt in range(5):
        types = operand_choices(op, family, rng)
        try:
            result = result_type(op, types)
        except TypeRuleError:
            continue
        check(op, types, result, attempt)
        done += 1
    assert done or family is FIXEDS


@pytest.mark.parametrize("type", [t for t in FIXEDS if t.width > 1], ids=str)
def test_roots_of_fixed_point(type: FixedType) -> None:
    if type.fraction_bits - (type.signed - type.integer_bits) // 2 < 1:
        with pytest.raises(TypeRuleError, match="no bits"):
            result_type("sqrt", (type,))
        return
    check("sqrt", (type,), result_type("sqrt", (type,)), 11)


@pytest.mark.parametrize("type", FLOATS, ids=str)
@pytest.mark.parametrize("op", FLOAT_OPS)
def test_float_operations(op: str, type: FloatType) -> None:
    types: tuple[ScalarType, ...] = (type,) * OPS[op].arity
    if op == "select":
        types = (BoolType(), type, type)
    check(op, types, result_type(op, types), 7)


SCALARS: tuple[ScalarType, ...] = (*INTS, *FIXEDS, *FLOATS, BoolType())


@pytest.mark.parametrize("target", SCALARS, ids=str)
def test_casts(target: ScalarType) -> None:
    rng = random.Random(str(target))
    sources = [s for s in SCALARS if s != target and conversion_problem(s, target) is None]
    chosen = {*rng.sample(sources, 5), *(s for s in FLOATS if s in sources)}
    for source in sorted(chosen, key=str):
        check("cast", (source,), target, 3)


def test_every_operation_is_covered() -> None:
    assert set(OPS) == {*INTEGER_OPS, *FLOAT_OPS, "cast"}


def test_context_is_not_kept_by_a_module() -> None:
    text = elementwise("add", (f32, f32), f32, SIZE)
    made = JitFunction(ir.Module.parse(text, context()), "f")
    ones = np.ones(SIZE, np.float32)
    assert (made({"x0": ones, "x1": ones})["y"] == 2).all()
