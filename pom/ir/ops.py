"""Every operation of the DSL in one table: typing rule, reference semantics, level 3, C++.

To add an operation, add one entry to `OPS`; the DSL function ``pom.<name>``, the reference, the
float lowering and the C++ follow from it. An operation on integers or fixed point also needs its
expansion into ``arith`` in `pom.passes.affine_expand_numeric`.

Reference values: floats are ``numpy.float16/32/64`` scalars, integers and bools are Python ints
and bools, a fixed-point value is its raw integer (value times ``2**fraction_bits``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pom.ir.types import MAX_WIDTH, BoolType, FixedType, FloatType, IntType, ScalarType

Value = Any
TypeRule = Callable[[Sequence[ScalarType]], ScalarType]
Evaluate = Callable[[Sequence[Value], Sequence[ScalarType], ScalarType], Value]


class TypeRuleError(ValueError):
    """Operand types that an operation does not take. The text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class OpSpec:
    """One operation.

    Parameters
    ----------
    name : str
        Name in the IR and, for functions, in the DSL.
    arity : int
    rule : callable
        Operand types to result type; raises `TypeRuleError`.
    evaluate : callable
        ``(values, operand_types, result_type) -> value``: the reference semantics.
    float_op : str, optional
        Level-3 operation on floats (``arith.addf``, ``math.exp``); None where level 3 composes it.
    cpp : str
        C++ with ``{0}``, ``{1}`` for the operands.
    precedence : int
        C++ precedence of the result (higher binds tighter); 16 is a primary expression.
    is_function : bool
        Exposed as ``pom.<name>``.
    associative : bool
        Associative and commutative on exact arithmetic: a reduction with it may be reordered.
    summary : str
    """

    name: str
    arity: int
    rule: TypeRule
    evaluate: Evaluate
    cpp: str
    precedence: int = 16
    float_op: str | None = None
    is_function: bool = False
    associative: bool = False
    summary: str = ""


def wrap(value: int, type: IntType | FixedType) -> int:
    """The bits of `value` that `type` keeps (two's complement), as a value of `type`."""
    value &= (1 << type.width) - 1
    if type.signed and value >> (type.width - 1):
        value -= 1 << type.width
    return value


def truncated_quotient(a: int, b: int) -> int:
    """C's integer division: towards zero."""
    if b == 0:
        raise ZeroDivisionError
    quotient = abs(a) // abs(b)
    return -quotient if (a < 0) != (b < 0) else quotient


def _integral(width: int, signed: bool) -> IntType:
    if width > MAX_WIDTH:
        raise TypeRuleError(f"the result would need {width} bits, more than {MAX_WIDTH}")
    return IntType(width, signed)


def _fixed(width: int, integer_bits: int, signed: bool) -> FixedType:
    if width > MAX_WIDTH:
        raise TypeRuleError(f"the result would need {width} bits, more than {MAX_WIDTH}")
    return FixedType(width, integer_bits, signed)


def _same_kind(types: Sequence[ScalarType], what: str) -> type:
    kinds = {type(t) for t in types}
    if len(kinds) > 1:
        listed = " and ".join(str(t) for t in types)
        raise TypeRuleError(f"{what} of {listed}: convert one of them with pom.cast")
    kind = kinds.pop()
    if kind is FloatType and len(set(types)) > 1:
        listed = " and ".join(str(t) for t in types)
        raise TypeRuleError(f"{what} of {listed}: convert one of them with pom.cast")
    return kind


def common_type(types: Sequence[ScalarType]) -> ScalarType:
    """The narrowest type that holds every value of `types` exactly."""
    kind = _same_kind(types, "the common type")
    if kind is IntType or kind is FixedType:
        signed = any(t.signed for t in types)  # type: ignore[union-attr]
        whole = max(_whole_bits(t) + (signed and not t.signed) for t in types)  # type: ignore[union-attr]
        if kind is IntType:
            return _integral(whole, signed)
        fraction = max(t.fraction_bits for t in types)  # type: ignore[union-attr]
        return _fixed(whole + fraction, whole, signed)
    return types[0]


def _whole_bits(t: ScalarType) -> int:
    return t.integer_bits if isinstance(t, FixedType) else t.width


def _no_bool(kind: type, what: str) -> None:
    if kind is BoolType:
        raise TypeRuleError(f"{what} of bool: convert to an integer with pom.cast first")


def _one_signedness(types: Sequence[ScalarType]) -> Sequence[ScalarType]:
    """`types`, or their common type for each where integers or fixed point differ in sign.

    ``ap_int`` and ``ap_fixed`` divide and compare raw bits: with one signed and one unsigned
    operand the headers give wrong numbers, so both operands are converted first.
    """
    if len({t.signed for t in types if isinstance(t, (IntType, FixedType))}) < 2:
        return types
    return [common_type(types)] * len(types)


