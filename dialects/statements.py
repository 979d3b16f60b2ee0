"""Bodies of statements in MLIR, for levels 1 and 2.

A body is straight-line code that ends in one ``graph.store`` or one ``graph.call``. Iterators have
names, not values: affine subscripts are texts over them. A subscript that depends on data is
``$k``, the operand `k` of the operation.

    %0 = "graph.load"() {array = @A, subscripts = ["i", "k - 1"]} : () -> f32
    %1 = "graph.mul"(%0, %0) : (f32, f32) -> f32
    "graph.store"(%1) {array = @C, subscripts = ["i"]} : (f32) -> ()
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pom.dialects import irdl
from pom.dialects.graph_types import from_mlir_scalar, to_mlir_type
from pom.dialects.locations import to_mlir_location
from pom.dialects.reading import Reader, Symbol, to_attribute
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Assign, Call, Statement
from pom.ir.location import Location
from pom.ir.ops import OPS
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType

if TYPE_CHECKING:
    from mlir.ir import Operation, Value

MAX_NODES = 100_000
"""Most nodes of one expression, shared parts counted as often as they are used."""

MAX_DEPTH = 800
"""Deepest nesting of one expression."""

_OPERAND = re.compile(r"\$(\d{1,9})")
_FRACTION = re.compile(r"-?\d+(/0*[1-9]\d*)?")


def definitions() -> list[irdl.OpDefinition]:
    """The operations of bodies, one for every entry of `pom.ir.ops.OPS`."""
    place = {"array": irdl.SYMBOL, "subscripts": irdl.ARRAY}
    data = {"data_subscripts": f"variadic {irdl.ANY}"}
    value = {"value": irdl.ANY}
    return [
        irdl.OpDefinition("constant", results=value, attributes={"value": irdl.STRING}),
        irdl.OpDefinition("index", results=value, attributes={"affine": irdl.STRING}),
        irdl.OpDefinition("argument", results=value, attributes={"name": irdl.SYMBOL}),
        irdl.OpDefinition("load", operands=data, results=value, attributes=place),
        irdl.OpDefinition("store", operands={**value, **data}, attributes=place),
        irdl.OpDefinition(
            "call",
            operands={"scalars": f"variadic {irdl.ANY}"},
            attributes={"callee": irdl.SYMBOL, "arguments": irdl.ARRAY},
        ),
        *(
            irdl.OpDefinition(
                name, {f"operand{k}": irdl.ANY for k in range(spec.arity)}, {"result": irdl.ANY}
            )
            for name, spec in OPS.items()
        ),
    ]


def literal_text(value: bool | int | float | Fraction) -> str:
    """Exact text of a literal, read back by `parse_literal`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_literal(text: str, kind: ScalarType) -> bool | int | float | Fraction:
    """The literal of a type; ValueError where the text is none."""
    match kind:
        case BoolType():
            if text not in ("true", "false"):
                raise ValueError(f"{text!r} is neither 'true' nor 'false'")
            return text == "true"
        case IntType():
            return int(text)
        case FixedType():
            if not _FRACTION.fullmatch(text):
                raise ValueError(f"{text!r} is not a fraction such as '-3/4'")
            return Fraction(text)
        case FloatType():
            return float(text)


class BodyWriter:
    """Writes the body of one statement at the current insertion point."""

    def __init__(self) -> None:
        self._values: dict[int, Value] = {}

    def write(self, statement: Statement) -> None:
        """Every operation of `statement`."""
        match statement:
            case Assign():
                value = self._value(statement.value)
                subscripts, data = self._subscripts(statement.target.subscripts, 1)
                place = {"array": Symbol(statement.target.array), "subscripts": subscripts}
                _operation("graph.store", statement.location, [value, *data], place)
            case Call():
                arguments: list[str] = []
                scalars: list[Value] = []
                for argument in statement.arguments:
                    if isinstance(argument, str):
                        arguments.append(Symbol(argument))
                    else:
                        arguments.append(f"${len(scalars)}")
                        scalars.append(self._value(argument))
                attributes = {"callee": Symbol(statement.callee), "arguments": arguments}
                _operation("graph.call", statement.location, scalars, attributes)

    def _value(self, expr: Expr) -> Value:
        # Keyed by identity: a shared subexpression is written once, and stays alive meanwhile.
        if id(expr) not in self._values:
            self._values[id(expr)] = self._write(expr)
        return self._values[id(expr)]

    def _write(self, expr: Expr) -> Value:
        operands: list[Value] = []
        attributes: dict[str, Any] = {}
        match expr:
            case Const():
                name, attributes = "constant", {"value": literal_text(expr.value)}
            case Index():
                name, attributes = "index", {"affine": str(expr.affine)}
            case Argument():
                name, attributes = "argument", {"name": Symbol(expr.name)}
            case Load():
                name = "load"
                subscripts, operands = self._subscripts(expr.access.subscripts, 0)
                attributes = {"array": Symbol(expr.access.array), "subscripts": subscripts}
            case Apply():
                name = expr.op
                operands = [self._value(o) for o in expr.operands]
        return _operation(f"graph.{name}", expr.location, operands, attributes, expr.type).result

    def _subscripts(
        self, subscripts: Sequence[Affine | Expr], first: int
    ) -> tuple[list[str], list[Value]]:
        texts: list[str] = []
        data: list[Value] = []
        for subscript in subscripts:
            if isinstance(subscript, Affine):
                texts.append(str(subscript))
            else:
                texts.append(f"${first + len(data)}")
                data.append(self._value(subscript))
        return texts, data


