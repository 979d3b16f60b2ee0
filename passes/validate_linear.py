"""Quasi-linear forms as the validator reads them from level 3.

Kept apart from `pom.ir.affine` on purpose: the code generator uses that one, and a fault in it must
not be able to hide itself here. A form is a sorted tuple of (atom, coefficient); an atom is a
variable's name, "" for the constant, or `Floor`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pom.ir.affine import Affine


@dataclass(frozen=True, slots=True)
class Floor:
    """``floor(numerator / denominator)``."""

    numerator: Linear
    denominator: int


Atom = str | Floor
Linear = tuple[tuple[Atom, int], ...]

ZERO: Linear = ()


def _order(item: tuple[Atom, int]) -> tuple[int, str]:
    atom = item[0]
    return (0, atom) if isinstance(atom, str) else (1, repr(atom))


def _form(terms: Mapping[Atom, int]) -> Linear:
    return tuple(sorted(((a, c) for a, c in terms.items() if c), key=_order))


def number(value: int) -> Linear:
    """A constant."""
    return (("", value),) if value else ZERO


def variable(name: str) -> Linear:
    """A variable."""
    return ((name, 1),)


def plus(a: Linear, b: Linear, factor: int = 1) -> Linear:
    """``a + factor * b``."""
    terms = dict(a)
    for atom, c in b:
        terms[atom] = terms.get(atom, 0) + factor * c
    return _form(terms)


def times(a: Linear, factor: int) -> Linear:
    """``factor * a``."""
    return _form({atom: c * factor for atom, c in a})


def constant(a: Linear) -> int | None:
    """The value of a form without variables, else None."""
    if not a:
        return 0
    return a[0][1] if len(a) == 1 and a[0][0] == "" else None


def floor(a: Linear, denominator: int) -> Linear:
    """``floor(a / denominator)`` for a positive denominator, multiples taken out."""
    whole = _form({atom: c // denominator for atom, c in a})
    rest = _form({atom: c % denominator for atom, c in a})
    value = constant(rest)
    if value is not None:
        return plus(whole, number(value // denominator))
    return plus(whole, ((Floor(rest, denominator), 1),))


def substitute(a: Linear, values: Mapping[str, Linear]) -> Linear:
    """Variables replaced at once."""
    result: Linear = ZERO
    for atom, c in a:
        match atom:
            case Floor(numerator, denominator):
                result = plus(result, floor(substitute(numerator, values), denominator), c)
            case "":
                result = plus(result, number(c))
            case str():
                result = plus(result, values.get(atom, variable(atom)), c)
    return result


def from_affine(expression: Affine) -> Linear:
    """The form of a level-2 expression."""
    terms: dict[Atom, int] = {"": expression.constant}
    result = _form(terms)
    for atom, c in expression.terms:
        if isinstance(atom, str):
            result = plus(result, variable(atom), c)
        else:
            result = plus(result, floor(from_affine(atom.numerator), atom.denominator), c)
    return result


def text(a: Linear) -> str:
    """isl text."""
    if not a:
        return "0"
    parts = []
    for atom, c in a:
        match atom:
            case Floor(numerator, denominator):
                parts.append(f"{c}*floor(({text(numerator)})/{denominator})")
            case "":
                parts.append(str(c))
            case str():
                parts.append(f"{c}*{atom}")
    return " + ".join(parts)


@dataclass(frozen=True, slots=True)
class ParsedMap:
    """Results of an affine map over ``d0 …`` and ``s0 …``; `dims` before `symbols`."""

    dims: int
    symbols: int
    results: tuple[Linear, ...]

    def apply(self, operands: tuple[Linear, ...]) -> tuple[Linear, ...]:
        """The results at `operands`."""
        values = {f"d{k}": v for k, v in enumerate(operands[: self.dims])}
        values |= {f"s{k}": v for k, v in enumerate(operands[self.dims :])}
        return tuple(substitute(r, values) for r in self.results)


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """Constraints of an integer set: (form, is_equality), each ``>= 0`` or ``== 0``."""

    dims: int
    constraints: tuple[tuple[Linear, bool], ...]

    def apply(self, operands: tuple[Linear, ...]) -> tuple[tuple[Linear, bool], ...]:
        """The constraints at `operands`."""
        values = {f"d{k}": v for k, v in enumerate(operands[: self.dims])}
        values |= {f"s{k}": v for k, v in enumerate(operands[self.dims :])}
        return tuple((substitute(e, values), equal) for e, equal in self.constraints)


@lru_cache(maxsize=8192)
def parse_map(map_text: str) -> ParsedMap:
    """``affine_map<(d0)[s0] -> (…)>``."""
    inner = map_text.strip().removeprefix("affine_map<").removesuffix(">")
    head, _, results = inner.partition(" -> ")
    dims, symbols = _counts(head)
    body = results.strip().removeprefix("(").removesuffix(")")
    return ParsedMap(dims, symbols, tuple(_expression(r) for r in _split(body)))


@lru_cache(maxsize=8192)
def parse_set(set_text: str) -> ParsedSet:
    """``affine_set<(d0)[s0] : (…)>``."""
    inner = set_text.strip().removeprefix("affine_set<").removesuffix(">")
    head, _, listed = inner.partition(" : ")
    dims, _ = _counts(head)
    constraints = []
    for part in _split(listed.strip().removeprefix("(").removesuffix(")")):
        comparison = ">=" if ">=" in part else "==" if "==" in part else "<="
        left, _, right = part.partition(comparison)
        difference = plus(_expression(left), _expression(right), -1)
        if comparison == "<=":
            difference = times(difference, -1)
        constraints.append((difference, comparison == "=="))
    return ParsedSet(dims, tuple(constraints))


def _counts(head: str) -> tuple[int, int]:
    dims, _, symbols = head.partition("[")
    return _names(dims), _names(symbols)


def _names(listed: str) -> int:
    names = listed.strip(" ()[]")
    return len(names.split(",")) if names else 0


def _split(listed: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(listed):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(listed[start:position])
            start = position + 1
    rest = listed[start:]
    return [*parts, rest] if rest.strip() else parts


@lru_cache(maxsize=8192)
def _expression(source: str) -> Linear:
    # floordiv, ceildiv and mod bind like * and associate to the left, as //, @ and % in Python do
    python = source.replace(" floordiv ", " // ").replace(" ceildiv ", " @ ")
    return _build(ast.parse(python.replace(" mod ", " % ").strip(), mode="eval").body, source)


def _build(node: ast.expr, source: str) -> Linear:
    match node:
        case ast.Constant(value=int(value)):
            return number(value)
        case ast.Name(id=name):
            return variable(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return times(_build(operand, source), -1)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _build(left, source), _build(right, source)
            match op:
                case ast.Add():
                    return plus(a, b)
                case ast.Sub():
                    return plus(a, b, -1)
            by = constant(b)
            if isinstance(op, ast.Mult) and by is None:
                a, by = b, constant(a)
            if by is not None:
                match op:
                    case ast.Mult():
                        return times(a, by)
                    case ast.FloorDiv() if by > 0:
                        return floor(a, by)
                    case ast.MatMult() if by > 0:
                        return times(floor(times(a, -1), by), -1)
                    case ast.Mod() if by > 0:
                        return plus(a, floor(a, by), -by)
    raise ValueError(f"not a quasi-linear expression: {source}")
