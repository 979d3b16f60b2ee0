"""Expressions of the generated C++: text, precedence and the exact C++ type.

`ap_int` and `ap_fixed` operators give results wide enough to be exact, which is what
`pom.ir.ops` says too. Three things differ and are handled here:

- comparison and division need operands of one signedness, and a fixed-point dividend a spare bit,
  so operands are first converted as `pom.ir.ops.operand_types` says;
- conversions between floats and ``ap_`` types go the ways that `pom.ir.convert` found right;
- a bare literal or loop variable is an ``int``, whose own arithmetic overflows, so at least one
  operand of every operation is an ``ap_`` value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pom.codegen.hlscpp_helpers import FIXED_ROOT
from pom.codegen.hlscpp_types import (
    cpp_type,
    fixed_literal,
    float_literal,
    integer_literal,
    native_literal,
)
from pom.codegen.hlscpp_types import is_native as fits_native
from pom.errors import PomError
from pom.ir.convert import wrap_bits
from pom.ir.ops import OPS, OpSpec, operand_types
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType

PRIMARY, UNARY, TERNARY = 16, 15, 3
_PARENTHESISED = frozenset({3, 5, 6, 7, 8, 9, 11})
"""Operators whose compound operands get parentheses even where C++ needs none (gcc warns)."""


@dataclass(frozen=True, slots=True)
class Cpp:
    """A C++ expression.

    Parameters
    ----------
    text : str
    precedence : int
        As in `pom.ir.ops`.
    type : ScalarType
        The type whose value the expression has.
    is_native : bool
        A literal or loop variable: C++ sees ``int`` (or ``long long``), the value is the same.
    is_tight : bool
        C++ sees exactly `type`; else it may see a wider type with the same value.
    reads : frozenset of str
        C++ names of the arrays read.
    stripped : Cpp, optional
        For a cast between ``ap_`` types: the operand, which an assignment converts by itself.
    update : (str, str, Cpp), optional
        Place, operator and operand of ``place op operand`` where it may become ``place op= …``.
    is_literal : bool
    is_place : bool
        An array element, which can be assigned to.
    """

    text: str
    precedence: int
    type: ScalarType
    is_native: bool = False
    is_tight: bool = True
    reads: frozenset[str] = frozenset()
    stripped: Cpp | None = None
    update: tuple[str, str, Cpp] | None = None
    is_literal: bool = False
    is_place: bool = False


def literal(value: bool | int | float, type: ScalarType) -> Cpp:
    """A constant of `type`; of an integer or fixed-point number `value` has the bits."""
    match type:
        case BoolType():
            return Cpp("true" if value else "false", PRIMARY, type, is_literal=True)
        case FloatType(width=w):
            text = float_literal(float(value), w)
            return Cpp(text, UNARY if text[0] == "-" else PRIMARY, type, is_literal=True)
        case IntType():
            value = wrap_bits(int(value), type.width, type.signed)
            if not fits_native(value):
                return Cpp(integer_literal(value, type), PRIMARY, type, is_literal=True)
            text = native_literal(value)
            precedence = UNARY if value < 0 and text[0] == "-" else PRIMARY
            return Cpp(text, precedence, type, is_native=True, is_tight=False, is_literal=True)
        case FixedType():
            raw = wrap_bits(int(value), type.width, type.signed)
            return Cpp(fixed_literal(raw, type), PRIMARY, type, is_literal=True)


def tight(e: Cpp) -> Cpp:
    """`e` with the C++ type that its type names."""
    return e if e.is_tight else converted(e, e.type)


def converted(e: Cpp, type: ScalarType) -> Cpp:
    """`e` explicitly converted to the C++ type of `type`."""
    inner = e.stripped if e.stripped is not None and e.stripped.type == type else e
    return Cpp(f"{cpp_type(type)}({inner.text})", PRIMARY, type, reads=e.reads)


def parenthesised(e: Cpp, needed: int, is_strict: bool = False) -> str:
    """The text of an operand of an operator of precedence `needed`."""
    bare = e.precedence > needed if is_strict else e.precedence >= needed
    if needed in _PARENTHESISED and e.precedence < UNARY:
        bare = needed in (8, 9) and e.precedence > 9
    return e.text if bare else f"({e.text})"


def render(spec: OpSpec, operands: Sequence[Cpp], type: ScalarType) -> Cpp:
    """The table's C++ for an operation, with the parentheses that it needs and no others."""
    if spec.precedence >= PRIMARY:
        texts = [e.text for e in operands]
    else:
        texts = [parenthesised(e, spec.precedence, k > 0) for k, e in enumerate(operands)]
    if spec.precedence == UNARY and texts[0][0] == "-":
        texts[0] = f"({texts[0]})"
    return Cpp(
        spec.cpp.format(*texts),
        spec.precedence,
        type,
        is_tight=all(e.is_tight for e in operands),
        reads=_reads(operands),
    )


