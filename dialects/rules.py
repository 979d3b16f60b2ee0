"""Rules that statements of levels 1 and 2 share: names, types, accesses, expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from pom.dialects.graph_types import type_problem
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.convert import conversion_problem
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load, walk
from pom.ir.graph import Array, Assign, Call, Scalar, Statement
from pom.ir.location import Location
from pom.ir.ops import OPS, TypeRuleError, result_type
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType


def check_name(name: str, what: str, location: Location | None) -> None:
    """POM-G010: names reach C++ and isl, so only ASCII identifiers are names."""
    if not name.isascii() or not name.isidentifier():
        raise PomError("POM-G010", f"{name!r} cannot be the name of {what}", location)


def check_unique(names: Iterable[tuple[str, Location | None]], what: str) -> None:
    """POM-G011: one name, one thing."""
    seen: set[str] = set()
    for name, location in names:
        if name in seen:
            raise PomError("POM-G011", f"two {what} are called {name!r}", location)
        seen.add(name)


def check_declarations(
    params: tuple[Scalar | Array, ...],
    local: tuple[Array, ...],
    location: Location | None,
) -> None:
    """Names and types of parameters and local arrays."""
    declared = (*params, *local)
    for value in declared:
        check_name(value.name, "a parameter or array", value.location or location)
        if problem := type_problem(value.type):
            raise PomError("POM-G012", f"{value.name!r}: {problem}", value.location or location)
    check_unique(((v.name, v.location or location) for v in declared), "parameters or arrays")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a statement may name: arrays, scalars, iterators, and the parameters of callees."""

    arrays: Mapping[str, Array]
    scalars: Mapping[str, Scalar]
    callees: Mapping[str, tuple[Scalar | Array, ...]]
    iterators: frozenset[str]

    def check(self, statement: Statement) -> None:
        """Every rule of a statement's body.

        Raises
        ------
        PomError
            POM-G013 to POM-G021.
        """
        match statement:
            case Assign():
                target = self._access(statement.target, statement.location)
                for subscript in statement.target.subscripts:
                    if not isinstance(subscript, Affine):
                        self._expression(subscript, statement.location)
                self._expression(statement.value, statement.location)
                if statement.value.type != target:
                    raise PomError(
                        "POM-G017",
                        f"statement {statement.name!r} stores {statement.value.type} into "
                        f"{statement.target.array!r}, whose elements are {target}",
                        statement.location,
                        "convert the value with a cast",
                    )
            case Call():
                self._call(statement)

    def check_affine(self, affine: Affine, location: Location | None) -> None:
        """POM-G015: only iterators in scope."""
        for name in sorted(affine.variables - self.iterators):
            raise PomError(
                "POM-G015",
                f"{name!r} in {affine} is not an iterator here",
                location,
                f"iterators: {', '.join(sorted(self.iterators)) or 'none'}",
            )

    def _access(self, access: Access, location: Location | None) -> ScalarType:
        """The element type of a valid access; the nodes inside its subscripts are not checked."""
        array = self.arrays.get(access.array)
        if array is None:
            raise PomError("POM-G013", f"there is no array {access.array!r}", location)
        if len(access.subscripts) != array.type.rank:
            raise PomError(
                "POM-G014",
                f"{access} has {len(access.subscripts)} subscripts, "
                f"{access.array!r} has {array.type.rank} dims",
                location,
            )
        for subscript in access.subscripts:
            if isinstance(subscript, Affine):
                self.check_affine(subscript, location)
            elif not isinstance(subscript.type, IntType):
                raise PomError(
                    "POM-G014",
                    f"subscript {subscript} of {access.array!r} is {subscript.type}, "
                    "not an integer",
                    location,
                )
        return array.type.element

    def _expression(self, expr: Expr, location: Location | None) -> None:
        for node in walk(expr):
            self._node(node, node.location or location)

    def _node(self, node: Expr, location: Location | None) -> None:
        if problem := type_problem(node.type):
            raise PomError("POM-G012", problem, location)
        match node:
            case Const():
                check_literal(node, location)
            case Index():
                self.check_affine(node.affine, location)
                if not isinstance(node.type, IntType):
                    raise PomError(
                        "POM-G016", f"{node} has type {node.type}, not an integer", location
                    )
            case Argument():
                scalar = self.scalars.get(node.name)
                if scalar is None:
                    raise PomError(
                        "POM-G013", f"there is no scalar argument {node.name!r}", location
                    )
                _same_type(node, scalar.type, location)
            case Load():
                # `walk` visits the nodes of data-dependent subscripts by itself.
                _same_type(node, self._access(node.access, location), location)
            case Apply():
                _check_operation(node, location)

    def _call(self, call: Call) -> None:
        params = self.callees.get(call.callee)
        if params is None:
            raise PomError("POM-G020", f"there is no kernel {call.callee!r}", call.location)
        if len(params) != len(call.arguments):
            raise PomError(
                "POM-G021",
                f"{call.callee!r} takes {len(params)} arguments, {call.name!r} gives "
                f"{len(call.arguments)}",
                call.location,
            )
        for param, argument in zip(params, call.arguments, strict=True):
            if isinstance(argument, str):
                if argument not in self.arrays:
                    raise PomError("POM-G013", f"there is no array {argument!r}", call.location)
                given: object = self.arrays[argument].type
            else:
                self._expression(argument, call.location)
                given = argument.type
            if given != param.type:
                raise PomError(
                    "POM-G021",
                    f"parameter {param.name!r} of {call.callee!r} is {param.type}, not {given}",
                    call.location,
                )


def _same_type(node: Expr, declared: ScalarType, location: Location | None) -> None:
    if node.type != declared:
        raise PomError("POM-G017", f"{node} is declared {declared}, not {node.type}", location)


def check_literal(literal: Const, location: Location | None) -> None:
    """POM-G018: a literal is exactly a value of its type."""
    value, kind = literal.value, literal.type
    match kind:
        case BoolType():
            fits = isinstance(value, bool)
        case IntType():
            fits = type(value) is int and kind.minimum <= value <= kind.maximum
        case FixedType():
            fits = isinstance(value, Fraction) and _is_raw(value, kind)
        case FloatType():
            fits = isinstance(value, float)
    if not fits:
        raise PomError("POM-G018", f"{value!r} is not a value of {kind}", location)


def _is_raw(value: Fraction, kind: FixedType) -> bool:
    raw = value * Fraction(2) ** kind.fraction_bits
    bits = IntType(kind.width, kind.signed)
    return raw.denominator == 1 and bits.minimum <= raw <= bits.maximum


def _check_operation(node: Apply, location: Location | None) -> None:
    spec = OPS.get(node.op)
    if spec is None or len(node.operands) != spec.arity:
        raise PomError(
            "POM-G019",
            f"there is no operation {node.op!r} of {len(node.operands)} operands",
            location,
        )
    types = [o.type for o in node.operands]
    if node.op == "cast":
        if problem := conversion_problem(types[0], node.type):
            raise PomError("POM-G016", problem, location)
        return
    try:
        expected = result_type(node.op, types)
    except TypeRuleError as error:
        raise PomError("POM-G016", f"{node.op}: {error}", location) from error
    if node.type != expected:
        raise PomError(
            "POM-G016",
            f"{node.op} of {' and '.join(map(str, types))} is {expected}, not {node.type}",
            location,
        )
