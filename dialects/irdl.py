"""Text of IRDL definitions, and loading them exactly once into a context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlir.ir import Context

ANY = "irdl.any"
INDEX = "irdl.is index"
STRING = 'irdl.base "#builtin.string"'
ARRAY = 'irdl.base "#builtin.array"'
INTEGER = 'irdl.base "#builtin.integer"'
DICTIONARY = 'irdl.base "#builtin.dictionary"'
TYPE = 'irdl.base "#builtin.type"'
SYMBOL = 'irdl.base "#builtin.symbol_ref"'


@dataclass(frozen=True, slots=True)
class OpDefinition:
    """An operation: operands, results and attributes by name, each with its IRDL constraint.

    Parameters
    ----------
    name : str
        Without the dialect's prefix.
    operands : mapping
        A constraint that starts with ``variadic `` takes any number of values.
    results, attributes : mapping
        Every attribute named here is required and of this kind.
    regions : sequence of str
        Names of the regions, each of exactly one block without arguments.
    """

    name: str
    operands: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    regions: Sequence[str] = ()

    def text(self) -> str:
        # A constraint value that occurs twice means "the same", so each use defines its own.
        lines: list[str] = []

        def define(constraint: str) -> str:
            lines.append(f"%c{len(lines)} = {constraint}")
            return f"%c{len(lines) - 1}"

        def group(keyword: str, members: Mapping[str, str]) -> str:
            shown = []
            for name, constraint in members.items():
                variadic = constraint.startswith("variadic ")
                value = define(constraint.removeprefix("variadic "))
                shown.append(f"{name}: {'variadic ' if variadic else ''}{value}")
            return f"irdl.{keyword}({', '.join(shown)})" if shown else ""

        groups = [group("operands", self.operands), group("results", self.results)]
        attributes = [f'"{n}" = {define(c)}' for n, c in self.attributes.items()]
        if attributes:
            groups.append(f"irdl.attributes {{ {', '.join(attributes)} }}")
        groups.append(group("regions", dict.fromkeys(self.regions, "irdl.region() with size 1")))
        body = "\n    ".join([*lines, *(g for g in groups if g)])
        return f"  irdl.operation @{self.name} {{\n    {body}\n  }}"


def dialect_text(dialect: str, types: Sequence[str], ops: Sequence[OpDefinition]) -> str:
    """The IRDL module text of a dialect."""
    body = "\n".join([*types, *(op.text() for op in ops)])
    return f"irdl.dialect @{dialect} {{\n{body}\n}}\n"


def load(context: Context, dialect: str, text: str, marker: str) -> None:
    """Load a dialect unless `context` has its operation `marker` already.

    Loading a dialect twice into a context aborts the process, hence the test.
    """
    from mlir.dialects import irdl
    from mlir.ir import Location, Module

    if context.is_registered_operation(f"{dialect}.{marker}"):
        return
    with context, Location.unknown():
        irdl.load_dialects(Module.parse(text))
