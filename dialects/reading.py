"""Reading operations of a module that a user may have written: attributes as Python values.

Whatever is not as a level defines it raises a `PomError` at the operation's location.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from pom.dialects.locations import from_mlir_location
from pom.errors import PomError
from pom.ir.affine import Affine, Constraint, parse_affine
from pom.ir.location import Location

if TYPE_CHECKING:
    from mlir.ir import Operation

TERMINATOR = "omp.terminator"
"""What ends a block: IRDL cannot define terminators, and upstream's is free of constraints."""


class Symbol(str):
    """A name that refers to a declaration: ``@name`` in the text."""

    __slots__ = ()


class Reader:
    """Attributes and regions of operations; `code` is the error code for what is malformed."""

    def __init__(self, code: str) -> None:
        self.code = code

    def failure(self, operation: Operation, problem: str, hint: str | None = None) -> PomError:
        """The error that refuses `operation`."""
        return PomError(self.code, f"{operation.name}: {problem}", self.location(operation), hint)

    def fail(self, operation: Operation, problem: str, hint: str | None = None) -> NoReturn:
        """Refuse `operation`."""
        raise self.failure(operation, problem, hint)

    def location(self, operation: Operation) -> Location | None:
        return from_mlir_location(operation.location)

    def body(self, operation: Operation) -> Iterator[Operation]:
        """The operations of the only block of the only region, without the terminator."""
        if len(operation.regions) != 1 or len(operation.regions[0].blocks) != 1:
            self.fail(operation, "has not exactly one region with one block")
        for inner in operation.regions[0].blocks[0].operations:
            if inner.operation.name != TERMINATOR:
                yield inner.operation

    def has(self, operation: Operation, name: str) -> bool:
        return name in operation.attributes

    def value(self, operation: Operation, name: str) -> Any:
        """The attribute `name` as a Python value; symbols become `Symbol`."""
        if name not in operation.attributes:
            self.fail(operation, f"the attribute {name!r} is missing")
        try:
            return plain(operation.attributes[name])
        except ValueError as error:
            self.fail(operation, f"attribute {name!r}: {error}")

    def _of(self, operation: Operation, name: str, kind: type, what: str) -> Any:
        value = self.value(operation, name)
        if type(value) is not kind:
            self.fail(operation, f"attribute {name!r} is not {what}")
        return value

    def text(self, operation: Operation, name: str) -> str:
        return str(self._of(operation, name, str, "a string"))

    def integer(self, operation: Operation, name: str) -> int:
        return int(self._of(operation, name, int, "an integer"))

    def boolean(self, operation: Operation, name: str) -> bool:
        return bool(self._of(operation, name, bool, "a bool"))

    def dictionary(self, operation: Operation, name: str) -> dict[str, Any]:
        return dict(self._of(operation, name, dict, "a dictionary"))

    def symbol(self, operation: Operation, name: str) -> str:
        return str(self._of(operation, name, Symbol, "a symbol"))

    def texts(self, operation: Operation, name: str) -> list[str]:
        """An array of strings or symbols."""
        values = self._of(operation, name, list, "an array")
        if not all(isinstance(v, str) for v in values):
            self.fail(operation, f"attribute {name!r} is not an array of strings")
        return list(values)

    def affine(self, operation: Operation, text: str) -> Affine:
        try:
            return parse_affine(text)
        except (ValueError, RecursionError, MemoryError) as error:
            self.fail(operation, str(error))

    def constraint(self, operation: Operation, text: str) -> Constraint:
        """The inverse of ``str`` of a constraint: ``… >= 0`` or ``… = 0``."""
        left, sign, right = text.rpartition("=")
        if not sign or right.strip() != "0":
            self.fail(operation, f"{text!r} is neither '… >= 0' nor '… = 0'")
        if left.endswith(">"):
            return Constraint(self.affine(operation, left[:-1].strip()))
        return Constraint(self.affine(operation, left.strip()), True)


def plain(attribute: Any) -> Any:
    """The Python value of an attribute that POM puts into a module.

    Raises
    ------
    ValueError
        Another kind of attribute, or an integer wider than 64 bits (MLIR would abort).
    """
    from mlir.ir import (
        ArrayAttr,
        BoolAttr,
        DictAttr,
        FlatSymbolRefAttr,
        IntegerAttr,
        IntegerType,
        StringAttr,
        TypeAttr,
        UnitAttr,
    )

    match attribute:
        case StringAttr() | BoolAttr() | TypeAttr():
            return attribute.value
        case FlatSymbolRefAttr():
            return Symbol(attribute.value)
        case UnitAttr():
            return None
        case IntegerAttr():
            if not isinstance(attribute.type, IntegerType) or attribute.type.width > 64:
                raise ValueError(f"{attribute} is not an integer of at most 64 bits")
            return attribute.value
        case ArrayAttr():
            return [plain(a) for a in attribute]
        case DictAttr():
            return {a.name: plain(a.attr) for a in (attribute[k] for k in range(len(attribute)))}
    raise ValueError(f"{attribute} is not an attribute that POM uses")


def to_attribute(value: Any) -> Any:
    """The inverse of `plain`: str, `Symbol`, bool, int, None, types, lists and dictionaries."""
    from mlir.ir import (
        ArrayAttr,
        BoolAttr,
        DictAttr,
        FlatSymbolRefAttr,
        IntegerAttr,
        IntegerType,
        StringAttr,
        Type,
        TypeAttr,
        UnitAttr,
    )

    match value:
        case Symbol():
            return FlatSymbolRefAttr.get(value)
        case str():
            return StringAttr.get(value)
        case bool():
            return BoolAttr.get(value)
        case int():
            return IntegerAttr.get(IntegerType.get_signless(64), value)
        case None:
            return UnitAttr.get()
        case list() | tuple():
            return ArrayAttr.get([to_attribute(v) for v in value])
        case dict():
            return DictAttr.get({k: to_attribute(v) for k, v in value.items()})
        case Type():
            return TypeAttr.get(value)
    raise TypeError(f"no attribute for {value!r}")
