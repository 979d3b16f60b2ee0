"""Arguments of a call, by position and by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pom.errors import PomError
from pom.ir.graph import Kernel


def bind(kernel: Kernel, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name.

    Raises
    ------
    PomError
        POM-R004: too many positional arguments, or one given twice. What is missing or wrong in
        itself is found when the kernel runs.
    """
    names = [p.name for p in kernel.params]
    if len(positional) > len(names):
        raise PomError(
            "POM-R004",
            f"{kernel.name} takes {len(names)} arguments ({', '.join(names)}), "
            f"{len(positional)} were given",
        )
    bound = dict(zip(names, positional, strict=False))
    if twice := sorted(bound.keys() & named.keys()):
        raise PomError("POM-R004", f"{kernel.name} got {', '.join(map(repr, twice))} twice")
    return {**bound, **named}
