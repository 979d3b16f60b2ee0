"""Typing rules, evaluation and conversion agree with the ap_int and ap_fixed headers."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from pom.ir.convert import conversion_problem, convert, numpy_float, wrap_bits
from pom.ir.ops import OPS, TypeRuleError, operand_types, result_type
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType, f32, f64
from tests.ir.headers import Case, Outcome, cpp, evaluate

INTS = tuple(
    IntType(w, s)
    for w, s in [(1, False), (2, True), (3, True), (7, False), (8, True), (12, True), (16, False),
                 (33, True), (64, True), (64, False), (65, False), (70, True), (130, True)]
)  # fmt: skip
FIXEDS = tuple(
    FixedType(w, i, s)
    for w, i, s in [(8, 4, True), (8, 4, False), (12, -2, True), (10, 13, True), (16, 0, False),
                    (7, 7, True), (70, 30, True), (5, 8, False), (9, 1, False)]
)  # fmt: skip
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%", "and": "&", "or": "|", "xor": "^",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip


def sample(type: ScalarType, rng: random.Random) -> int:
    """Bits of an interesting value."""
    top = (1 << type.width) - 1
    if isinstance(type, FloatType):
        mantissa = {32: 23, 64: 52}[type.width]
        bias = {32: 127, 64: 1023}[type.width]
        exponent = bias + rng.choice([-70, -5, -2, -1, 0, 1, 3, 7, 20, 40, 90])
        return (
            rng.getrandbits(1) << (type.width - 1)
            | exponent << mantissa
            | rng.getrandbits(mantissa)
        )
    corners = [0, 1, top, top >> 1, (top >> 1) + 1, 2 & top, (top - 1) & top]
    return rng.choice([rng.choice(corners), rng.getrandbits(type.width), rng.getrandbits(3) & top])


def value_of(bits: int, type: ScalarType) -> object:
    if isinstance(type, FloatType):
        return np.array(bits, f"uint{type.width}").view(numpy_float(type))[()]
    if isinstance(type, BoolType):
        return bool(bits)
    return wrap_bits(bits, type.width, type.signed)


def bits_of(value: object, type: ScalarType) -> int:
    if isinstance(type, FloatType):
        return int(np.asarray(value).view(f"uint{type.width}"))
    return int(value) & ((1 << type.width) - 1)  # type: ignore[call-overload]


def expected(op: str, types: tuple[ScalarType, ...], operands: tuple[int, ...]) -> Outcome:
    result = result_type(op, types)
    values = [value_of(b, t) for b, t in zip(operands, types, strict=True)]
    value = OPS[op].evaluate(values, types, result)
    whole = result.integer_bits if isinstance(result, FixedType) else result.width
    return Outcome(result.width, whole, getattr(result, "signed", False), bits_of(value, result))


def _has_result(op: str, types: tuple[ScalarType, ...]) -> bool:
    try:
        result_type(op, types)
    except TypeRuleError:
        return False
    return True


def binary_cases(rng: random.Random) -> list[tuple[str, Case]]:
    cases = []
    for op, symbol in SYMBOLS.items():
        for family in (INTS, FIXEDS):
            if family is FIXEDS and op in ("mod", "and", "or", "xor"):
                continue
            pairs = [p for p in itertools.product(family, family) if _has_result(op, p)]
            for types in rng.sample(pairs, min(len(pairs), 5 if op in COMPARISONS else 10)):
                operands = []
                for _ in range(14):
                    a, b = (sample(t, rng) for t in types)
                    operands.append((a, b or 1) if op in ("div", "mod") else (a, b))
                a, b = operand_types(op, types)
                text = f"{cpp(a)}(a) {symbol} {cpp(b)}(b)"
                cases.append((op, Case(text, types, tuple(operands))))
    return cases


def shift_cases(rng: random.Random) -> list[tuple[str, Case]]:
    cases = []
    for op, symbol in (("shl", "<<"), ("shr", ">>")):
        for a in INTS:
            b = IntType(rng.choice([1, 4, 9]), False)
            operands = tuple((sample(a, rng), sample(b, rng)) for _ in range(14))
            cases.append((op, Case(f"a {symbol} b", (a, b), operands)))
    return cases


def unary_cases(rng: random.Random) -> list[tuple[str, Case]]:
    cases = []
    for op, symbol in (("neg", "-"), ("invert", "~")):
        for a in INTS + (FIXEDS if op == "neg" else ()):
            operands = tuple((sample(a, rng),) for _ in range(10))
            cases.append((op, Case(f"{symbol}a", (a,), operands)))
    return cases


def test_operations(tmp_path: Path) -> None:
    rng = random.Random(1)
    cases = binary_cases(rng) + shift_cases(rng) + unary_cases(rng)
    outcomes = evaluate([c for _, c in cases], tmp_path)
    wrong = [
        f"{op} {', '.join(map(str, case.types))}: {operands} -> {found}, expected {want}"
        for (op, case), results in zip(cases, outcomes, strict=True)
        for operands, found in zip(case.operands, results, strict=True)
        if found != (want := expected(op, case.types, operands))
    ]
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:60])


def cpp_conversion(source: ScalarType, target: ScalarType) -> str:
    """C++ for ``cast`` that avoids what the headers get wrong (see `pom.ir.convert`)."""
    name = cpp(target)
    match source, target:
        case FloatType(), IntType():
            wide = source.width == 32 and target.width > 105
            return f"{name}(std::trunc({'(double)' if wide else ''}a))"
        case IntType(width=w, signed=s), FloatType() if w > 64:
            return f"ap_{'' if s else 'u'}fixed<{w}, {w}>(a).to_{cpp(target)}()"
        case FixedType(signed=True), IntType() if source.integer_bits <= 0:
            return f"{name}(ap_fixed<{source.fraction_bits + 1}, 1>(a))"
    return f"{name}(a)"


def special_floats(type: FloatType) -> list[int]:
    values = [0.0, -0.0, -0.1, -0.5, 0.49, -0.9, 1.5, -1.5, 2.5, 1e9, -1e9, 1e18, -3e19, 1e30]
    values += [float("inf"), float("-inf"), float("nan"), 2.0**63, -(2.0**64), 1e-30, -1e-30]
    return [bits_of(numpy_float(type)(v), type) for v in values]


def test_conversions(tmp_path: Path) -> None:
    rng = random.Random(2)
    scalars: tuple[ScalarType, ...] = (*INTS, *FIXEDS)
    pairs = [(s, t) for t in scalars for s in rng.sample(scalars, 4)]
    pairs += [p for f in (f32, f64) for t in scalars for p in ((f, t), (t, f))]
    cases = []
    for source, target in pairs:
        if conversion_problem(source, target):
            continue
        operands = [sample(source, rng) for _ in range(16)]
        if isinstance(source, FloatType):
            operands += special_floats(source)
        text = cpp_conversion(source, target)
        cases.append((target, Case(text, (source,), tuple((b,) for b in operands))))
    wrong = []
    for (target, case), results in zip(
        cases, evaluate([c for _, c in cases], tmp_path), strict=True
    ):
        for (bits,), found in zip(case.operands, results, strict=True):
            value = value_of(bits, case.types[0])
            want = bits_of(convert(value, case.types[0], target), target)
            if found.bits != want:
                wrong.append(f"{case.types[0]} -> {target}: {value!r} -> {found.bits}, not {want}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:60])


@pytest.mark.parametrize(
    ("text", "types", "operand", "wrong"),
    [
        ("ap_int<8>(a)", (f32,), 0xBDCCCCCD, 1),  # -0.1f
        ("ap_int<8>(a)", (FixedType(8, 0),), 0xC0, 255),  # -0.25
    ],
)
def test_known_faults_of_the_headers(
    tmp_path: Path, text: str, types: tuple[ScalarType, ...], operand: int, wrong: int
) -> None:
    """What the generated C++ has to avoid; when these fail, the workarounds can go."""
    ((outcome,),) = evaluate([Case(text, types, ((operand,),))], tmp_path)
    assert outcome.bits == wrong
    assert convert(value_of(operand, types[0]), types[0], IntType(8)) == 0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (IntType(200), f32),
        (f32, FixedType(1000, 990)),
        (FixedType(200, 10), f32),
        (FixedType(1024, -100), f64),
    ],
)
def test_conversions_that_hardware_cannot_do(source: ScalarType, target: ScalarType) -> None:
    assert conversion_problem(source, target) is not None


@pytest.mark.parametrize("op", ["/", "%"])
def test_long_division_of_the_headers_is_wrong(tmp_path: Path, op: str) -> None:
    """Why dividends above 64 bits are refused."""
    type = IntType(112, False)
    a, b = 295147905179352825855 << 40, 590295810358705651711
    ((outcome,),) = evaluate([Case(f"a {op} b", (type, type), ((a, b),))], tmp_path)
    assert outcome.bits != (a // b if op == "/" else a % b)
    for name in ("div", "mod"):
        with pytest.raises(TypeRuleError, match="dividend of 112 bits"):
            result_type(name, (type, type))
    fixed = FixedType(48, 24)
    with pytest.raises(TypeRuleError, match="dividend of 72 bits"):
        result_type("div", (fixed, fixed))


@pytest.mark.parametrize(
    ("op", "types"),
    [
        ("add", (IntType(8), FixedType(8, 4))),
        ("add", (f32, f64)),
        ("add", (BoolType(), BoolType())),
        ("mul", (IntType(600), IntType(600))),
        ("mul", (FixedType(600, 3), FixedType(600, 3))),
        ("mod", (f32, f32)),
        ("and", (f32, f32)),
        ("shl", (IntType(8), IntType(3))),
        ("shr", (IntType(8), IntType(32, False))),
        ("select", (IntType(8), f32, f32)),
        ("sqrt", (IntType(8),)),
        ("sqrt", (FixedType(4, 40),)),
        ("sqrt", (FixedType(1000, 10),)),
        ("exp", (FixedType(8, 4),)),
        ("cast", (IntType(8),)),
    ],
)
def test_refused_types(op: str, types: tuple[ScalarType, ...]) -> None:
    with pytest.raises(TypeRuleError):
        result_type(op, types)