def _operation(
    name: str,
    location: Location | None,
    operands: Sequence[Value],
    attributes: dict[str, Any],
    result: ScalarType | None = None,
) -> Operation:
    from mlir.ir import Operation

    return Operation.create(
        name,
        operands=list(operands),
        results=[] if result is None else [to_mlir_type(result)],
        attributes={key: to_attribute(value) for key, value in attributes.items()},
        loc=to_mlir_location(location),
    )


class BodyReader:
    """Reads the body of one statement."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._exprs: dict[Value, Expr] = {}
        self._size: dict[Value, tuple[int, int]] = {}

    def read(self, statement: Operation, name: str) -> Statement:
        """The statement called `name` whose body the region of `statement` is."""
        reader = self.reader
        result: Statement | None = None
        for operation in reader.body(statement):
            if result is not None:
                reader.fail(operation, "stands behind the store or call that ends the statement")
            match operation.name:
                case "graph.store":
                    result = self._store(operation, name)
                case "graph.call":
                    result = self._call(operation, name)
                case _:
                    self._expression(operation)
        if result is None:
            reader.fail(statement, f"statement {name!r} ends in neither graph.store nor graph.call")
        return result

    def _store(self, operation: Operation, name: str) -> Assign:
        if not len(operation.operands):
            self.reader.fail(operation, "has no value to store")
        value = self._operand(operation, 0)
        return Assign(name, self._access(operation, 1), value, self.reader.location(operation))

    def _call(self, operation: Operation, name: str) -> Call:
        arguments: list[str | Expr] = []
        used = 0
        for text in self.reader.texts(operation, "arguments"):
            if isinstance(text, Symbol):
                arguments.append(str(text))
            elif text == f"${used}":
                arguments.append(self._operand(operation, used))
                used += 1
            else:
                self.reader.fail(operation, f"argument {text!r} is neither an array nor '${used}'")
        if used != len(operation.operands):
            self.reader.fail(operation, "an operand is not among the arguments")
        callee = self.reader.symbol(operation, "callee")
        return Call(name, callee, tuple(arguments), self.reader.location(operation))

    def _operand(self, operation: Operation, position: int) -> Expr:
        if position >= len(operation.operands):
            self.reader.fail(operation, f"has no operand ${position}")
        value = operation.operands[position]
        if value not in self._exprs:
            self.reader.fail(operation, f"operand ${position} is made outside the statement")
        return self._exprs[value]

    def _access(self, operation: Operation, first: int) -> Access:
        subscripts: list[Affine | Expr] = []
        for text in self.reader.texts(operation, "subscripts"):
            if found := _OPERAND.fullmatch(text):
                subscripts.append(self._operand(operation, int(found[1])))
            else:
                subscripts.append(self.reader.affine(operation, text))
        data = sum(not isinstance(s, Affine) for s in subscripts)
        if first + data != len(operation.operands):
            self.reader.fail(operation, "an operand is not among the subscripts")
        return Access(self.reader.symbol(operation, "array"), tuple(subscripts))

    def _expression(self, operation: Operation) -> None:
        if not operation.name.startswith("graph.") or len(operation.results) != 1:
            self.reader.fail(operation, "is not an operation of a statement's body")
        result = operation.results[0]
        below = [self._size.get(o, (1, 1)) for o in operation.operands]
        nodes = 1 + sum(n for n, _ in below)
        depth = 1 + max((d for _, d in below), default=0)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            self.reader.fail(operation, "the expression is too large", "store a part of it first")
        self._exprs[result] = self._build(operation)
        self._size[result] = (nodes, depth)

    def _build(self, operation: Operation) -> Expr:
        reader, location = self.reader, self.reader.location(operation)
        try:
            kind = from_mlir_scalar(operation.results[0].type)
            if operation.name == "graph.constant":
                return Const(parse_literal(reader.text(operation, "value"), kind), kind, location)
        except ValueError as error:
            reader.fail(operation, str(error))
        match operation.name.removeprefix("graph."):
            case "index":
                return Index(
                    reader.affine(operation, reader.text(operation, "affine")), kind, location
                )
            case "argument":
                return Argument(reader.symbol(operation, "name"), kind, location)
            case "load":
                return Load(self._access(operation, 0), kind, location)
            case op if op in OPS:
                operands = [self._operand(operation, k) for k in range(len(operation.operands))]
                return Apply(op, tuple(operands), kind, location)
        raise reader.failure(operation, "is not an operation of a statement's body")
