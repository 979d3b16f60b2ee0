"""Text of pipelines: ``poly-tile{statement=mac loops=i,j sizes=4,4},poly-to-affine``.

::

    pipeline = [pass {"," pass}]
    pass     = name ["{" {option} "}"]
    option   = key ["=" value]

Options are separated by spaces; a value may be quoted with ``"`` to hold spaces or braces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import cast

from pom.errors import PomError
from pom.passes.base import Pass
from pom.passes.options import pass_from_options
from pom.passes.registry import PASSES

_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*")
_KEY = re.compile(r"\s*([A-Za-z_]\w*)")
_VALUE = re.compile(r'"([^"]*)"|([^\s"{}]*)')
_END = re.compile(r"\s*\}\s*")
_COMMA = re.compile(r"\s*,\s*")


@dataclass(frozen=True, slots=True)
class PassText:
    """A pass of a pipeline, not yet looked up."""

    name: str
    options: tuple[tuple[str, str | None], ...]


def split_pipeline(text: str) -> tuple[PassText, ...]:
    """The passes that `text` names.

    Raises
    ------
    PomError
        POM-U005: no pipeline; POM-U006: an option given twice.
    """
    if not text.strip():
        return ()
    found: list[PassText] = []
    position = 0
    while True:
        name = _NAME.match(text, position)
        if not name:
            raise _syntax(text, position, "the name of a pass")
        position = name.end()
        options: tuple[tuple[str, str | None], ...] = ()
        if text[position : position + 1] == "{":
            options, position = _options(text, position + 1, name[1])
        found.append(PassText(name[1], options))
        if position == len(text):
            return tuple(found)
        comma = _COMMA.match(text, position)
        if not comma:
            raise _syntax(text, position, "',' or the end")
        position = comma.end()


def _options(text: str, position: int, name: str) -> tuple[tuple[tuple[str, str | None], ...], int]:
    options: dict[str, str | None] = {}
    while not (end := _END.match(text, position)):
        key = _KEY.match(text, position)
        if not key:
            raise _syntax(text, position, "an option or '}'")
        position = key.end()
        value = None
        if text[position : position + 1] == "=":
            matched = cast("re.Match[str]", _VALUE.match(text, position + 1))
            value = matched[2] if matched[1] is None else matched[1]
            position = matched.end()
        if text[position : position + 1] not in ("", " ", "\t", "\n", "}"):
            raise _syntax(text, position, "a space or '}'")
        if key[1] in options:
            raise PomError("POM-U006", f"{name}: the option {key[1]!r} is given twice")
        options[key[1]] = value
    return tuple(options.items()), end.end()


def _syntax(text: str, position: int, expected: str) -> PomError:
    return PomError(
        "POM-U005",
        f"the pipeline needs {expected} at position {position + 1}",
        hint='a pipeline looks like "poly-split{statement=mac loop=i factor=4},poly-to-affine"',
        notes=(text, " " * position + "^"),
    )


def find_pass(name: str) -> type[Pass]:
    """The class of the pass called `name`; POM-U001 where there is none."""
    if name not in PASSES:
        close = get_close_matches(name, PASSES, 1, 0.5)
        guess = f"did you mean {close[0]!r}? " if close else ""
        raise PomError(
            "POM-U001",
            f"there is no pass {name!r}",
            hint=f"{guess}pom opt --list shows all of them",
        )
    module, _, attribute = PASSES[name].partition(":")
    return cast("type[Pass]", getattr(import_module(module), attribute))


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """The passes of a pipeline, with their options.

    Raises
    ------
    PomError
        POM-U001 to U006, before anything has run.
    """
    return tuple(
        pass_from_options(find_pass(p.name), dict(p.options)) for p in split_pipeline(text)
    )
