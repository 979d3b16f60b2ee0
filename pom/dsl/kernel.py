"""The decorator `kernel`: a Python function becomes a level-1 program."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, overload

from pom.dsl.arrays import ArrayValue
from pom.dsl.calls import call
from pom.dsl.check_bounds import check_bounds
from pom.dsl.check_initialized import check_initialized
from pom.dsl.locate import traceback_location, user_location
from pom.dsl.recorder import Recorder, _current
from pom.dsl.source import function_locations
from pom.dsl.types import check_array_type, is_scalar_type
from pom.dsl.values import Origin, Symbolic, Value
from pom.errors import PomError
from pom.ir.expr import Argument
from pom.ir.graph import Array, Kernel, Scalar
from pom.ir.location import Location
from pom.ir.types import ArrayType

_EXAMPLE = "as in def gemm(alpha: pom.f32, A: pom.f32[64, 64]):"


class KernelFunction:
    """A recorded kernel.

    Attributes
    ----------
    graph : pom.ir.graph.Kernel
        The level-1 program.
    is_inlined : bool
        Whether a call in another kernel copies the body (the default) or stays a function.

    Notes
    -----
    Calling it while another kernel is recorded records a call.
    """

    def __init__(self, function: FunctionType, graph: Kernel, is_inlined: bool) -> None:
        self.graph = graph
        self.is_inlined = is_inlined
        self.__wrapped__ = function
        self.__name__ = graph.name
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__

    @property
    def name(self) -> str:
        """The kernel's name."""
        return self.graph.name

    @property
    def location(self) -> Location | None:
        """Its ``def``."""
        return self.graph.location

    def __call__(self, *positional: object, **named: object) -> None:
        call(self.graph, self.is_inlined, positional, named)

    def __repr__(self) -> str:
        params = ", ".join(f"{p.name}: {p.type}" for p in self.graph.params)
        return f"<kernel {self.name}({params})>"


@overload
def kernel(function: Callable[..., None], /) -> KernelFunction: ...
@overload
def kernel(
    *, name: str | None = None, inline: bool = True
) -> Callable[[Callable[..., None]], KernelFunction]: ...
def kernel(
    function: Callable[..., None] | None = None,
    /,
    *,
    name: str | None = None,
    inline: bool = True,
) -> Any:
    """Record a kernel: run `function` once with symbolic arguments.

    Parameters
    ----------
    function : callable
        Its parameters are annotated with scalar types (passed by value) and array types.
    name : str, optional
        The function's own name without it.
    inline : bool
        Whether calls of it in other kernels are copied in; otherwise it stays a function.

    Returns
    -------
    KernelFunction

    Raises
    ------
    PomError
        What the function says is no kernel; the error shows the line.
    """
    # Annotations may name variables of the function that defines the kernel.
    surroundings = sys._getframe(1).f_locals
    if function is None:
        return lambda f: _record(f, name, inline, surroundings)
    return _record(function, name, inline, surroundings)


def _record(
    function: Callable[..., None], name: str | None, inline: bool, surroundings: Mapping[str, Any]
) -> KernelFunction:
    if not isinstance(function, FunctionType):
        raise PomError(
            "POM-D003", f"{function!r} is no function", user_location(), "decorate a def"
        )
    code = function.__code__
    places = function_locations(code.co_filename, code.co_firstlineno, function.__name__)
    location = places.get("", Location(code.co_filename, code.co_firstlineno))
    recorder = Recorder(function.__name__ if name is None else name, location)
    arguments = _declare_parameters(recorder, function, places, location, surroundings)
    token = _current.set(recorder)
    try:
        result = function(**arguments)
    except PomError:
        raise
    except Exception as error:
        # The kernel is the user's code: whatever it raises is reported at its line.
        raise PomError(
            "POM-D062",
            f"kernel {recorder.name!r} raised {type(error).__name__}: {error}",
            traceback_location(error.__traceback__, code.co_filename) or location,
        ) from error
    finally:
        _current.reset(token)
    if result is not None:
        raise PomError(
            "POM-D061",
            f"kernel {recorder.name!r} returns a value",
            location,
            "write results to array arguments",
        )
    graph = recorder.finish()
    check_bounds(graph)
    check_initialized(graph)
    return KernelFunction(function, graph, inline)


def _declare_parameters(
    recorder: Recorder,
    function: FunctionType,
    places: Mapping[str, Location],
    location: Location,
    surroundings: Mapping[str, Any],
) -> dict[str, Symbolic]:
    arguments: dict[str, Symbolic] = {}
    for parameter in inspect.signature(function).parameters.values():
        place = places.get(parameter.name, location)
        _check_form(parameter, place)
        name = recorder.declare(parameter.name, "an argument", place)
        annotation = parameter.annotation
        if isinstance(annotation, str):
            annotation = _evaluated(annotation, function, surroundings, place)
        if is_scalar_type(annotation):
            recorder.params.append(Scalar(name, annotation, place))
            arguments[name] = Value(Argument(name, annotation, place), Origin(recorder))
        elif isinstance(annotation, ArrayType):
            checked = check_array_type(annotation, name, place)
            recorder.params.append(Array(name, checked, place))
            arguments[name] = ArrayValue(name, checked, recorder)
        elif annotation is parameter.empty:
            raise PomError("POM-D002", f"argument {name!r} has no type", place, _EXAMPLE)
        else:
            raise PomError(
                "POM-D002",
                f"argument {name!r} has the unknown type {annotation!r}",
                place,
                _EXAMPLE,
            )
    return arguments


def _check_form(parameter: inspect.Parameter, place: Location) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise PomError(
            "POM-D003",
            f"argument {parameter.name!r} stands for any number of arguments",
            place,
            "list every argument",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise PomError(
            "POM-D003", f"argument {parameter.name!r} is positional only", place, "drop the /"
        )
    if parameter.default is not parameter.empty:
        raise PomError(
            "POM-D003",
            f"argument {parameter.name!r} has a default",
            place,
            "hardware has no default arguments: make it a constant of the surrounding code",
        )


def _evaluated(
    text: str, function: FunctionType, surroundings: Mapping[str, Any], place: Location
) -> Any:
    """The value of an annotation that ``from __future__ import annotations`` left as text."""
    closure = inspect.getclosurevars(function).nonlocals
    try:
        return eval(text, function.__globals__, {**surroundings, **closure})
    except PomError as error:
        raise PomError(error.code, error.summary, place, error.hint, error.notes) from None
    except Exception as error:
        # The annotation is the user's code.
        raise PomError(
            "POM-D002", f"the type {text!r} cannot be evaluated: {error}", place, _EXAMPLE
        ) from error