def _division_operands(types: Sequence[ScalarType]) -> Sequence[ScalarType]:
    """Operands of one signedness; a signed fixed-point dividend has a bit to spare.

    Without it, the headers' quotient of the least value and minus one overflows.
    """
    a, b = _one_signedness(types)
    if isinstance(a, FixedType) and a.signed:
        a = _fixed(a.width + 1, a.integer_bits + 1, True)
    return a, b


_DIVIDEND_BITS = 64
"""Widest dividend: above, the headers' long division gives wrong digits (it loses a borrow)."""


def _check_dividend(what: str, bits: int) -> None:
    if bits > _DIVIDEND_BITS:
        raise TypeRuleError(
            f"{what} needs a dividend of {bits} bits, and the simulation headers divide no more "
            f"than {_DIVIDEND_BITS} correctly: cast the operands to fewer bits"
        )


def operand_types(op: str, types: Sequence[ScalarType]) -> Sequence[ScalarType]:
    """The types that the operands of `op` are converted to, exactly, before it is applied.

    C++ has to write these conversions; they change no value. For ``select`` the first is bool.
    """
    match op:
        case "div":
            return _division_operands(types)
        case "mod" | "lt" | "le" | "gt" | "ge" | "eq" | "ne":
            return _one_signedness(types)
        case "min" | "max":
            return [common_type(types)] * 2
        case "select":
            return [types[0], *[common_type(types[1:])] * 2]
    return types


def _sum_rule(what: str, always_signed: bool) -> TypeRule:
    def rule(types: Sequence[ScalarType]) -> ScalarType:
        kind = _same_kind(types, what)
        _no_bool(kind, what)
        if kind is FloatType:
            return types[0]
        common = common_type(types)
        signed = always_signed or common.signed  # type: ignore[union-attr]
        if isinstance(common, FixedType):
            return _fixed(common.width + 1, common.integer_bits + 1, signed)
        return _integral(common.width + 1, signed)

    return rule


def _product_rule(types: Sequence[ScalarType]) -> ScalarType:
    kind = _same_kind(types, "the product")
    _no_bool(kind, "the product")
    a, b = types
    if isinstance(a, IntType) and isinstance(b, IntType):
        return _integral(a.width + b.width, a.signed or b.signed)
    if isinstance(a, FixedType) and isinstance(b, FixedType):
        return _fixed(a.width + b.width, a.integer_bits + b.integer_bits, a.signed or b.signed)
    return a


def _quotient_rule(types: Sequence[ScalarType]) -> ScalarType:
    kind = _same_kind(types, "the quotient")
    _no_bool(kind, "the quotient")
    raw = types[0]
    a, b = _division_operands(types)
    if isinstance(raw, IntType):
        _check_dividend(f"the quotient of {raw} and {types[1]}", raw.width)
    if isinstance(raw, FixedType) and isinstance(a, FixedType) and isinstance(b, FixedType):
        shift = a.fraction_bits - raw.fraction_bits + max(b.fraction_bits, 0)
        _check_dividend(f"the quotient of {raw} and {types[1]}", raw.width + shift)
    if isinstance(a, IntType) and isinstance(b, IntType):
        return _integral(a.width + b.signed, a.signed or b.signed)
    if isinstance(a, FixedType) and isinstance(b, FixedType):
        fraction = b.fraction_bits
        width = b.signed + a.width + max(fraction, 0)
        return _fixed(width, b.signed + a.integer_bits + fraction, a.signed or b.signed)
    return a


def _remainder_rule(types: Sequence[ScalarType]) -> ScalarType:
    a, b = types
    if not (isinstance(a, IntType) and isinstance(b, IntType)):
        raise TypeRuleError(f"the remainder of {a} and {b}: only integers have one")
    _check_dividend(f"the remainder of {a} and {b}", a.width)
    first, second = _one_signedness(types)
    return _integral(min(first.width, second.width), a.signed or b.signed)


def _negation_rule(types: Sequence[ScalarType]) -> ScalarType:
    (a,) = types
    _no_bool(type(a), "the negation")
    if isinstance(a, IntType):
        return _integral(a.width + 1, True)
    if isinstance(a, FixedType):
        return _fixed(a.width + 1, a.integer_bits + 1, True)
    return a


def _magnitude_rule(types: Sequence[ScalarType]) -> ScalarType:
    (a,) = types
    _no_bool(type(a), "the absolute value")
    unsigned = isinstance(a, (IntType, FixedType)) and not a.signed
    return a if unsigned or isinstance(a, FloatType) else _negation_rule(types)


