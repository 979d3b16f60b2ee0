"""Recognising reductions: statements that combine a value into an element they do not otherwise use.

``x = x ⊕ e`` with ⊕ associative and commutative may run its instances in any order without
changing the result, when the arithmetic is exact. On floats it changes the rounding, so there it
needs the user's ``fast_math``. Exact ones of several statements commute with each other, too, where
they combine into the same array by the same operation.
"""

from __future__ import annotations

from dataclasses import dataclass

from pom.ir.expr import Access, Apply, Expr, Load, walk
from pom.ir.graph import Assign, Statement
from pom.ir.ops import OPS
from pom.ir.poly import PolyProgram
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType


@dataclass(frozen=True, slots=True)
class Reduction:
    """A self update.

    Parameters
    ----------
    op : str
        The operation; ``sub`` accumulates the negated values.
    accumulator : Access
        The element that is updated.
    is_exact : bool
        Reordering cannot change a bit of the result.
    value : Expr
        What is combined into the element.
    """

    op: str
    accumulator: Access
    is_exact: bool
    value: Expr


def reduction_of(body: Statement, element: ScalarType) -> Reduction | None:
    """The reduction that `body` is, or None.

    Parameters
    ----------
    body : Statement
    element : ScalarType
        Element type of the array that it writes.
    """
    if not isinstance(body, Assign) or not body.target.is_affine:
        return None
    value, is_plain = _without_casts(body.value, element)
    if not isinstance(value, Apply):
        return None
    spec = OPS[value.op]
    if not (spec.associative or value.op == "sub"):
        return None
    left, right = value.operands
    if _is_load(left, body.target):
        other = right
    elif _is_load(right, body.target) and spec.associative:
        other = left
    else:
        return None
    if any(_is_load(e, body.target) for e in walk(other)):
        return None
    is_exact = is_plain and _is_exact(value.op, element, other.type)
    return Reduction(value.op, body.target, is_exact, other)


def _without_casts(value: Expr, element: ScalarType) -> tuple[Expr, bool]:
    """`value` below its outer casts, and whether those only do what storing would do."""
    is_plain = True
    while isinstance(value, Apply) and value.op == "cast":
        is_plain = is_plain and value.type == element
        value = value.operands[0]
    return value, is_plain


def _is_load(expr: Expr, access: Access) -> bool:
    return isinstance(expr, Load) and expr.access == access


def _is_exact(op: str, element: ScalarType, other: ScalarType) -> bool:
    """Whether combining is associative and commutative on `element` with its wrap-around.

    Sums, differences, integer products and bitwise operations are exact modulo 2**width, as long as
    no fraction bit is cut off; extrema are exact where nothing wraps.
    """
    match element, other:
        case BoolType(), BoolType():
            return True
        case IntType(), IntType():
            return element == other if op in ("min", "max") else True
        case FixedType(), FixedType():
            if op in ("min", "max"):
                return element == other
            return op in ("add", "sub") and other.fraction_bits <= element.fraction_bits
    return False


def reductions(program: PolyProgram) -> dict[str, Reduction]:
    """Every statement of `program` that is a reduction."""
    arrays = program.arrays
    found = {}
    for statement in program.statements:
        if isinstance(statement.body, Assign):
            element = arrays[statement.body.target.array].type.element
            reduction = reduction_of(statement.body, element)
            if reduction is not None:
                found[statement.name] = reduction
    return found


def may_reassociate(program: PolyProgram, reduction: Reduction, fast_math: bool) -> bool:
    """Whether the instances of `reduction` may run in any order.

    What `fast_math` allows is another rounding of floats. Where integers or fixed point are not
    exact they wrap, and another order may give an altogether different result.
    """
    element = program.arrays[reduction.accumulator.array].type.element
    return reduction.is_exact or (fast_math and isinstance(element, FloatType))


def relaxed_statements(program: PolyProgram, fast_math: bool = False) -> frozenset[str]:
    """The reductions whose instances may be reordered among themselves."""
    found = reductions(program).items()
    return frozenset(s for s, r in found if may_reassociate(program, r, fast_math))


def commuting(program: PolyProgram, relaxed: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Per relaxed reduction what it has in common with those whose instances commute with its own.

    That is the array and the operation, where the arithmetic is exact; adding commutes with
    subtracting. What only another rounding allows is kept to the instances of one statement.
    """
    found = {}
    for name, reduction in reductions(program).items():
        if name in relaxed:
            op = "add" if reduction.op == "sub" else reduction.op
            found[name] = (reduction.accumulator.array, op) if reduction.is_exact else (name, "")
    return found
