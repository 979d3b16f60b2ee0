"""Symbolic values: what a kernel computes with while it is recorded.

`IndexValue` is an affine function of loop variables, `Extremum` a minimum or maximum of such,
`Condition` a comparison of such; `Value` is data. An affine value becomes data (`Index`) where it
meets data. Every value knows the loop variables and the reads that it is made of, so that a use
outside a loop, or after the array has changed, is refused and not recorded as something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from pom.dsl.literals import Number, as_number, literal
from pom.dsl.locate import user_location
from pom.dsl.ranges import Interval, interval
from pom.dsl.source import python_construct
from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Apply, Const, Expr, Index
from pom.ir.location import Location
from pom.ir.ops import TypeRuleError, result_type
from pom.ir.types import FloatType, IntType, ScalarType

if TYPE_CHECKING:
    from pom.dsl.recorder import Recorder


@dataclass(eq=False, slots=True)
class LoopVariable:
    """A loop variable while its kernel is recorded; compared by identity."""

    name: str
    lowers: tuple[Affine, ...]
    uppers: tuple[Affine, ...]
    step: int
    range: Interval
    origin: Origin
    recorder: Recorder
    location: Location | None
    is_free: bool = False
    is_open: bool = False


@dataclass(eq=False, slots=True, frozen=True)
class Read:
    """A read of an array at a moment of the recording."""

    array: str
    moment: int
    location: Location | None
    is_free: bool


@dataclass(slots=True, frozen=True)
class Origin:
    """What a value is made of."""

    recorder: Recorder | None = None
    variables: frozenset[LoopVariable] = frozenset()
    reads: frozenset[Read] = field(default=frozenset())

    def __or__(self, other: Origin) -> Origin:
        if other is self or other.recorder is None:
            return self
        if self.recorder is None:
            return other
        if self.recorder is not other.recorder:
            raise PomError(
                "POM-D025",
                f"values of the kernels {self.recorder.name!r} and {other.recorder.name!r} meet",
                user_location(),
                "pass what a kernel needs as an argument",
            )
        return Origin(self.recorder, self.variables | other.variables, self.reads | other.reads)

    @property
    def ranges(self) -> dict[str, Interval]:
        return {v.name: v.range for v in self.variables}


EMPTY = Origin()

MAX_DEPTH = 128
"""Nesting of operations that every later stage handles without running out of stack."""
MAX_SIZE = 10_000
"""Operations of one statement; a value that is used twice counts twice, as it is computed twice."""


class Symbolic:
    """The operators that every symbolic value has."""

    __slots__ = ("origin",)
    __hash__ = object.__hash__
    __array_ufunc__ = None  # numpy scalars leave the operation to us

    origin: Origin

    def data(self) -> Value:
        """This value as data."""
        raise NotImplementedError

    def __add__(self, other: object) -> Any:
        return binary("add", self, other)

    def __radd__(self, other: object) -> Any:
        return binary("add", other, self)

    def __sub__(self, other: object) -> Any:
        return binary("sub", self, other)

    def __rsub__(self, other: object) -> Any:
        return binary("sub", other, self)

    def __mul__(self, other: object) -> Any:
        return binary("mul", self, other)

    def __rmul__(self, other: object) -> Any:
        return binary("mul", other, self)

    def __truediv__(self, other: object) -> Any:
        return binary("div", self, other)

    def __rtruediv__(self, other: object) -> Any:
        return binary("div", other, self)

    def __floordiv__(self, other: object) -> Any:
        return binary("floordiv", self, other)

    def __rfloordiv__(self, other: object) -> Any:
        return binary("floordiv", other, self)

    def __mod__(self, other: object) -> Any:
        return binary("mod", self, other)

    def __rmod__(self, other: object) -> Any:
        return binary("mod", other, self)

    def __pow__(self, other: object) -> Any:
        return binary("pow", self, other)

    def __rpow__(self, other: object) -> Any:
        return binary("pow", other, self)

    def __lshift__(self, other: object) -> Any:
        return binary("shl", self, other)

    def __rlshift__(self, other: object) -> Any:
        return binary("shl", other, self)

    def __rshift__(self, other: object) -> Any:
        return binary("shr", self, other)

    def __rrshift__(self, other: object) -> Any:
        return binary("shr", other, self)

    def __and__(self, other: object) -> Any:
        return binary("and", self, other)

    __rand__ = __and__

    def __or__(self, other: object) -> Any:
        return binary("or", self, other)

    __ror__ = __or__

    def __xor__(self, other: object) -> Any:
        return binary("xor", self, other)

    __rxor__ = __xor__

    def __lt__(self, other: object) -> Any:
        return binary("lt", self, other)

    def __le__(self, other: object) -> Any:
        return binary("le", self, other)

    def __gt__(self, other: object) -> Any:
        return binary("gt", self, other)

    def __ge__(self, other: object) -> Any:
        return binary("ge", self, other)

    def __eq__(self, other: object) -> Any:
        return binary("eq", self, other)

    def __ne__(self, other: object) -> Any:
        return binary("ne", self, other)

    def __neg__(self) -> Any:
        return apply("neg", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return apply("abs", self)

    def __invert__(self) -> Any:
        return apply("invert", self)

    def __bool__(self) -> NoReturn:
        location = user_location()
        what, hint = python_construct(location)
        raise PomError(
            "POM-D033", f"{what} of a symbolic value: it has no truth value yet", location, hint
        )

    def _no_number(self) -> NoReturn:
        raise PomError(
            "POM-D034",
            "a symbolic value is not a Python number",
            user_location(),
            "use pom.loop instead of range, and pom.sqrt, pom.cast … instead of math and float()",
        )

    def __int__(self) -> int:
        self._no_number()

    __index__ = __int__

    def __float__(self) -> float:
        self._no_number()

    def __complex__(self) -> complex:
        self._no_number()

    def __iter__(self) -> Any:
        raise PomError(
            "POM-D034", "a symbolic value cannot be iterated over", user_location(), "use pom.loop"
        )

    def __getitem__(self, key: object) -> Any:
        raise PomError(
            "POM-D020", "a scalar has no subscripts", user_location(), "drop the subscripts"
        )

    def __setitem__(self, key: object, value: object) -> None:
        raise PomError(
            "POM-D045",
            "a scalar argument or a computed value cannot be assigned",
            user_location(),
            "write to an array, or to a local scalar: t = pom.array('t', pom.f32)",
        )


class Value(Symbolic):
    """Data: an expression of the IR."""

    __slots__ = ("depth", "expr", "size")

    def __init__(self, expr: Expr, origin: Origin, parts: Sequence[Value] = ()) -> None:
        self.expr = expr
        self.origin = origin
        self.depth: int = 1 + max((p.depth for p in parts), default=0)
        self.size: int = 1 + sum(p.size for p in parts)
        if self.depth > MAX_DEPTH or self.size > MAX_SIZE:
            raise PomError(
                "POM-D051",
                f"an expression of {self.size} operations, {self.depth} of them nested: "
                f"at most {MAX_SIZE}, {MAX_DEPTH} of them nested",
                user_location(),
                "use a recorded loop, or keep partial results in a local scalar",
            )

    def data(self) -> Value:
        return self

    @property
    def type(self) -> ScalarType:
        """The scalar type."""
        return self.expr.type

    def __repr__(self) -> str:
        return f"<{self.expr.type} value {self.expr}>"


class IndexValue(Symbolic):
    """An affine function of loop variables."""

    __slots__ = ("affine",)

    def __init__(self, affine: Affine, origin: Origin) -> None:
        self.affine = affine
        self.origin = origin

    def data(self) -> Value:
        location = user_location()
        low, high = interval(self.affine, self.origin.ranges)
        # Signed 32 bits as C++'s int; wider only where the values need it.
        for width in (32, 64):
            type = IntType(width)
            if type.minimum <= low and high <= type.maximum:
                return Value(Index(self.affine, type, location), self.origin)
        raise PomError(
            "POM-D005",
            f"the index {self.affine} reaches {high if high > -low else low}, beyond 64 bits",
            location,
            "use smaller ranges and constants",
        )

    def __repr__(self) -> str:
        return f"<index {self.affine}>"


class Iterator(IndexValue):
    """A loop variable."""

    __slots__ = ("variable",)

    def __init__(self, variable: LoopVariable) -> None:
        super().__init__(
            Affine.var(variable.name),
            Origin(variable.recorder, frozenset((variable,))),
        )
        self.variable = variable

    def __iter__(self) -> Any:
        # So that both `i = pom.vars(i=8)` and `(i,) = pom.vars(i=8)` work.
        if not self.variable.is_free:
            return super().__iter__()
        return iter((self,))


class Extremum(Symbolic):
    """The minimum or maximum of affine values: a loop bound, or data."""

    __slots__ = ("kind", "operands")

    def __init__(self, kind: str, operands: tuple[Affine, ...], origin: Origin) -> None:
        self.kind = kind
        self.operands = operands
        self.origin = origin

    def data(self) -> Value:
        result = IndexValue(self.operands[0], self.origin).data()
        for operand in self.operands[1:]:
            result = apply_data(self.kind, result, IndexValue(operand, self.origin).data())
        return result

    def shifted(self, by: Affine, origin: Origin) -> Extremum:
        """The extremum of every operand plus `by`."""
        return Extremum(self.kind, tuple(o + by for o in self.operands), self.origin | origin)


class Condition(Symbolic):
    """A comparison of affine values. `constraints` is None where it is no conjunction."""

    __slots__ = ("constraints", "value")

    def __init__(
        self, constraints: tuple[Constraint, ...] | None, value: Value, origin: Origin
    ) -> None:
        self.constraints = constraints
        self.value = value
        self.origin = origin

    def data(self) -> Value:
        return self.value


Affinelike = IndexValue | int
_COMPARISONS = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))


def as_affine_value(value: object) -> IndexValue | None:
    """`value` as an affine value: an index, or a Python or numpy integer."""
    if isinstance(value, IndexValue):
        return value
    if isinstance(value, Symbolic):
        return None
    number = as_number(value)
    if isinstance(number, int) and not isinstance(number, bool):
        return IndexValue(Affine.const(number), EMPTY)
    return None


def binary(op: str, left: object, right: object) -> Any:
    """``left op right``: affine where it can be, data otherwise; NotImplemented for strangers."""
    for side in (left, right):
        if not isinstance(side, Symbolic) and as_number(side) is None:
            return NotImplemented
    if not isinstance(left, Value) and not isinstance(right, Value):
        a, b = as_affine_value(left), as_affine_value(right)
        if a is not None and b is not None:
            found = _affine_binary(op, a, b)
            if found is not None:
                return found
        if isinstance(left, Extremum) or isinstance(right, Extremum):
            for rewrite in (_shifted, _compared):
                rewritten = rewrite(op, left, right)
                if rewritten is not None:
                    return rewritten
        if op == "and" and isinstance(left, Condition) and isinstance(right, Condition):
            return _conjunction(left, right)
    return data_binary(op, left, right)


def _affine_binary(op: str, a: IndexValue, b: IndexValue) -> Symbolic | None:
    origin = a.origin | b.origin
    x, y = a.affine, b.affine
    if op in _COMPARISONS:
        return _compare(op, x, y, apply_data(op, a.data(), b.data()), origin)
    match op:
        case "add":
            return IndexValue(x + y, origin)
        case "sub":
            return IndexValue(x - y, origin)
        case "mul" if y.is_constant:
            return IndexValue(x * y.constant, origin)
        case "mul" if x.is_constant:
            return IndexValue(y * x.constant, origin)
        case "floordiv" | "mod" if y.is_constant:
            if y.constant <= 0:
                raise PomError(
                    "POM-D030",
                    f"an index divided by {y.constant}",
                    user_location(),
                    "divide by a positive integer constant",
                )
            return IndexValue(x // y.constant if op == "floordiv" else x % y.constant, origin)
        case "div":
            raise PomError(
                "POM-D040",
                "true division of indices",
                user_location(),
                "use // for the rounded-down quotient, or pom.cast(i, pom.f32) for data",
            )
    return None


def _compare(op: str, x: Affine, y: Affine, value: Value, origin: Origin) -> Condition:
    match op:
        case "lt":
            constraints = (Constraint(y - x - _ONE),)
        case "le":
            constraints = (Constraint(y - x),)
        case "gt":
            constraints = (Constraint(x - y - _ONE),)
        case "ge":
            constraints = (Constraint(x - y),)
        case "eq":
            constraints = (Constraint(x - y, True),)
        case _:
            return Condition(None, value, origin)
    return Condition(constraints, value, origin)


_ONE = Affine.const(1)


def _shifted(op: str, left: object, right: object) -> Extremum | None:
    """``min(a, b) + c`` as ``min(a + c, b + c)``."""
    if op == "sub" and isinstance(right, (IndexValue, Extremum)):
        right = -right
    elif op == "sub":
        by = as_affine_value(right)
        right = None if by is None else -by
    elif op != "add":
        return None
    for extremum, other in ((left, right), (right, left)):
        by = as_affine_value(other)
        if isinstance(extremum, Extremum) and by is not None:
            return extremum.shifted(by.affine, by.origin)
    return None


_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_CONJUNCTIONS = {("lt", "min"), ("le", "min"), ("gt", "max"), ("ge", "max")}


def _compared(op: str, left: object, right: object) -> Condition | None:
    """``x < min(a, b)`` as ``x < a and x < b``, and its likes; None for a disjunction."""
    if op not in _MIRRORED:
        return None
    if isinstance(left, Extremum):
        left, right, op = right, left, _MIRRORED[op]
    by = as_affine_value(left)
    if by is None or not isinstance(right, Extremum) or (op, right.kind) not in _CONJUNCTIONS:
        return None
    result: Condition | None = None
    for operand in right.operands:
        one = _affine_binary(op, by, IndexValue(operand, right.origin))
        if isinstance(one, Condition):
            result = one if result is None else _conjunction(result, one)
    return result


def _conjunction(a: Condition, b: Condition) -> Condition:
    both = (
        None if a.constraints is None or b.constraints is None else (*a.constraints, *b.constraints)
    )
    return Condition(both, apply_data("and", a.value, b.value), a.origin | b.origin)


def data_binary(op: str, left: object, right: object) -> Value:
    """``left op right`` on data; a number takes its type from the other side."""
    a, b = operands(left, right)
    if op == "floordiv":
        if any(isinstance(v.type, IntType) and v.type.signed for v in (a, b)):
            raise PomError(
                "POM-D043",
                f"{a.type} // {b.type}: C++ has no rounding-down division of signed integers",
                user_location(),
                "use /, which truncates towards zero as C++ does",
            )
        if not isinstance(a.type, IntType):
            raise PomError(
                "POM-D043", f"{a.type} // {b.type}", user_location(), "use pom.floor(a / b)"
            )
        op = "div"
    by_zero = isinstance(b.expr, Const) and b.expr.value == 0
    if op in ("div", "mod") and by_zero and not isinstance(b.type, FloatType):
        raise PomError(
            "POM-D049",
            f"{a.type} divided by the literal 0",
            user_location(),
            "only floats have a quotient by zero",
        )
    return apply_data(op, a, b)


def operands(*values: object) -> tuple[Value, ...]:
    """Data operands; the numbers among them adapt to the first one that has a type."""
    location = user_location()
    known = next((v.data() for v in values if isinstance(v, Symbolic)), None)
    if known is None:
        raise PomError(
            "POM-D046",
            "only Python numbers: they have no type here",
            location,
            "give one of them a type, as in pom.cast(1.5, pom.f32), or compute it in Python",
        )
    found = []
    for value in values:
        if isinstance(value, Symbolic):
            found.append(value.data())
            continue
        number = as_number(value)
        if number is None:
            raise PomError("POM-D047", f"{value!r} is no operand of a kernel", location)
        found.append(Value(_adapted(number, known.type, location), EMPTY))
    return tuple(found)


def _adapted(number: Number, type: ScalarType, location: Location | None) -> Expr:
    return literal(number, type, location)


def apply_data(op: str, *values: Value) -> Value:
    """The operation `op` of `pom.ir.ops.OPS` on data."""
    location = user_location()
    try:
        type = result_type(op, tuple(v.expr.type for v in values))
    except TypeRuleError as error:
        summary, _, hint = str(error).partition(": ")
        raise PomError(
            "POM-D040", summary, location, hint or "convert an operand with pom.cast(x, type)"
        ) from None
    origin = values[0].origin
    for value in values[1:]:
        origin = origin | value.origin
    return Value(Apply(op, tuple(v.expr for v in values), type, location), origin, values)


def apply(op: str, value: Symbolic) -> Symbolic:
    """A unary operation: affine or a condition where it can be, data otherwise."""
    if op == "neg":
        if isinstance(value, IndexValue):
            return IndexValue(-value.affine, value.origin)
        if isinstance(value, Extremum):
            kind = "max" if value.kind == "min" else "min"
            return Extremum(kind, tuple(-o for o in value.operands), value.origin)
    if op == "invert" and isinstance(value, Condition):
        inverse = apply_data("invert", value.value)
        match value.constraints:
            case (Constraint(expression, False),):
                return Condition((Constraint(-expression - _ONE),), inverse, value.origin)
            case _:
                return Condition(None, inverse, value.origin)
    return apply_data(op, value.data())
