"""Recorded loops, guards and free loop variables."""

from __future__ import annotations

from collections.abc import Iterator as PyIterator
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from pom.dsl.arrays import ArrayValue
from pom.dsl.literals import as_number
from pom.dsl.locate import user_frame, user_location
from pom.dsl.ranges import interval, loop_interval
from pom.dsl.recorder import Recorder, Scope, current
from pom.dsl.source import carried_names, reads_after
from pom.dsl.values import (
    EMPTY,
    Condition,
    Extremum,
    Iterator,
    LoopVariable,
    Origin,
    as_affine_value,
)
from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.location import Location


def _bounds(
    value: object, extremum: str, side: str, location: Location | None
) -> tuple[tuple[Affine, ...], Origin]:
    affine = as_affine_value(value)
    if affine is not None:
        return (affine.affine,), affine.origin
    if isinstance(value, Extremum):
        if value.kind == extremum:
            return value.operands, value.origin
        raise PomError(
            "POM-D031",
            f"the {side} bound of a loop is a pom.{value.kind}: the range is not convex",
            location,
            f"only pom.{extremum} can be a {side} bound; write two loops",
        )
    raise PomError(
        "POM-D031",
        f"the {side} bound {value!r} of a loop is not affine",
        location,
        "use integers and sums of loop variables with integer factors, // and %; "
        "for a bound that depends on data, loop over the largest range and use pom.select",
    )


def _step(step: object, location: Location | None) -> int:
    number = as_number(step)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise PomError(
            "POM-D030",
            f"a loop with step {step!r}",
            location,
            "steps are positive integer constants; to count down, loop up and subscript with "
            "n - 1 - i",
        )
    return number


def make_variable(
    recorder: Recorder, name: object, lower: object, upper: object, step: object, free: bool
) -> LoopVariable:
    """A checked loop variable that is not open yet."""
    location = user_location()
    checked = recorder.declare_loop(name, location)
    lowers, a = _bounds(lower, "max", "lower", location)
    uppers, b = _bounds(upper, "min", "upper", location)
    origin = a | b
    stride = _step(step, location)
    if stride > 1 and len(lowers) > 1:
        raise PomError(
            "POM-D031",
            f"loop {checked!r} has a step and a pom.max as its lower bound",
            location,
            "loop with step 1 and guard with pom.when",
        )
    extent = loop_interval(lowers, uppers, origin.ranges)
    _check_64_bits((*lowers, *uppers), origin, f"loop {checked!r}", location)
    return LoopVariable(checked, lowers, uppers, stride, extent, origin, recorder, location, free)


class Loop:
    """What `loop` returns: iterating over it records one loop."""

    def __init__(self, variable: LoopVariable) -> None:
        self._variable = variable

    def __iter__(self) -> PyIterator[Iterator]:
        variable = self._variable
        recorder = variable.recorder
        _refuse_carried(variable.name)
        scope = recorder.enter_loop(variable)
        return _one_iteration(recorder, scope, variable)


def _one_iteration(
    recorder: Recorder, scope: Scope, variable: LoopVariable
) -> PyIterator[Iterator]:
    completed = False
    try:
        yield Iterator(variable)
        completed = True
    finally:
        if completed:
            recorder.leave(scope)
        else:
            variable.is_open = False
            recorder.left_early = recorder.left_early or variable


def _refuse_carried(loop: str) -> None:
    frame, location = user_frame(), user_location()
    if frame is None or location is None:
        return
    for name, place in carried_names(location):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if isinstance(value, ArrayValue):
            continue  # `t += x` on a local scalar stores to it
        raise PomError(
            "POM-D027",
            f"the Python variable {name!r} is carried through the recorded loop {loop!r}",
            place,
            f"a recorded loop's body runs once; keep {name!r} in a local scalar: "
            f"{name} = pom.array({name!r}, pom.f32); {name}[()] = …",
        )


def loop(name: str, lower: object, upper: object = None, step: object = 1) -> Loop:
    """A recorded loop: ``for i in pom.loop("i", 0, n):`` is ``for (i = 0; i < n; i += 1)``.

    Parameters
    ----------
    name : str
        The loop's stable name in schedules; unique among the loops around.
    lower, upper : int or affine
        Half open. `lower` may be a `pom.max`, `upper` a `pom.min` of affine values. With one bound
        only, the loop begins at 0, as `range` does. An empty range is legal: it runs nothing.
    step : int
        Positive constant.

    Raises
    ------
    PomError
        A bound is not affine, the step is not positive, or the name is taken.
    """
    recorder = current("pom.loop")
    if upper is None:
        lower, upper = 0, lower
    return Loop(make_variable(recorder, name, lower, upper, step, free=False))


