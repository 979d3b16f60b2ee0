"""Quasi-affine expressions over named integer variables, as immutable values.

An expression is ``constant + sum(coefficient * variable) + sum(coefficient * floor(e / d))``.
``e % d`` is ``e - d * floor(e / d)``. Terms are kept sorted and merged, so that equal
expressions written differently up to the order of their terms compare equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pom.ir.memo import Memo, hashed_once


@hashed_once
@dataclass(frozen=True, slots=True)
class FloorDiv(Memo):
    """``floor(numerator / denominator)`` with a positive constant denominator."""

    numerator: Affine
    denominator: int

    def __str__(self) -> str:
        return f"floor(({self.numerator})/{self.denominator})"


Atom = str | FloorDiv


def _key(atom: Atom) -> tuple[int, str]:
    return (0, atom) if isinstance(atom, str) else (1, str(atom))


@hashed_once
@dataclass(frozen=True, slots=True)
class Affine(Memo):
    """A quasi-affine expression. Build with `var`, `const` and the operators.

    ``str`` gives isl syntax, which is also valid Python but for ``floor``.
    """

    terms: tuple[tuple[Atom, int], ...] = ()
    constant: int = 0

    @staticmethod
    def var(name: str) -> Affine:
        return Affine(((name, 1),))

    @staticmethod
    def const(value: int) -> Affine:
        return Affine((), value)

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @property
    def variables(self) -> frozenset[str]:
        found: set[str] = set()
        for atom, _ in self.terms:
            found |= {atom} if isinstance(atom, str) else atom.numerator.variables
        return frozenset(found)

    def coefficient(self, atom: Atom) -> int:
        return next((c for a, c in self.terms if a == atom), 0)

    def __add__(self, other: Affine | int) -> Affine:
        other = as_affine(other)
        merged = dict(self.terms)
        for atom, c in other.terms:
            merged[atom] = merged.get(atom, 0) + c
        return Affine(_sorted(merged), self.constant + other.constant)

    __radd__ = __add__

    def __neg__(self) -> Affine:
        return self * -1

    def __sub__(self, other: Affine | int) -> Affine:
        return self + as_affine(other) * -1

    def __rsub__(self, other: int) -> Affine:
        return as_affine(other) - self

    def __mul__(self, factor: int) -> Affine:
        if factor == 0:
            return Affine()
        return Affine(tuple((a, c * factor) for a, c in self.terms), self.constant * factor)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Affine:
        if divisor <= 0:
            raise ValueError(f"the divisor of an affine floor division must be positive: {divisor}")
        if divisor == 1:
            return self
        if self.is_constant:
            return Affine((), self.constant // divisor)
        if self.constant % divisor == 0 and all(c % divisor == 0 for _, c in self.terms):
            return Affine(tuple((a, c // divisor) for a, c in self.terms), self.constant // divisor)
        return Affine(((FloorDiv(self, divisor), 1),))

    def __mod__(self, divisor: int) -> Affine:
        return self - (self // divisor) * divisor

    def substitute(self, values: Mapping[str, Affine]) -> Affine:
        """Each variable in `values` replaced at once."""
        result = Affine((), self.constant)
        for atom, c in self.terms:
            if isinstance(atom, str):
                result += values.get(atom, Affine.var(atom)) * c
            else:
                result += (atom.numerator.substitute(values) // atom.denominator) * c
        return result

    def bounds(self, ranges: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
        """Least and greatest value over `ranges`, each inclusive, at the widest; None if unknown."""
        low = high = self.constant
        for atom, c in self.terms:
            if isinstance(atom, str):
                inner = ranges.get(atom)
            else:
                inner = atom.numerator.bounds(ranges)
                inner = inner and (inner[0] // atom.denominator, inner[1] // atom.denominator)
            if inner is None:
                return None
            ends = sorted((inner[0] * c, inner[1] * c))
            low, high = low + ends[0], high + ends[1]
        return low, high

    def simplify(self, ranges: Mapping[str, tuple[int, int]]) -> Affine:
        """The same values over `ranges`, without divisions whose result is known there.

        ``floor((5*i + j)/5)`` is ``i`` where ``j`` is in 0..4.
        """
        result = Affine((), self.constant)
        for atom, c in self.terms:
            if isinstance(atom, str):
                result += Affine(((atom, c),))
                continue
            d = atom.denominator
            numerator = atom.numerator.simplify(ranges)
            whole = Affine(
                tuple((a, k // d) for a, k in numerator.terms if k % d == 0),
                numerator.constant // d,
            )
            rest = numerator - whole * d
            limits = rest.bounds(ranges)
            if limits is not None and limits[0] // d == limits[1] // d:
                result += (whole + limits[0] // d) * c
            else:
                result += (numerator // d) * c
        return result

    def evaluate(self, point: Mapping[str, int]) -> int:
        """The value at `point`."""
        total = self.constant
        for atom, c in self.terms:
            if isinstance(atom, str):
                total += c * point[atom]
            else:
                total += c * (atom.numerator.evaluate(point) // atom.denominator)
        return total

    def __str__(self) -> str:
        if not self.terms:
            return str(self.constant)
        parts = []
        for atom, c in self.terms:
            sign = "-" if c < 0 else "+"
            factor = "" if abs(c) == 1 else f"{abs(c)}*"
            parts.append(f"{sign} {factor}{atom}")
        if self.constant:
            parts.append(f"{'-' if self.constant < 0 else '+'} {abs(self.constant)}")
        text = " ".join(parts)
        return text[2:] if text.startswith("+ ") else "-" + text[2:]


def _sorted(terms: Mapping[Atom, int]) -> tuple[tuple[Atom, int], ...]:
    return tuple(sorted(((a, c) for a, c in terms.items() if c), key=lambda t: _key(t[0])))


def as_affine(value: Affine | int) -> Affine:
    return value if isinstance(value, Affine) else Affine((), value)


@dataclass(frozen=True, slots=True)
class Constraint:
    """``expression >= 0`` or, with `is_equality`, ``expression == 0``."""

    expression: Affine
    is_equality: bool = False

    def holds(self, point: Mapping[str, int]) -> bool:
        value = self.expression.evaluate(point)
        return value == 0 if self.is_equality else value >= 0

    def __str__(self) -> str:
        return f"{self.expression} {'=' if self.is_equality else '>='} 0"


@lru_cache(maxsize=4096)
def parse_affine(text: str) -> Affine:
    """The inverse of ``str`` (and any Python-like sum with ``floor``, ``//`` and ``%``).

    Raises
    ------
    ValueError
        `text` is not quasi-affine.
    """
    import ast

    def build(node: ast.expr) -> Affine:
        match node:
            case ast.Constant(value=int(v)):
                return Affine.const(v)
            case ast.Name(id=name):
                return Affine.var(name)
            case ast.UnaryOp(op=ast.USub(), operand=o):
                return -build(o)
            case ast.Call(
                func=ast.Name(id="floor"), args=[ast.BinOp(left=n, op=ast.Div(), right=d)]
            ):
                return build(n) // _integer(build(d))
            case ast.BinOp(left=left, op=op, right=right):
                a, b = build(left), build(right)
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return b * _integer(a) if a.is_constant else a * _integer(b)
                    case ast.FloorDiv():
                        return a // _integer(b)
                    case ast.Mod():
                        return a % _integer(b)
        raise ValueError(f"{text!r} is not quasi-affine")

    def _integer(e: Affine) -> int:
        if not e.is_constant:
            raise ValueError(f"{text!r} is not quasi-affine: {e} is not constant")
        return e.constant

    try:
        return build(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"{text!r} is not quasi-affine") from error