def _extremum_rule(types: Sequence[ScalarType]) -> ScalarType:
    _no_bool(_same_kind(types, "the extremum"), "the extremum")
    return common_type(types)


def _comparison_rule(types: Sequence[ScalarType]) -> ScalarType:
    _same_kind(types, "the comparison")
    common_type(types)
    return BoolType()


def _bitwise_rule(types: Sequence[ScalarType]) -> ScalarType:
    kind = _same_kind(types, "the bitwise operation")
    if kind not in (IntType, BoolType):
        raise TypeRuleError(f"a bitwise operation on {types[0]}: only integers and bool have one")
    return common_type(types)


def _shift_rule(types: Sequence[ScalarType]) -> ScalarType:
    a, b = types
    if not isinstance(a, IntType) or not isinstance(b, IntType) or b.signed:
        raise TypeRuleError(f"a shift of {a} by {b}: an integer by an unsigned integer is allowed")
    if b.width > 31:  # the headers look at the low 32 bits of the amount only
        raise TypeRuleError(f"a shift by {b}: an amount has at most 31 bits, cast it with pom.cast")
    return a


def _select_rule(types: Sequence[ScalarType]) -> ScalarType:
    if not isinstance(types[0], BoolType):
        raise TypeRuleError(f"the condition of select is {types[0]}, not bool: compare it first")
    return common_type(types[1:])


def _float_rule(types: Sequence[ScalarType]) -> ScalarType:
    _same_kind(types, "the function")
    if not isinstance(types[0], FloatType):
        raise TypeRuleError(f"a function of {types[0]}: only floats have it, cast with pom.cast")
    return types[0]


