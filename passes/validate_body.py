"""Does a segment of level 3 compute what its statement says, from the elements it should?

The operations are followed backwards from the store and compared with the expression tree of the
statement. Subscripts that are equal as linear forms are equal; the others are handed back as claims
for isl to decide over the instances that run.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from mlir.ir import BlockArgument, FloatAttr, Operation, Value

from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Assign, Call
from pom.ir.ops import OPS
from pom.ir.poly import PolyProgram
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType
from pom.passes.validate_linear import Linear, from_affine, substitute
from pom.passes.validate_read import FunctionReader, Occurrence

_PACK = {16: "<e", 32: "<f", 64: "<d"}
_FLOAT_TEST = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_BOOL_TEST = {"lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge", "eq": "eq", "ne": "ne"}
_FLOAT_TESTS = "false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true"
_FLOAT_NUMBER = {name: k for k, name in enumerate(_FLOAT_TESTS.split())}
_INTEGER_TESTS = "eq ne slt sle sgt sge ult ule ugt uge"
_INTEGER_NUMBER = {name: k for k, name in enumerate(_INTEGER_TESTS.split())}


@dataclass(frozen=True, slots=True)
class Claim:
    """`found` must equal `expected` wherever the segment runs; `what` is for the error."""

    what: str
    found: Linear
    expected: Linear


class MismatchError(Exception):
    """The segment computes something else; the text says where they part."""


@dataclass(slots=True)
class BodyMatcher:
    """Compares segments with statements of one function.

    Parameters
    ----------
    values : mapping of str to Value
        What the names of the program's parameters and local arrays stand for.
    """

    program: PolyProgram
    reader: FunctionReader
    values: Mapping[str, Value]
    claims: list[Claim] = field(default_factory=list)
    iterators: dict[str, Linear] = field(default_factory=dict)
    segment: dict[Value, Operation] = field(default_factory=dict)
    used: set[Value] = field(default_factory=set)
    matched: set[tuple[int, Value]] = field(default_factory=set)

    def match(self, occurrence: Occurrence) -> tuple[Claim, ...]:
        """What isl must still prove for `occurrence`.

        Raises
        ------
        MismatchError
            The operations are not the statement.
        """
        statement = self.program.statement(occurrence.statement)
        self.claims = []
        names = statement.iterators
        if len(names) != len(occurrence.iterators):
            raise MismatchError(f"the marker has {len(occurrence.iterators)} iterators")
        self.iterators = dict(zip(names, occurrence.iterators, strict=True))
        self.segment = {r: op for op in occurrence.operations for r in op.results}
        self.used = set()
        self.matched = set()
        last = occurrence.operations[-1]
        match statement.body:
            case Assign() as body:
                self._assign(body, last)
            case Call() as body:
                self._call(body, last)
        unread = [op for r, op in self.segment.items() if r not in self.used]
        if any(op.name.endswith(".load") for op in unread):
            raise MismatchError("an element is loaded and not used")
        return tuple(self.claims)

    def _assign(self, body: Assign, store: Operation) -> None:
        if not store.name.endswith(".store"):
            raise MismatchError(f"it ends in {store.name}, not in a store")
        element = self.program.arrays[body.target.array].type.element
        value = body.value
        if value.type != element:
            value = Apply("cast", (value,), element)
        self._access(body.target, store, 1)
        self._expr(value, store.operands[0])

    def _call(self, body: Call, call: Operation) -> None:
        if call.name != "func.call":
            raise MismatchError(f"it ends in {call.name}, not in a call")
        if str(call.attributes["callee"]) != f"@{body.callee}":
            raise MismatchError(f"it calls {call.attributes['callee']}, not {body.callee}")
        for argument, operand in zip(body.arguments, call.operands, strict=True):
            if isinstance(argument, str):
                if operand != self.values[argument]:
                    raise MismatchError(f"the call of {body.callee} is not given {argument}")
            else:
                self._expr(argument, operand)

    def _claim(self, what: str, found: Linear, expected: Affine) -> None:
        wanted = substitute(from_affine(expected), self.iterators)
        if found != wanted:
            self.claims.append(Claim(what, found, wanted))

    def _access(self, access: Access, op: Operation, first: int) -> None:
        """The array and subscripts of a load (`first` is 0) or a store (1)."""
        operands = tuple(op.operands)
        if operands[first] != self.values[access.array]:
            raise MismatchError(f"{op.name} is not of {access.array}")
        if op.name.startswith("affine."):
            found = self.reader.map_results(op, "map", operands[first + 1 :])
            for position, (s, form) in enumerate(zip(access.subscripts, found, strict=True)):
                if not isinstance(s, Affine):
                    raise MismatchError(f"subscript {position} of {access} is data")
                self._claim(f"subscript {position} of {access}", form, s)
            return
        for position, (s, value) in enumerate(
            zip(access.subscripts, operands[first + 1 :], strict=True)
        ):
            if isinstance(s, Affine):
                self._claim(f"subscript {position} of {access}", self.reader.index(value), s)
                continue
            signed = not isinstance(s.type, IntType) or s.type.signed
            cast = self._inside(value, "arith.index_cast" if signed else "arith.index_castui")
            self._expr(s, cast.operands[0])

    def _inside(self, value: Value, *names: str) -> Operation:
        """The operation of this segment that makes `value`, one of `names`."""
        op = self.segment.get(value)
        if op is None:
            raise MismatchError(f"{names[0]} was expected, but the value is from elsewhere")
        if op.name not in names:
            raise MismatchError(f"{op.name} in the place of {names[0]}")
        self.used.add(value)
        return op

    def _expr(self, expr: Expr, value: Value) -> None:
        # min and max read their operands twice: a pair that matched is not walked again
        key = (id(expr), value)
        if key in self.matched:
            return
        self.matched.add(key)
        match expr:
            case Const():
                self._constant(expr, value)
            case Argument():
                if value != self.values[expr.name]:
                    raise MismatchError(f"the argument {expr.name} was expected")
            case Index():
                op = self._inside(value, "hls.index")
                self._attribute(op, "result", str(expr.type))
                self._claim(
                    f"the index {expr.affine}", self.reader.index(op.operands[0]), expr.affine
                )
            case Load():
                self._access(expr.access, self._inside(value, "affine.load", "memref.load"), 0)
            case Apply():
                self._apply(expr, value)

    def _constant(self, expr: Const, value: Value) -> None:
        if isinstance(value, BlockArgument) or value.owner.name != "arith.constant":
            raise MismatchError(f"the constant {expr} was expected")
        self.used.add(value)
        attribute = value.owner.attributes["value"]
        expected = f"{_mlir_type(expr.type)}"
        if str(value.type) != expected:
            raise MismatchError(f"the constant {expr} has type {value.type}")
        match expr.type:
            case FloatType(width=width):
                same = _bits(FloatAttr(attribute).value, width) == _bits(float(expr.value), width)
            case BoolType():
                same = str(attribute) == ("true" if expr.value else "false")
            case FixedType() as fixed:
                raw = Fraction(expr.value) * Fraction(2) ** fixed.fraction_bits
                same = _same_bits(attribute, raw, fixed.width)
            case IntType(width=width):
                same = _same_bits(attribute, Fraction(expr.value), width)
        if not same:
            raise MismatchError(f"the constant {expr} is {attribute}")

    def _apply(self, expr: Apply, value: Value) -> None:
        types = [o.type for o in expr.operands]
        kind = types[-1]
        if expr.op == "cast" or isinstance(kind, (IntType, FixedType)):
            op = self._inside(value, f"hls.{expr.op}")
            listed = ", ".join(f'"{t}"' for t in types)
            self._attribute(op, "types", f"[{listed}]")
            self._attribute(op, "result", str(expr.type))
            self._operands(expr, op)
        elif isinstance(kind, BoolType):
            self._boolean(expr, value)
        else:
            self._float(expr, value)

    def _operands(self, expr: Apply, op: Operation) -> None:
        for operand, given in zip(expr.operands, op.operands, strict=True):
            self._expr(operand, given)

    def _boolean(self, expr: Apply, value: Value) -> None:
        match expr.op:
            case "and" | "or" | "xor":
                self._operands(expr, self._inside(value, f"arith.{expr.op}i"))
            case "invert":
                op = self._inside(value, "arith.xori")
                self._expr(expr.operands[0], op.operands[0])
                self._constant(Const(True, BoolType()), op.operands[1])
            case "select":
                self._operands(expr, self._inside(value, "arith.select"))
            case test if test in _BOOL_TEST:
                op = self._inside(value, "arith.cmpi")
                self._predicate(op, _INTEGER_NUMBER[_BOOL_TEST[test]])
                self._operands(expr, op)
            case _:
                raise MismatchError(f"{expr.op} of bool is not known")

    def _float(self, expr: Apply, value: Value) -> None:
        match expr.op:
            case "min" | "max":
                # min(a, b) is b < a ? b : a, and max(a, b) is a < b ? b : a
                a, b = expr.operands
                op = self._inside(value, "arith.select")
                test = self._inside(op.operands[0], "arith.cmpf")
                self._predicate(test, _FLOAT_NUMBER["olt"])
                first, second = (b, a) if expr.op == "min" else (a, b)
                self._expr(first, test.operands[0])
                self._expr(second, test.operands[1])
                self._expr(b, op.operands[1])
                self._expr(a, op.operands[2])
            case "select":
                self._operands(expr, self._inside(value, "arith.select"))
            case test if test in _FLOAT_TEST:
                op = self._inside(value, "arith.cmpf")
                self._predicate(op, _FLOAT_NUMBER[_FLOAT_TEST[test]])
                self._operands(expr, op)
            case _:
                name = OPS[expr.op].float_op
                if name is None:
                    raise MismatchError(f"{expr.op} of floats is not known")
                op = self._inside(value, name)
                if "fastmath" in op.attributes and "none" not in str(op.attributes["fastmath"]):
                    raise MismatchError(f"{name} may be reassociated")
                self._operands(expr, op)

    def _predicate(self, op: Operation, number: int) -> None:
        found = int(str(op.attributes["predicate"]).partition(" ")[0])
        if found != number:
            raise MismatchError(f"{op.name} has predicate {found}, not {number}")

    def _attribute(self, op: Operation, name: str, expected: str) -> None:
        found = str(op.attributes[name]).strip('"')
        if found != expected.strip('"'):
            raise MismatchError(f"{name} of {op.name} is {found}, not {expected}")


def _mlir_type(type: ScalarType) -> str:
    return f"f{type.width}" if isinstance(type, FloatType) else f"i{type.width}"


def _bits(value: float, width: int) -> bytes:
    try:
        return struct.pack(_PACK[width], value)
    except OverflowError:
        return struct.pack(_PACK[width], float("inf") if value > 0 else float("-inf"))


def _same_bits(attribute: object, value: Fraction, width: int) -> bool:
    # one bit is printed as a truth value, whatever it means
    word = str(attribute).partition(" ")[0]
    found = {"true": 1, "false": 0}.get(word)
    if found is None:
        found = int(word)
    return value.denominator == 1 and (found - value.numerator) % (1 << width) == 0
