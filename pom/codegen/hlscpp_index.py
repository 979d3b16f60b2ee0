"""Affine bounds, subscripts and conditions in C++.

C++ division truncates, affine division floors. They agree on non-negative numerators, so a
numerator that may be negative is first moved up by a multiple of the divisor:
``floor((i - 3)/4)`` is ``(i + 1) / 4 - 1`` for ``i >= 0``. No helper function, no extra hardware.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import mlir.ir as mlir

from pom.errors import PomError
from pom.ir.affine import Affine, Atom, FloorDiv

INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1
_ADDITIVE, _MULTIPLICATIVE, _UNARY, _PRIMARY = 12, 13, 15, 16
_SEARCH_LIMIT = 256


@dataclass(frozen=True, slots=True)
class LoopRange:
    """What is known of a loop variable: ``max(lowers) <= name < min(uppers)``."""

    name: str
    lowers: tuple[Affine, ...]
    uppers: tuple[Affine, ...]


@dataclass(slots=True)
class IndexRanges:
    """The loop variables in scope, outermost first, and what follows about affine expressions."""

    iterators: list[LoopRange] = field(default_factory=list)
    _spans: dict[Atom, tuple[int | None, int | None]] = field(default_factory=dict)

    def enter(self, iterator: LoopRange) -> None:
        """Into a loop."""
        self.iterators.append(iterator)
        self._spans.clear()

    def leave(self) -> None:
        """Out of the innermost loop."""
        self.iterators.pop()
        self._spans.clear()

    def span(self, atom: Atom) -> tuple[int | None, int | None]:
        """The least and the greatest value of a variable or a division."""
        if atom not in self._spans:
            e = Affine(((atom, 1),))
            self._spans[atom] = self.minimum(e), self.maximum(e)
        return self._spans[atom]

    def minimum(self, e: Affine) -> int | None:
        """A lower bound of `e` over the loops in scope; exact over nests without divisions."""
        return self._extreme(e)

    def maximum(self, e: Affine) -> int | None:
        """An upper bound of `e` over the loops in scope."""
        low = self._extreme(-e)
        return None if low is None else -low

    def _extreme(self, e: Affine) -> int | None:
        terms, constant = _linear(e)
        budget = [_SEARCH_LIMIT]
        best = self._eliminate(terms, constant, len(self.iterators) - 1, budget)
        return None if best is None else -((-best.numerator) // best.denominator)

    def _eliminate(
        self, terms: dict[Atom, Fraction], constant: Fraction, depth: int, budget: list[int]
    ) -> Fraction | None:
        """The minimum, found by replacing variables, innermost first, by their worst bound.

        Each single bound is sound, so the best of several is taken.
        """
        if depth < 0:
            return constant if not terms else None
        iterator = self.iterators[depth]
        c = terms.get(iterator.name, Fraction(0))
        if not c:
            return self._eliminate(terms, constant, depth - 1, budget)
        rest = {a: v for a, v in terms.items() if a != iterator.name}
        bounds = iterator.lowers if c > 0 else tuple(u - 1 for u in iterator.uppers)
        best: Fraction | None = None
        for bound in bounds:
            budget[0] -= 1
            if budget[0] < 0:
                return best
            extra, shift = _linear(bound * (1 if c > 0 else -1))
            merged = dict(rest)
            for atom, v in extra.items():
                merged[atom] = merged.get(atom, Fraction(0)) + v * abs(c)
            merged = {a: v for a, v in merged.items() if v}
            found = self._eliminate(merged, constant + shift * abs(c), depth - 1, budget)
            if found is not None and (best is None or found > best):
                best = found
        return best


def _linear(e: Affine) -> tuple[dict[Atom, Fraction], Fraction]:
    """A linear function that is nowhere above `e`: ``n/d - (d - 1)/d <= floor(n/d) <= n/d``."""
    terms: dict[Atom, Fraction] = {}
    form, whole = _modulo_form(e)
    constant = Fraction(whole)
    for atom, c in form:
        if isinstance(atom, str):
            terms[atom] = terms.get(atom, Fraction(0)) + c
            continue
        if isinstance(atom, _Modulo):
            constant += min(0, c * (atom.divisor - 1))
            continue
        inner, shift = _linear(atom.numerator if c > 0 else -atom.numerator)
        scale = Fraction(abs(c), atom.denominator)
        for name, v in inner.items():
            terms[name] = terms.get(name, Fraction(0)) + v * scale
        constant += shift * scale
        if c > 0:
            constant -= scale * (atom.denominator - 1)
    return {a: v for a, v in terms.items() if v}, constant


@dataclass(frozen=True, slots=True)
class _Modulo:
    """``numerator % divisor``, found again in ``numerator - divisor * floor(numerator/divisor)``."""

    numerator: Affine
    divisor: int

    def __str__(self) -> str:
        return f"({self.numerator}) mod {self.divisor}"


def _modulo_form(e: Affine) -> tuple[list[tuple[Atom | _Modulo, int]], int]:
    """`e` as terms plus a constant, with remainders in place of the divisions that make them up."""
    found: list[tuple[Atom | _Modulo, int]] = []
    rest = e
    for atom, c in e.terms:
        if isinstance(atom, FloorDiv) and c % atom.denominator == 0:
            factor = -c // atom.denominator
            without = rest - Affine(((atom, c),)) - atom.numerator * factor
            before = sum(abs(v) for a, v in rest.terms if a != atom)
            if sum(abs(v) for _, v in without.terms) < before:
                rest = without
                found.append((_Modulo(atom.numerator, atom.denominator), factor))
    return [*rest.terms, *found], rest.constant


@dataclass(frozen=True, slots=True)
class IndexText:
    """C++ of an index expression."""

    text: str
    precedence: int
    is_wide: bool = False


def index_text(e: Affine, ranges: IndexRanges, wide_names: frozenset[str]) -> IndexText:
    """`e` as C++ that is exact for every value of the loops in scope.

    Parameters
    ----------
    wide_names : frozenset of str
        Loop variables of type ``long long``.
    """
    moved = _non_negative(e, ranges)
    is_wide = not _fits_int(moved, ranges)
    terms, constant = _modulo_form(moved)
    parts = [(c, *_term_text(atom, abs(c), is_wide, ranges, wide_names)) for atom, c in terms]
    ordered = [p for p in parts if p[0] > 0]
    if constant and not ordered:
        ordered, constant = [(1, _constant(constant), _PRIMARY)], 0
    ordered += [p for p in parts if p[0] < 0]
    if constant or not ordered:
        ordered.append((1 if constant >= 0 else -1, _constant(abs(constant)), _PRIMARY))
    return _sum_text(ordered, is_wide)


def _term_text(
    atom: Atom | _Modulo,
    factor: int,
    is_wide: bool,
    ranges: IndexRanges,
    wide_names: frozenset[str],
) -> tuple[str, int]:
    """``factor * atom`` and its precedence, computed in 64 bits where `is_wide` asks for it."""
    inner = _atom_text(atom, ranges, wide_names)
    promote = is_wide and not (inner.is_wide or atom in wide_names)
    if factor == 1:
        if not promote:
            return inner.text, inner.precedence
        text = inner.text if inner.precedence >= _UNARY else f"({inner.text})"
        return f"(long long){text}", _UNARY
    text = inner.text if inner.precedence > _MULTIPLICATIVE else f"({inner.text})"
    return f"{factor}{'LL' if promote else ''} * {text}", _MULTIPLICATIVE


def _sum_text(parts: Sequence[tuple[int, str, int]], is_wide: bool) -> IndexText:
    sign, text, precedence = parts[0]
    if sign < 0:
        text = f"-{text}" if precedence > _MULTIPLICATIVE else f"-({text})"
        precedence = _UNARY
    if len(parts) == 1:
        return IndexText(text, precedence, is_wide)
    for c, part, _ in parts[1:]:
        text += f" {'-' if c < 0 else '+'} {part}"
    return IndexText(text, _ADDITIVE, is_wide)


def _constant(value: int) -> str:
    return str(value) if INT_MIN < value <= INT_MAX else f"{value}LL"


def _atom_text(atom: Atom | _Modulo, ranges: IndexRanges, wide_names: frozenset[str]) -> IndexText:
    if isinstance(atom, str):
        return IndexText(atom, _PRIMARY)
    divisor = atom.divisor if isinstance(atom, _Modulo) else atom.denominator
    inner = index_text(atom.numerator, ranges, wide_names)
    text = inner.text if inner.precedence >= _MULTIPLICATIVE else f"({inner.text})"
    symbol = "%" if isinstance(atom, _Modulo) else "/"
    return IndexText(f"{text} {symbol} {_constant(divisor)}", _MULTIPLICATIVE, inner.is_wide)


def _non_negative(e: Affine, ranges: IndexRanges) -> Affine:
    """`e` with every division's numerator moved into the non-negative range."""
    result = Affine((), e.constant)
    for atom, c in e.terms:
        if isinstance(atom, str):
            result += Affine(((atom, c),))
            continue
        numerator, d = _non_negative(atom.numerator, ranges), atom.denominator
        low = ranges.minimum(numerator)
        if low is None:
            raise PomError("POM-C006", f"no lower bound is known for the numerator of {atom}")
        lift = max(0, -(low // d))
        result += Affine(((FloorDiv(numerator + lift * d, d), c),), -lift * c)
    return result


def _fits_int(e: Affine, ranges: IndexRanges) -> bool:
    """Whether every partial sum of `e`, taken in any order, is an ``int``."""
    low, high = min(e.constant, 0), max(e.constant, 0)
    for atom, c in e.terms:
        if isinstance(atom, FloorDiv) and not _fits_int(atom.numerator, ranges):
            return False
        bottom, top = ranges.span(atom)
        if bottom is None or top is None:
            return False
        low += min(bottom * c, top * c, 0)
        high += max(bottom * c, top * c, 0)
    return low > INT_MIN and high <= INT_MAX


def condition_text(
    e: Affine, is_equality: bool, ranges: IndexRanges, wide_names: frozenset[str]
) -> str:
    """``e >= 0`` or ``e == 0`` as a comparison with the negative terms on the other side."""
    left = Affine(tuple((a, c) for a, c in e.terms if c > 0))
    right = Affine(tuple((a, -c) for a, c in e.terms if c < 0))
    symbol, shift = ("==" if is_equality else ">="), e.constant
    if not left.terms:
        left, right, shift = right, left, -shift
        symbol = "==" if is_equality else "<="
    # left + shift (symbol) right: a shift of one turns >= into >.
    if shift == -1 and symbol == ">=" and right.terms:
        symbol, shift = ">", 0
    if shift == 1 and symbol == "<=" and right.terms:
        symbol, shift = "<", 0
    if right.terms and shift > 0:
        left += shift
    else:
        right -= shift
    a, b = index_text(left, ranges, wide_names), index_text(right, ranges, wide_names)
    return f"{a.text} {symbol} {b.text}"


def affine_of(e: mlir.AffineExpr, operands: Sequence[Affine], dims: int) -> Affine:
    """An MLIR affine expression over `operands` (dims first, then symbols) as a value."""

    def build(node: mlir.AffineExpr) -> Affine:
        if isinstance(node, mlir.AffineConstantExpr):
            return Affine.const(int(node.value))
        if isinstance(node, mlir.AffineDimExpr):
            return operands[int(node.position)]
        if isinstance(node, mlir.AffineSymbolExpr):
            return operands[dims + int(node.position)]
        binary = mlir.AffineBinaryExpr(node)
        a, b = build(binary.lhs), build(binary.rhs)
        if isinstance(node, mlir.AffineAddExpr):
            return a + b
        if isinstance(node, mlir.AffineMulExpr) and (a.is_constant or b.is_constant):
            return b * a.constant if a.is_constant else a * b.constant
        if b.is_constant and b.constant > 0:
            if isinstance(node, mlir.AffineFloorDivExpr):
                return a // b.constant
            if isinstance(node, mlir.AffineModExpr):
                return a % b.constant
            if isinstance(node, mlir.AffineCeilDivExpr):
                return (a + (b.constant - 1)) // b.constant
        raise PomError("POM-C006", f"{node} is not quasi-affine with positive constant divisors")

    return build(e)


def map_results(attribute: mlir.Attribute, operands: Sequence[Affine]) -> tuple[Affine, ...]:
    """The results of an affine map applied to `operands`."""
    value = mlir.AffineMapAttr(attribute).value
    return tuple(affine_of(e, operands, value.n_dims) for e in value.results)


def set_constraints(
    attribute: mlir.Attribute, operands: Sequence[Affine]
) -> tuple[tuple[Affine, bool], ...]:
    """The constraints of an ``affine_set`` as (expression, is an equality).

    Notes
    -----
    The bindings give no value for an integer set attribute, so its text becomes an affine map.
    """
    text = str(attribute).removeprefix("affine_set<").removesuffix(">")
    space, _, body = text.partition(" : ")
    kinds, exprs = [], []
    for constraint in body.strip()[1:-1].split(","):
        is_equality = "==" in constraint
        kinds.append(is_equality)
        exprs.append(constraint.partition("==" if is_equality else ">=")[0])
    as_map = mlir.Attribute.parse(f"affine_map<{space} -> ({', '.join(exprs)})>", attribute.context)
    return tuple(zip(map_results(as_map, operands), kinds, strict=True))


def bound_text(
    bounds: Sequence[Affine],
    choose: str,
    ranges: IndexRanges,
    wide_names: frozenset[str],
    is_wide: bool,
) -> str:
    """A loop bound: ``std::min(a, b)`` of several. `choose` is ``min`` or ``max``."""
    texts = [index_text(b, ranges, wide_names) for b in binding(bounds, choose, ranges)]
    text = texts[0].text
    for other in texts[1:]:
        template = "<long long>" if is_wide else ""
        text = f"std::{choose}{template}({text}, {other.text})"
    return text


def is_never_negative(e: Affine, ranges: IndexRanges) -> bool:
    """Whether ``e >= 0`` is proved for every iteration of the loops in scope."""
    low = ranges.minimum(e)
    return low is not None and low >= 0


def binding(bounds: Sequence[Affine], choose: str, ranges: IndexRanges) -> tuple[Affine, ...]:
    """`bounds` without those that never decide the minimum or maximum."""
    kept = list(dict.fromkeys(bounds))
    for bound in list(kept):
        for other in kept:
            if other == bound:
                continue
            if is_never_negative(bound - other if choose == "min" else other - bound, ranges):
                kept.remove(bound)
                break
    return tuple(kept)


def trip_counts(
    lowers: Sequence[Affine], uppers: Sequence[Affine], step: int, ranges: IndexRanges
) -> tuple[int, int] | None:
    """Bounds of the number of iterations; None where they are unknown."""
    tops = [ranges.maximum(u - low) for u in uppers for low in lowers]
    bottoms = [ranges.minimum(u - low) for u in uppers for low in lowers]
    known = [t for t in tops if t is not None]
    if not known or any(b is None for b in bottoms):
        return None
    most = max(0, -(-min(known) // step))
    least = max(0, min(-(-b // step) for b in bottoms if b is not None))
    return least, most
