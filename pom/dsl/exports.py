"""The public names of ``pom``, found when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from pom.dsl.locate import user_location
from pom.dsl.names import did_you_mean
from pom.errors import PomError
from pom.ir.ops import OPS


class UnknownNameError(PomError, AttributeError):
    """A name that ``pom`` does not have; also an `AttributeError`, as `hasattr` expects."""


def public_names(exports: Mapping[str, str]) -> set[str]:
    """Every public name: the table's, and the functions of the operation table."""
    return {*exports, *(name for name, spec in OPS.items() if spec.is_function)}


def resolve(name: str, exports: Mapping[str, str]) -> object:
    """The object that ``pom.<name>`` stands for.

    Raises
    ------
    UnknownNameError
        There is none.
    """
    if name in exports:
        return getattr(import_module(exports[name]), name)
    if name in OPS and OPS[name].is_function:
        from pom.dsl.functions import operation

        return operation(name)
    raise UnknownNameError(
        "POM-D007",
        f"pom has no {name!r}",
        user_location(),
        did_you_mean(name, public_names(exports)) or "dir(pom) lists every name",
    )
