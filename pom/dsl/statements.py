"""`pom.compute`: a statement with its loops, said at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from pom.dsl.arrays import ArrayValue, Element, store
from pom.dsl.locate import user_location
from pom.dsl.loops import constraints_of
from pom.dsl.recorder import Recorder, Scope, current
from pom.dsl.values import Iterator
from pom.errors import PomError
from pom.ir.location import Location

_USAGE = 'pom.compute("mac", [i, j, k], C[i, j], C[i, j] + A[i, k] * B[k, j])'


def compute(*arguments: Any, where: object = ()) -> None:
    """Record ``target = value`` for every point of the domain.

    Parameters
    ----------
    name : str, optional
        Unique in the kernel; ``S0``, ``S1`` … without it.
    domain : sequence of Iterator
        Variables of `pom.vars`, outermost loop first.
    target : Element
        ``C[i, j]``, or a local scalar.
    value : value or number
    where : Condition or sequence of Condition
        Affine guard around the statement.

    Notes
    -----
    `value` is a formula: what it reads is read anew at every point.

    ::

        pom.compute("s", [i, j], C[i, j], e)     for i in pom.loop("i", …):
                                           =         for j in pom.loop("j", …):
                                                         C[i, j] = e
    """
    recorder = current("pom.compute")
    location = user_location()
    if len(arguments) == 3:
        arguments = (None, *arguments)
    if len(arguments) != 4 or not isinstance(arguments[1], (Sequence, Iterator)):
        raise PomError(
            "POM-D050",
            "pom.compute takes a name, variables, a target and a value",
            location,
            _USAGE,
        )
    name, domain, target, value = arguments
    variables = [domain] if isinstance(domain, Iterator) else list(domain)
    if isinstance(target, ArrayValue):
        target = target.data()
    if not isinstance(target, Element):
        raise PomError(
            "POM-D045", "the target of pom.compute is no array element", location, _USAGE
        )
    conditions = tuple(where) if isinstance(where, (tuple, list)) else (where,)
    scopes = _open(recorder, variables, location)
    with ExitStack() as stack:
        # After a failure the variables are free again, and the recording ends with the error.
        stack.callback(_close_variables, scopes)
        if conditions:
            constraints, origin = constraints_of(conditions, location)
            recorder.check_use(origin, "the guard", location)
            scopes.append(recorder.enter_guard(constraints, location))
        store(name, target.array, target.access, target.target_origin, value)
        for scope in reversed(scopes):
            recorder.leave(scope)


def _open(recorder: Recorder, variables: list[Any], location: Location | None) -> list[Scope]:
    scopes: list[Scope] = []
    for variable in variables:
        if not isinstance(variable, Iterator) or not variable.variable.is_free:
            raise PomError(
                "POM-D050",
                f"{variable!r} is no variable of pom.vars",
                location,
                "list the variables of pom.vars; loops of pom.loop are already around",
            )
        recorder.check_owner(variable.origin, "the domain", location)
        scopes.append(recorder.enter_loop(variable.variable))
        scopes[-1].location = location
        scopes[-1].is_formula = True
    return scopes


def _close_variables(scopes: list[Scope]) -> None:
    for scope in scopes:
        if scope.variable is not None:
            scope.variable.is_open = False