def var(name: str, lower: object, upper: object = None, step: object = 1) -> Iterator:
    """A loop variable for `pom.compute`, with the bounds of `loop`."""
    recorder = current("pom.var")
    if upper is None:
        lower, upper = 0, lower
    return Iterator(make_variable(recorder, name, lower, upper, step, free=True))


def vars(**ranges: Any) -> Any:
    """Loop variables for `pom.compute`: ``i, j = pom.vars(i=64, j=(1, 63))``.

    Parameters
    ----------
    **ranges : int, affine, or tuple
        An upper bound, ``(lower, upper)`` or ``(lower, upper, step)``.

    Returns
    -------
    Iterator or tuple of Iterator
        One alone is not wrapped into a tuple.
    """
    recorder = current("pom.vars")
    found = []
    for name, given in ranges.items():
        bounds = given if isinstance(given, tuple) else (0, given)
        if len(bounds) not in (2, 3):
            raise PomError(
                "POM-D050",
                f"the range {given!r} of {name!r}",
                user_location(),
                "give an upper bound, (lower, upper) or (lower, upper, step)",
            )
        lower, upper, step = (*bounds, 1)[:3]
        found.append(Iterator(make_variable(recorder, name, lower, upper, step, free=True)))
    return found[0] if len(found) == 1 else tuple(found)


class Guard:
    """What `when` returns: a context manager."""

    def __init__(
        self, recorder: Recorder, constraints: tuple[Constraint, ...], location: Location | None
    ) -> None:
        self._recorder = recorder
        self._constraints = constraints
        self._location = location
        self._scope: Scope | None = None
        self._before: dict[str, object] = {}

    def __enter__(self) -> None:
        self._before = _local_variables()
        self._scope = self._recorder.enter_guard(self._constraints, self._location)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._scope is not None:
            self._recorder.leave(self._scope)
            _refuse_guarded(self._before, self._location)


def _local_variables() -> dict[str, object]:
    frame = user_frame()
    return {} if frame is None else dict(frame.f_locals)


def _refuse_guarded(before: Mapping[str, object], location: Location | None) -> None:
    """A guard does not hold back the assignment of a Python variable."""
    rebound = {
        name
        for name, value in _local_variables().items()
        if (name not in before or before[name] is not value) and not isinstance(value, ArrayValue)
    }
    if not rebound or location is None:
        return
    for name, place in reads_after(location, rebound):
        raise PomError(
            "POM-D029",
            f"the Python variable {name!r} is assigned under pom.when and read after it",
            place,
            f"the guard holds for stores to arrays only; use pom.select, or keep {name!r} in a "
            f"local scalar: {name} = pom.array({name!r}, pom.f32); {name}[()] = …",
        )


def constraints_of(
    conditions: tuple[object, ...], location: Location | None
) -> tuple[tuple[Constraint, ...], Origin]:
    """The conjunction of affine conditions."""
    found: list[Constraint] = []
    origin = EMPTY
    for condition in conditions:
        if isinstance(condition, Condition) and condition.constraints is not None:
            found += condition.constraints
            origin = origin | condition.origin
            continue
        if isinstance(condition, Condition):
            summary = "the guard is not a conjunction of affine comparisons"
            hint = "write one guard for each part of a != or |, or use pom.select"
        elif isinstance(condition, (bool, int)):
            summary = f"the guard is the Python value {condition!r}"
            hint = "use a Python if for what is known while the kernel is recorded"
        else:
            summary = "the guard depends on data, or is no comparison"
            hint = "use pom.select(condition, new, old)"
        raise PomError("POM-D032", summary, location, hint)
    _check_64_bits([c.expression for c in found], origin, "the guard", location)
    return tuple(found), origin


def _check_64_bits(
    expressions: Sequence[Affine], origin: Origin, what: str, location: Location | None
) -> None:
    ranges = origin.ranges
    for expression in expressions:
        low, high = interval(expression, ranges)
        if low < -_LIMIT or high > _LIMIT:
            raise PomError(
                "POM-D005",
                f"{what} counts to {high if high > _LIMIT else low}, beyond 64 bits",
                location,
                "split the loop outside the kernel",
            )


_LIMIT = 2**62  # leaves room for the sums that code generation makes


def when(*conditions: object) -> Guard:
    """A guard: ``with pom.when(i > 0, j < i):``; the body runs where every condition holds.

    Parameters
    ----------
    *conditions : Condition
        Comparisons of affine values, joined by ``&`` or given one by one.

    Raises
    ------
    PomError
        A condition is not a conjunction of affine comparisons.
    """
    recorder = current("pom.when")
    location = user_location()
    constraints, origin = constraints_of(conditions, location)
    if not constraints:
        raise PomError("POM-D032", "pom.when without a condition", location, "pom.when(i > 0)")
    recorder.check_use(origin, "the guard", location)
    return Guard(recorder, constraints, location)