def _root_rule(types: Sequence[ScalarType]) -> ScalarType:
    """A root keeps its operand's fraction bits and needs half its integer bits."""
    (a,) = types
    if isinstance(a, (IntType, BoolType)):
        raise TypeRuleError(f"a root of {a}: only floats and fixed point have one, use pom.cast")
    if not isinstance(a, FixedType):
        return _float_rule(types)
    whole = -(-(a.integer_bits - a.signed) // 2)
    if whole + a.fraction_bits < 1:
        raise TypeRuleError(f"the root of {a} has no bits: cast it to more fraction bits")
    _fixed(2 * (whole + a.fraction_bits) + 1, whole, True)  # C++ extends the operand to this
    return _fixed(whole + a.fraction_bits, whole, False)


def _cast_rule(types: Sequence[ScalarType]) -> ScalarType:
    raise TypeRuleError("the result of cast is given, not derived")


def _aligned(values: Sequence[Value], types: Sequence[ScalarType]) -> list[Value]:
    """Fixed-point raws shifted to the same number of fraction bits; other values as they are."""
    if not isinstance(types[0], FixedType):
        return list(values)
    fraction = max(t.fraction_bits for t in types)  # type: ignore[union-attr]
    return [v << (fraction - t.fraction_bits) for v, t in zip(values, types, strict=True)]  # type: ignore[union-attr]


def _exact(compute: Callable[..., Value]) -> Evaluate:
    return lambda values, types, result: compute(*_aligned(values, types))


def _plain(compute: Callable[..., Value]) -> Evaluate:
    return lambda values, types, result: compute(*values)


def _divide(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    a, b = values
    if isinstance(result, FloatType):
        return a / b
    if isinstance(result, FixedType):
        a, b = _aligned(values, types) if types[0].signed != types[1].signed else values  # type: ignore[union-attr]
        a <<= max(_division_operands(types)[1].fraction_bits, 0)  # type: ignore[union-attr]
    return wrap(truncated_quotient(a, b), result)  # type: ignore[arg-type]


def _remainder(a: int, b: int) -> int:
    return a - b * truncated_quotient(a, b)


def _negate(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    return -values[0]


def _magnitude(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    return abs(values[0])


def _select(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    a, b = _aligned(values[1:], types[1:])
    return a if values[0] else b


def _bitwise(compute: Callable[[int, int], int]) -> Evaluate:
    def evaluate(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
        if isinstance(result, BoolType):
            return bool(compute(bool(values[0]), bool(values[1])))
        return wrap(compute(values[0], values[1]), result)  # type: ignore[arg-type]

    return evaluate


def _invert(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    return (not values[0]) if isinstance(result, BoolType) else wrap(~values[0], result)  # type: ignore[arg-type]


def _shift_left(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    width = result.width
    return wrap(values[0] << values[1], result) if values[1] < width else 0  # type: ignore[arg-type]


def _libm(name: str) -> Evaluate:
    """The C library's function, which is what the JIT and the compiled C++ call too."""

    def evaluate(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
        from pom.ir.libm import call

        return call(name, values, result)  # type: ignore[arg-type]

    return evaluate


def _root(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    """The largest value of the type whose square is not above the operand; zero below zero."""
    if isinstance(result, FloatType):
        return _libm("sqrt")(values, types, result)
    shift = result.fraction_bits  # type: ignore[union-attr]
    raw = max(values[0], 0)
    return math.isqrt(raw << shift if shift >= 0 else raw >> -shift)


def _cast(values: Sequence[Value], types: Sequence[ScalarType], result: ScalarType) -> Value:
    from pom.ir.convert import convert

    return convert(values[0], types[0], result)


def _infix(
    name: str, symbol: str, precedence: int, rule: TypeRule, evaluate: Evaluate, **kw: Any
) -> OpSpec:
    return OpSpec(name, 2, rule, evaluate, f"{{0}} {symbol} {{1}}", precedence, **kw)


def _math(name: str, arity: int = 1, mlir: str | None = None) -> OpSpec:
    args = ", ".join(f"{{{k}}}" for k in range(arity))
    return OpSpec(
        name,
        arity,
        _float_rule,
        _libm(name),
        f"std::{name}({args})",
        float_op=mlir or f"math.{name}",
        is_function=True,
        summary=f"{name} as the C library computes it",
    )


_COMPARISONS = (
    ("lt", "<", 9, lambda a, b: a < b),
    ("le", "<=", 9, lambda a, b: a <= b),
    ("gt", ">", 9, lambda a, b: a > b),
    ("ge", ">=", 9, lambda a, b: a >= b),
    ("eq", "==", 8, lambda a, b: a == b),
    ("ne", "!=", 8, lambda a, b: a != b),
)

_SPECS: tuple[OpSpec, ...] = (
    _infix("add", "+", 12, _sum_rule("the sum", False), _exact(lambda a, b: a + b), float_op="arith.addf", associative=True),
    _infix("sub", "-", 12, _sum_rule("the difference", True), _exact(lambda a, b: a - b), float_op="arith.subf"),
    _infix("mul", "*", 13, _product_rule, _plain(lambda a, b: a * b), float_op="arith.mulf", associative=True),
    _infix("div", "/", 13, _quotient_rule, _divide, float_op="arith.divf"),
    _infix("mod", "%", 13, _remainder_rule, _plain(_remainder)),
    OpSpec("neg", 1, _negation_rule, _negate, "-{0}", 15, float_op="arith.negf"),
    OpSpec("abs", 1, _magnitude_rule, _magnitude, "std::abs({0})", float_op="math.absf", is_function=True, summary="absolute value"),
    OpSpec("min", 2, _extremum_rule, _exact(lambda a, b: b if b < a else a), "std::min({0}, {1})", is_function=True, associative=True, summary="the smaller of two, the first where they compare equal or unordered"),
    OpSpec("max", 2, _extremum_rule, _exact(lambda a, b: b if a < b else a), "std::max({0}, {1})", is_function=True, associative=True, summary="the larger of two, the first where they compare equal or unordered"),
    *(_infix(n, s, p, _comparison_rule, _exact(lambda a, b, f=f: bool(f(a, b)))) for n, s, p, f in _COMPARISONS),
    _infix("and", "&", 7, _bitwise_rule, _bitwise(lambda a, b: a & b), associative=True),
    _infix("xor", "^", 6, _bitwise_rule, _bitwise(lambda a, b: a ^ b), associative=True),
    _infix("or", "|", 5, _bitwise_rule, _bitwise(lambda a, b: a | b), associative=True),
    OpSpec("invert", 1, lambda t: _bitwise_rule([t[0], t[0]]), _invert, "~{0}", 15),
    _infix("shl", "<<", 11, _shift_rule, _shift_left),
    _infix("shr", ">>", 11, _shift_rule, _plain(lambda a, b: a >> b)),
    OpSpec("select", 3, _select_rule, _select, "{0} ? {1} : {2}", 3, is_function=True, summary="the second where the first holds, else the third; both are evaluated"),
    OpSpec("cast", 1, _cast_rule, _cast, "({type})({0})"),
    replace(_math("sqrt"), rule=_root_rule, evaluate=_root, summary="the square root: of a float as the C library computes it, of fixed point rounded down to the operand's fraction bits, and zero of negative values"),
    *(_math(n) for n in ("exp", "exp2", "log", "log2", "log10", "sin", "cos", "tan", "tanh", "floor", "ceil")),
    _math("pow", 2, "math.powf"),
)  # fmt: skip

OPS: dict[str, OpSpec] = {spec.name: spec for spec in _SPECS}
"""Every operation by name."""


def result_type(op: str, types: Sequence[ScalarType]) -> ScalarType:
    """The type of ``op`` applied to operands of `types`.

    Raises
    ------
    TypeRuleError
        The operation does not take these types.
    """
    return OPS[op].rule(types)
