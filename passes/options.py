"""Options of passes: the fields of their dataclass, parsed from text."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pom.errors import PomError
from pom.passes.base import Pass


class OptionValueError(ValueError):
    """Text that is no value of an option's type. The message says what is expected."""


def pass_from_options(kind: type[Pass], options: Mapping[str, str | None]) -> Pass:
    """The pass `kind` with the options given as text; a bool without a value is true.

    Raises
    ------
    PomError
        POM-U002 an unknown option, U003 a bad value, U004 a missing option.
    """
    hints = get_type_hints(kind)
    declared: dict[str, Field[Any]] = {f.name: f for f in fields(kind) if f.init}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, text in options.items():
        if name not in declared:
            raise PomError(
                "POM-U002",
                f"{kind.name} has no option {name!r}",
                hint=_guess(name, list(declared)) + describe_options(kind),
            )
        try:
            values[name] = parse_value(text, hints[name])
        except OptionValueError as error:
            shown = name if text is None else f"{name}={text}"
            raise PomError(
                "POM-U003", f"{kind.name}{{{shown}}}: {error}", hint=describe_options(kind)
            ) from error
    missing = [n for n, f in declared.items() if n not in values and _is_required(f)]
    if missing:
        raise PomError(
            "POM-U004",
            f"{kind.name} needs {', '.join(missing)}",
            hint=describe_options(kind),
        )
    return kind(**values)


def describe_options(kind: type[Pass]) -> str:
    """``poly-split{statement=str loop=str factor=int [part=isolate|separate]}``."""
    hints = get_type_hints(kind)
    shown = []
    for f in fields(kind):  # type: ignore[arg-type]
        if f.init:
            text = f"{f.name}={type_text(hints[f.name])}"
            shown.append(text if _is_required(f) else f"[{text}]")
    return f"{kind.name}{{{' '.join(shown)}}}" if shown else f"{kind.name} takes no options"


def type_text(kind: Any) -> str:
    """How a type of option is written in help texts."""
    origin = get_origin(kind)
    if origin is Literal:
        return "|".join(map(str, get_args(kind)))
    if origin in (Union, types.UnionType):
        return "|".join(type_text(k) for k in get_args(kind) if k is not type(None))
    if origin is tuple:
        members = [type_text(k) for k in get_args(kind) if k is not Ellipsis]
        return ",".join(members) + (",…" if Ellipsis in get_args(kind) else "")
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "|".join(kind)
    return str(getattr(kind, "__name__", kind))


def parse_value(text: str | None, kind: Any) -> Any:
    """A value of type `kind` from text.

    Parameters
    ----------
    text : str or None
        None where an option is given without ``=``.
    kind : type
        ``int``, ``float``, ``bool``, ``str``, ``Literal``, ``StrEnum``, ``tuple``, ``Optional``.

    Raises
    ------
    OptionValueError
    """
    if text is None:
        if kind is bool:
            return True
        raise OptionValueError("it needs a value")
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _parse_union(text, get_args(kind))
    if origin is tuple:
        return _parse_tuple(text, get_args(kind))
    if origin is Literal:
        return _choose(text, {str(choice): choice for choice in get_args(kind)})
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _choose(text, {str(choice): choice for choice in kind})
    if kind is bool:
        return _choose(text, {"true": True, "false": False})
    if kind is str:
        return text
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError as error:
            what = "an integer" if kind is int else "a number"
            raise OptionValueError(f"{text!r} is not {what}") from error
    raise TypeError(f"options of type {kind} have no text")


def _choose(text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise OptionValueError(f"{text!r} is none of {', '.join(choices)}")
    return choices[text]


def _parse_union(text: str, kinds: tuple[Any, ...]) -> Any:
    if type(None) in kinds and text == "none":
        return None
    problems = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return parse_value(text, kind)
            except OptionValueError as error:
                problems.append(str(error))
    raise OptionValueError("; ".join(problems))


def _parse_tuple(text: str, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    parts = [p.strip() for p in text.split(",")] if text else []
    if kinds[-1] is Ellipsis:
        return tuple(parse_value(p, kinds[0]) for p in parts)
    if len(parts) != len(kinds):
        raise OptionValueError(f"{len(parts)} values where {len(kinds)} are expected")
    return tuple(parse_value(p, k) for p, k in zip(parts, kinds, strict=True))


def _is_required(f: Field[Any]) -> bool:
    return f.default is MISSING and f.default_factory is MISSING


def _guess(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}? " if close else ""
