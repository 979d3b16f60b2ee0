"""A statement instance as level-3 text: loads, arithmetic, store.

`StatementWriter` turns a level-2 body into operations on SSA values; the iterators are affine
expressions over the loops' variables. Text is written rather than built because a parser reports
what is wrong where the builder API would abort the process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from pom.errors import InternalError
from pom.ir.affine import Affine, FloorDiv
from pom.ir.directives import OpBinding
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Array, Assign, Call
from pom.ir.location import Location
from pom.ir.ops import OPS
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType

_ORDERED = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_FLOAT_PREFIX = {16: "h", 32: "f", 64: "d"}


def scalar_text(type: ScalarType) -> str:
    """The MLIR type that holds a scalar."""
    return f"f{type.width}" if isinstance(type, FloatType) else f"i{type.width}"


def memref_text(type: ArrayType) -> str:
    """The MLIR type of an array."""
    return f"memref<{''.join(f'{n}x' for n in type.shape)}{scalar_text(type.element)}>"


def location_text(location: Location | None) -> str:
    """`` loc("file":line:column)``, or nothing."""
    if location is None:
        return ""
    file = location.file.replace("\\", "\\\\").replace('"', '\\"')
    return f' loc("{file}":{location.line}:{location.column + 1})'


def affine_text(expression: Affine, names: Mapping[str, str]) -> str:
    """An affine expression in MLIR syntax, its variables renamed by `names`."""
    parts: list[str] = []
    for atom, coefficient in expression.terms:
        if isinstance(atom, FloorDiv):
            base = f"(({affine_text(atom.numerator, names)}) floordiv {atom.denominator})"
        else:
            base = names[atom]
        parts.append(base if coefficient == 1 else f"{base} * {coefficient}")
    if expression.constant or not parts:
        parts.append(str(expression.constant))
    return " + ".join(parts)


def map_text(expressions: tuple[Affine, ...]) -> tuple[str, str]:
    """``affine_map<…>`` and its operand list, for expressions over loop variables."""
    variables = sorted(frozenset().union(*(e.variables for e in expressions)))
    dims = {v: f"d{k}" for k, v in enumerate(variables)}
    results = ", ".join(affine_text(e, dims) for e in expressions)
    head = ", ".join(dims.values())
    return f"affine_map<({head}) -> ({results})>", ", ".join(f"%{v}" for v in variables)


def literal_text(const: Const) -> str:
    """An attribute value for ``arith.constant``."""
    match const.type:
        case FloatType(width=width):
            return _float_literal(float(const.value), width)
        case BoolType():
            return "true" if const.value else "false"
        case FixedType() as fixed:
            return str(int(Fraction(const.value) * 2**fixed.fraction_bits))
    return str(int(const.value))


def _float_literal(value: float, width: int) -> str:
    kinds: dict[int, type[np.floating[Any]]] = {16: np.float16, 32: np.float32, 64: np.float64}
    rounded = kinds[width](value)
    if not math.isfinite(rounded):
        bits = rounded.tobytes()[::-1].hex()
        return f"0x{bits.upper()}"
    text = repr(float(rounded))
    mantissa, _, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{exponent}" if exponent else mantissa


@dataclass(slots=True)
class StatementWriter:
    """Writes statements of one function, giving every value a fresh name.

    Parameters
    ----------
    arrays : mapping of str to Array
    bindings : tuple of OpBinding
    callees : mapping of str to (params), the signatures of functions that calls name
    ranges : dict of loop variable to (least, greatest value)
        Of the loops around the instance; subscripts are simplified for it.
    """

    arrays: Mapping[str, Array]
    bindings: tuple[OpBinding, ...]
    signatures: Mapping[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    count: int = 0
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)

    def fresh(self) -> str:
        self.count += 1
        return f"%{self.count}"

    def emit(self, text: str, location: Location | None = None) -> None:
        self.lines.append(text + location_text(location))

    def instance(
        self,
        name: str,
        body: Assign | Call,
        iterators: tuple[str, ...],
        values: tuple[Affine, ...],
    ) -> None:
        """One instance of the statement `name`: its marker and its operations."""
        place = body.location
        mapping = dict(zip(iterators, values, strict=True))
        operands = [self.index(v, place) for v in values]
        types = ", ".join("index" for _ in operands)
        self.emit(
            f'"hls.statement"({", ".join(operands)}) {{name = "{name}"}} : ({types}) -> ()',
            place,
        )
        match body:
            case Assign():
                self._assign(name, body, mapping)
            case Call():
                self._call(name, body, mapping)

    def index(self, value: Affine, location: Location | None) -> str:
        """An index value: a loop variable itself, or an ``affine.apply``."""
        if len(value.terms) == 1 and value.constant == 0 and value.terms[0][1] == 1:
            atom = value.terms[0][0]
            if isinstance(atom, str):
                return f"%{atom}"
        result = self.fresh()
        map_, operands = map_text((value,))
        self.emit(f"{result} = affine.apply {map_}({operands})", location)
        return result

    def _assign(self, name: str, body: Assign, mapping: dict[str, Affine]) -> None:
        target = self.arrays[body.target.array].type
        value = self.value(body.value, mapping, name)
        if body.value.type != target.element:
            value = self._numeric("cast", [value], [body.value.type], target.element, body.location)
        access, is_affine = self._access(body.target, mapping, name, body.location)
        op = "affine.store" if is_affine else "memref.store"
        self.emit(f"{op} {value}, {access} : {memref_text(target)}", body.location)

    def _call(self, name: str, body: Call, mapping: dict[str, Affine]) -> None:
        operands: list[str] = []
        for argument in body.arguments:
            if isinstance(argument, str):
                operands.append(f"%{argument}")
            else:
                operands.append(self.value(argument, mapping, name))
        signature = self.signatures[body.callee]
        self.emit(f"func.call @{body.callee}({', '.join(operands)}) : {signature}", body.location)

    def _access(
        self, access: Access, mapping: dict[str, Affine], name: str, location: Location | None
    ) -> tuple[str, bool]:
        """``%A[…]`` and whether its subscripts are affine."""
        if access.is_affine:
            subscripts = []
            for s in access.subscripts:
                if isinstance(s, Affine):
                    e = s.substitute(mapping).simplify(self.ranges)
                    subscripts.append(affine_text(e, {v: f"%{v}" for v in e.variables}))
            return f"%{access.array}[{', '.join(subscripts)}]", True
        indices = []
        for s in access.subscripts:
            if isinstance(s, Affine):
                indices.append(self.index(s.substitute(mapping).simplify(self.ranges), location))
            else:
                value = self.value(s, mapping, name)
                result = self.fresh()
                signed = not isinstance(s.type, IntType) or s.type.signed
                cast = "arith.index_cast" if signed else "arith.index_castui"
                self.emit(f"{result} = {cast} {value} : {scalar_text(s.type)} to index", location)
                indices.append(result)
        return f"%{access.array}[{', '.join(indices)}]", False

    def value(self, expr: Expr, mapping: dict[str, Affine], name: str) -> str:
        """The SSA value of `expr`."""
        match expr:
            case Const():
                result = self.fresh()
                self.emit(
                    f"{result} = arith.constant {literal_text(expr)}"
                    + ("" if isinstance(expr.type, BoolType) else f" : {scalar_text(expr.type)}"),
                    expr.location,
                )
                return result
            case Argument():
                return f"%{expr.name}"
            case Index():
                operand = self.index(
                    expr.affine.substitute(mapping).simplify(self.ranges), expr.location
                )
                result = self.fresh()
                self.emit(
                    f'{result} = "hls.index"({operand}) {{result = "{expr.type}"}} : '
                    f"(index) -> {scalar_text(expr.type)}",
                    expr.location,
                )
                return result
            case Load():
                access, is_affine = self._access(expr.access, mapping, name, expr.location)
                result = self.fresh()
                op = "affine.load" if is_affine else "memref.load"
                memref = memref_text(self.arrays[expr.access.array].type)
                self.emit(f"{result} = {op} {access} : {memref}", expr.location)
                return result
            case Apply():
                operands = [self.value(o, mapping, name) for o in expr.operands]
                return self._apply(expr, operands, name)
        raise InternalError(f"unknown expression {expr}")

    def _apply(self, expr: Apply, operands: list[str], name: str) -> str:
        types = [o.type for o in expr.operands]
        kind = types[-1]
        if expr.op == "cast" or isinstance(kind, (IntType, FixedType)):
            bind = self._binding(name, expr)
            return self._numeric(expr.op, operands, types, expr.type, expr.location, bind)
        if isinstance(kind, BoolType):
            return self._boolean(expr, operands)
        return self._float(expr, operands, kind, name)

    def _numeric(
        self,
        op: str,
        operands: list[str],
        types: list[ScalarType],
        result_type: ScalarType,
        location: Location | None,
        extra: str = "",
    ) -> str:
        result = self.fresh()
        listed = ", ".join(f'"{t}"' for t in types)
        inputs = ", ".join(scalar_text(t) for t in types)
        self.emit(
            f'{result} = "hls.{op}"({", ".join(operands)}) '
            f'{{types = [{listed}], result = "{result_type}"{extra and ", " + extra}}} : '
            f"({inputs}) -> {scalar_text(result_type)}",
            location,
        )
        return result

    def _boolean(self, expr: Apply, operands: list[str]) -> str:
        result = self.fresh()
        match expr.op:
            case "and" | "or" | "xor":
                text = f"arith.{expr.op}i {operands[0]}, {operands[1]} : i1"
            case "eq" | "ne":
                text = f"arith.cmpi {expr.op}, {operands[0]}, {operands[1]} : i1"
            case "lt" | "le" | "gt" | "ge":
                text = f"arith.cmpi u{expr.op}, {operands[0]}, {operands[1]} : i1"
            case "invert":
                true = self.fresh()
                self.emit(f"{true} = arith.constant true", expr.location)
                text = f"arith.xori {operands[0]}, {true} : i1"
            case "select":
                text = f"arith.select {', '.join(operands)} : i1"
            case _:
                raise InternalError(f"no operation {expr.op} on bool")
        self.emit(f"{result} = {text}", expr.location)
        return result

    def _float(self, expr: Apply, operands: list[str], type: ScalarType, name: str) -> str:
        kind = scalar_text(type)
        result = self.fresh()
        bind = self._binding(name, expr)
        attributes = f" {{{bind}}}" if bind else ""
        if expr.op in _ORDERED:
            text = (
                f"arith.cmpf {_ORDERED[expr.op]}, {operands[0]}, {operands[1]}{attributes} : {kind}"
            )
        elif expr.op in ("min", "max"):
            a, b = operands
            first, second = (b, a) if expr.op == "min" else (a, b)
            test = self.fresh()
            self.emit(f"{test} = arith.cmpf olt, {first}, {second} : {kind}", expr.location)
            text = f"arith.select {test}, {b}, {a} : {kind}"
        elif expr.op == "select":
            text = f"arith.select {', '.join(operands)} : {kind}"
        else:
            op = OPS[expr.op].float_op
            if op is None:
                raise InternalError(f"no operation {expr.op} on {type}")
            text = f"{op} {', '.join(operands)}{attributes} : {kind}"
        self.emit(f"{result} = {text}", expr.location)
        return result

    def _binding(self, statement: str, expr: Apply) -> str:
        names = operator_names(expr)
        for binding in self.bindings:
            if binding.statement == statement and binding.op in names:
                latency = "" if binding.latency is None else f", latency = {binding.latency} : i64"
                return f'hls.bind_op = {{op = "{binding.op}", impl = "{binding.impl}"{latency}}}'
        return ""


def operator_names(expr: Apply) -> tuple[str, ...]:
    """The names by which ``bind_op`` may mean an operation: ``fadd``, ``dmul``, ``mul`` …"""
    type = expr.operands[-1].type
    if isinstance(type, FloatType):
        return (f"{_FLOAT_PREFIX[type.width]}{expr.op}",)
    return (expr.op,)