def _reads(operands: Sequence[Cpp]) -> frozenset[str]:
    return frozenset().union(*(e.reads for e in operands))


def apply(op: str, operands: Sequence[Cpp], type: ScalarType) -> Cpp:
    """An operation of `pom.ir.ops` on operands in C++. Total over the operation table."""
    build = _RULES.get(op, _function if OPS[op].float_op else None)
    if build is None:
        raise PomError("POM-C001", f"no C++ is known for the operation {op}")
    result = build(op, list(operands), type)
    return replace(result, update=_update(op, operands, type, result))


def _update(
    op: str, operands: Sequence[Cpp], type: ScalarType, result: Cpp
) -> tuple[str, str, Cpp] | None:
    """``place op operand``, where ``place op= operand`` computes the same."""
    is_float = isinstance(type, FloatType)
    if op not in ("add", "sub", "mul", "div") or (op == "div" and not is_float):
        return None
    place, operand = operands
    if not place.is_place:
        return None
    return place.text, OPS[op].cpp.split()[1], operand


def _arithmetic(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    """Sums, products and bitwise operations: exact on ap_ types of any mixture."""
    if isinstance(type, BoolType):
        return _logical(op, operands, type)
    if all(e.is_native for e in operands):
        operands[0] = tight(operands[0])
    return render(OPS[op], operands, type)


def _logical(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    symbol, precedence = {"and": ("&&", 4), "or": ("||", 3), "xor": ("!=", 8)}[op]
    # gcc warns of && inside || without parentheses: any compound operand but a comparison has them.
    texts = [
        e.text if e.precedence >= UNARY or (e.precedence > 7 and precedence < 8) else f"({e.text})"
        for e in operands
    ]
    return Cpp(f" {symbol} ".join(texts), precedence, type, reads=_reads(operands))


def _reconciled(op: str, operands: list[Cpp]) -> list[Cpp]:
    """Operands converted as `pom.ir.ops.operand_types` asks, literals written to suit the other."""
    if isinstance(operands[0].type, (FloatType, BoolType)):
        return operands
    if all(e.is_native for e in operands):
        operands = [tight(operands[0]), operands[1]]
    literals = [e for e in operands if e.is_native and e.is_literal]
    if literals and not isinstance(literals[0].type, FixedType):
        other = next(e for e in operands if e is not literals[0])
        if other.type.signed or not literals[0].text.startswith(("-", "(")):  # type: ignore[union-attr]
            suffix = "" if other.type.signed else "u"  # type: ignore[union-attr]
            return [
                replace(e, text=e.text + suffix) if e in literals else tight(e) for e in operands
            ]
    wanted = operand_types(op, [e.type for e in operands])
    return [
        e if e.type == type and e.is_tight else converted(e, type)
        for e, type in zip(operands, wanted, strict=True)
    ]


def _comparison(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    return replace(render(OPS[op], _reconciled(op, operands), type), is_tight=True)


def _quotient(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    return render(OPS[op], _reconciled(op, operands), type)


def _negation(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    if isinstance(type, (IntType, FixedType)):
        operands = [tight(operands[0])]
    return render(OPS[op], operands, type)


def _magnitude(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    (a,) = operands
    if isinstance(type, FloatType):
        return _function(op, operands, type)
    if a.type == type:
        return a
    a = tight(a)
    negative = converted(render(OPS["neg"], [a], type), type)
    same = converted(a, type)
    return Cpp(
        f"{parenthesised(a, 9)} < 0 ? {negative.text} : {same.text}", TERNARY, type, reads=a.reads
    )


def _root(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    """Of fixed point by a function that the file defines: the headers have none that is exact."""
    if not isinstance(type, FixedType):
        return _function(op, operands, type)
    text = f"{FIXED_ROOT}<{type.width}, {type.integer_bits}>({operands[0].text})"
    return Cpp(text, PRIMARY, type, reads=_reads(operands))


def _extremum(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    plain = all(e.type == type and e.is_tight for e in operands)
    result = render(OPS[op], operands, type)
    text = result.text if plain else result.text.replace("(", f"<{cpp_type(type)}>(", 1)
    return replace(result, text=text, is_tight=True)


def _select(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    condition, *arms = operands
    if not isinstance(type, (FloatType, BoolType)):
        arms = [e if e.type == type and e.is_tight else converted(e, type) for e in arms]
    texts = [parenthesised(e, TERNARY, True) if e.precedence <= TERNARY else e.text for e in arms]
    head = condition.text if condition.precedence > 4 else f"({condition.text})"
    return Cpp(f"{head} ? {texts[0]} : {texts[1]}", TERNARY, type, reads=_reads(operands))


def _shift(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    value, amount = tight(operands[0]), operands[1]
    if not amount.is_literal and isinstance(amount.type, IntType) and amount.type.width > 32:
        raise PomError(
            "POM-C007",
            f"a shift by {amount.type}: the headers read 32 bits of the amount",
            hint="cast the amount to uint32",
        )
    return render(OPS[op], [value, amount if amount.is_literal else tight(amount)], type)


def _complement(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    if isinstance(type, BoolType):
        return Cpp(f"!{parenthesised(operands[0], UNARY)}", UNARY, type, reads=operands[0].reads)
    return render(OPS[op], [tight(operands[0])], type)


def _function(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    """A call; ``half`` has no overloads of its own that every release declares."""
    spec = OPS[op]
    if type == FloatType(16) and spec.precedence == PRIMARY:
        as_float = [
            Cpp(f"float({e.text})", PRIMARY, FloatType(32), reads=e.reads) for e in operands
        ]
        return converted(render(spec, as_float, FloatType(32)), type)
    return render(spec, operands, type)


def _cast(op: str, operands: list[Cpp], type: ScalarType) -> Cpp:
    (e,) = operands
    source = e.type
    if source == type:
        return e
    match source, type:
        case FloatType(), BoolType():
            return apply("ne", [e, literal(0.0, source)], type)
        case _, BoolType():
            e = tight(e)
            return Cpp(f"{parenthesised(e, 8)} != 0", 8, type, reads=e.reads)
        case FixedType(signed=True), IntType() if source.integer_bits < 1:
            # The headers take the sign from bit zero of the integer part, so there must be one.
            one = FixedType(source.width + 1 - source.integer_bits, 1)
            return converted(converted(e, one), type)
        case (IntType(), IntType()) | (FixedType(), FixedType()):
            return replace(converted(e, type), stripped=e)
        case ((IntType() | FixedType()), FloatType()):
            return _to_float(e, type)
        case FloatType(), (IntType() | FixedType()):
            return _from_float(e, type)
        case BoolType(), FloatType(width=16):
            return converted(converted(e, FloatType(32)), type)
    return converted(e, type)


def _to_float(e: Cpp, type: FloatType) -> Cpp:
    """From ``ap_``: ``half`` is made from float; more than 64 bits convert as fixed point only."""
    if type.width == 16:
        return converted(_to_float(e, FloatType(32)), type)
    if isinstance(e.type, IntType) and e.type.width > 64:
        e = converted(e, FixedType(e.type.width, e.type.width, e.type.signed))
    return converted(e if e.is_native else tight(e), type)


def _from_float(e: Cpp, type: ScalarType) -> Cpp:
    """To ``ap_``: the headers' own truncation to an integer is wrong in (-0.5, 0)."""
    if e.type == FloatType(16):
        e = converted(e, FloatType(32))
    if not isinstance(type, IntType):
        return converted(e, type)
    if e.type == FloatType(32) and type.width > 105:
        e = converted(e, FloatType(64))
    return converted(Cpp(f"std::trunc({e.text})", PRIMARY, e.type, reads=e.reads), type)


_Rule = Callable[[str, list[Cpp], ScalarType], Cpp]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("add", "sub", "mul", "and", "or", "xor"), _arithmetic),
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), _comparison),
    **dict.fromkeys(("div", "mod"), _quotient),
    **dict.fromkeys(("min", "max"), _extremum),
    **dict.fromkeys(("shl", "shr"), _shift),
    "neg": _negation,
    "abs": _magnitude,
    "sqrt": _root,
    "select": _select,
    "invert": _complement,
    "cast": _cast,
}
"""How an operation is written where the table's C++ alone would not be exact."""
