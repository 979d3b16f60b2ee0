"""Functions of the surface; those of the operation table follow from `pom.ir.ops.OPS`."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from pom.dsl.literals import as_number, constant
from pom.dsl.locate import user_location
from pom.dsl.types import check_scalar_type, is_scalar_type
from pom.dsl.values import (
    EMPTY,
    Extremum,
    Origin,
    Symbolic,
    Value,
    apply,
    apply_data,
    as_affine_value,
    operands,
)
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Apply
from pom.ir.ops import OPS
from pom.ir.types import BoolType, ScalarType


def _extremum(kind: str, arguments: tuple[object, ...]) -> Any:
    if len(arguments) < 2:
        raise PomError("POM-D050", f"pom.{kind} of {len(arguments)} values", user_location())
    if not any(isinstance(a, Symbolic) for a in arguments):
        return getattr(builtins, kind)(*arguments)
    collected: list[Affine] = []
    origin: Origin = EMPTY
    for argument in arguments:
        affine = as_affine_value(argument)
        if affine is not None:
            collected.append(affine.affine)
            origin = origin | affine.origin
        elif isinstance(argument, Extremum) and argument.kind == kind:
            collected += argument.operands
            origin = origin | argument.origin
        else:
            break
    else:
        return Extremum(kind, tuple(dict.fromkeys(collected)), origin)
    result, *rest = operands(*arguments)
    for value in rest:
        result = apply_data(kind, result, value)
    return result


def min(*arguments: object) -> Any:
    """The smallest; the first of those that compare equal.

    Of affine values it is an upper bound of a loop as well as data; of Python numbers, a number.
    """
    return _extremum("min", arguments)


def max(*arguments: object) -> Any:
    """The largest; the first of those that compare equal.

    Of affine values it is a lower bound of a loop as well as data; of Python numbers, a number.
    """
    return _extremum("max", arguments)


def abs(value: object) -> Any:
    """The absolute value."""
    return apply("abs", value) if isinstance(value, Symbolic) else builtins.abs(value)  # type: ignore[arg-type]


def select(condition: object, first: object, second: object) -> Value:
    """`first` where `condition` holds, else `second`; both are evaluated.

    Parameters
    ----------
    condition : Condition, bool value or bool
    first, second : value or number
        At least one of them with a type; the other adapts.
    """
    location = user_location()
    a, b = operands(first, second)
    if isinstance(condition, Symbolic):
        chosen = condition.data()
    else:
        number = as_number(condition)
        if not isinstance(number, bool):
            raise PomError(
                "POM-D040",
                f"the condition of select is {condition!r}",
                location,
                "compare something: pom.select(x > 0, a, b)",
            )
        chosen = Value(constant(number, BoolType(), location), EMPTY)
    return apply_data("select", chosen, a, b)


def cast(value: object, type: ScalarType) -> Value:
    """`value` converted to `type`, as C++ with ap_int and ap_fixed converts it.

    Parameters
    ----------
    value : value or number
        A number becomes a constant of `type`; it has to fit.
    type : ScalarType
    """
    location = user_location()
    if is_scalar_type(value) and not is_scalar_type(type):
        raise PomError(
            "POM-D048", "the arguments of pom.cast are swapped", location, "pom.cast(x, pom.f32)"
        )
    target = check_scalar_type(type, "the result of pom.cast", location)
    if isinstance(value, Symbolic):
        data = value.data()
        if data.type == target:
            return data
        return Value(Apply("cast", (data.expr,), target, location), data.origin, (data,))
    number = as_number(value)
    if number is None:
        raise PomError("POM-D047", f"{value!r} is no operand of a kernel", location)
    return Value(constant(number, target, location), EMPTY)


@cache
def operation(name: str) -> Callable[..., Value]:
    """The function ``pom.<name>`` of an operation of the table."""
    spec = OPS[name]

    def call(*values: object) -> Value:
        if len(values) != spec.arity:
            raise PomError(
                "POM-D050",
                f"pom.{name} takes {spec.arity} values, not {len(values)}",
                user_location(),
            )
        return apply_data(name, *operands(*values))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{spec.summary[:1].upper()}{spec.summary[1:]}."
    return call


if TYPE_CHECKING:
    # What `operation` makes, for type checkers and editors.
    ceil: Callable[[object], Value]
    cos: Callable[[object], Value]
    exp: Callable[[object], Value]
    exp2: Callable[[object], Value]
    floor: Callable[[object], Value]
    log: Callable[[object], Value]
    log2: Callable[[object], Value]
    log10: Callable[[object], Value]
    pow: Callable[[object, object], Value]
    sin: Callable[[object], Value]
    sqrt: Callable[[object], Value]
    tan: Callable[[object], Value]
    tanh: Callable[[object], Value]
