"""Affine expressions and sets of MLIR as values of the estimator."""

from __future__ import annotations

from collections.abc import Sequence

import mlir.ir as mlir

from pom.ir.affine import Affine as SourceAffine
from pom.ir.affine import FloorDiv, parse_affine
from pom.qor_model.region import Affine, affine


def expression(
    expr: mlir.AffineExpr, operands: Sequence[Affine | None], dims: int
) -> Affine | None:
    """An MLIR affine expression over the values of its operands.

    Returns None when an operand is not affine, or for a division by what is not a constant.
    """
    if isinstance(expr, mlir.AffineConstantExpr):
        return Affine((), int(expr.value))
    if isinstance(expr, mlir.AffineDimExpr):
        return operands[int(expr.position)]
    if isinstance(expr, mlir.AffineSymbolExpr):
        return operands[dims + int(expr.position)]
    if isinstance(expr, (mlir.AffineAddExpr, mlir.AffineMulExpr)):
        left = expression(expr.lhs, operands, dims)
        right = expression(expr.rhs, operands, dims)
        if left is None or right is None:
            return None
        if isinstance(expr, mlir.AffineAddExpr):
            return left + right
        if right.is_constant:
            return left * right.const
        return right * left.const if left.is_constant else None
    if isinstance(expr, (mlir.AffineFloorDivExpr, mlir.AffineCeilDivExpr, mlir.AffineModExpr)):
        left = expression(expr.lhs, operands, dims)
        right = expression(expr.rhs, operands, dims)
        if left is None or right is None or not right.is_constant or right.const <= 0:
            return None
        if isinstance(expr, mlir.AffineFloorDivExpr):
            return left.floor_div(right.const)
        if isinstance(expr, mlir.AffineCeilDivExpr):
            return (left + (right.const - 1)).floor_div(right.const)
        return left - left.floor_div(right.const) * right.const
    return None


def constraints(
    text: str, operands: Sequence[Affine | None]
) -> tuple[tuple[Affine, ...], tuple[int, ...]]:
    """The constraints of an ``affine_set`` attribute; the positions of the equalities second.

    A constraint that is not affine in the operands is left out, so that the guard is kept as one
    that may hold or not.
    """
    inside = text[text.index("<") + 1 : text.rindex(">")] if "affine_set<" in text else text
    head, _, tail = inside.partition(" : ")
    names = [n.strip() for n in head.replace("[", ",").replace("]", "").split(",")]
    names = [n.strip("() ") for n in names if n.strip("() ")]
    found: list[Affine] = []
    equalities: list[int] = []
    for part in tail.strip()[1:-1].split(","):
        is_equality = "==" in part
        left = part.split("==" if is_equality else ">=")[0]
        left = left.replace("floordiv", "//").replace(" mod ", " % ")
        value = _over(parse_affine(left.strip()), names, operands)
        if value is None:
            continue
        if is_equality:
            equalities.append(len(found))
        found.append(value)
    return tuple(found), tuple(equalities)


def _over(
    source: SourceAffine, names: Sequence[str], operands: Sequence[Affine | None]
) -> Affine | None:
    total = affine({}, source.constant)
    for atom, coefficient in source.terms:
        if isinstance(atom, FloorDiv):
            numerator = _over(atom.numerator, names, operands)
            operand = None if numerator is None else numerator.floor_div(atom.denominator)
        else:
            operand = operands[names.index(atom)] if atom in names else None
        if operand is None:
            return None
        total = total + operand * coefficient
    return total
