"""Reading a level-3 module: attributes as Python values, signatures, scalar types, locations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlir.ir as mlir

from pom.errors import PomError
from pom.ir.graph import Direction
from pom.ir.location import Location
from pom.ir.types import ScalarType, parse_scalar_type

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a level-3 function.

    Parameters
    ----------
    name : str
        The user's name.
    type : ScalarType
    shape : tuple of int, optional
        None for a scalar passed by value; ``()`` is a rank-0 array.
    direction : {"in", "out", "inout", "unused"}
    """

    name: str
    type: ScalarType
    shape: tuple[int, ...] | None
    direction: Direction

    @property
    def is_array(self) -> bool:
        return self.shape is not None

    @property
    def is_written(self) -> bool:
        return self.direction in ("out", "inout")


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's name and arguments, in order."""

    name: str
    params: tuple[Parameter, ...]


def python_value(attribute: mlir.Attribute) -> Any:
    """An attribute as int, bool, float, str, tuple or dict; a unit attribute is True."""
    match attribute:
        case mlir.StringAttr() | mlir.BoolAttr() | mlir.FlatSymbolRefAttr():
            return attribute.value
        case mlir.IntegerAttr():
            return integer_value(attribute)
        case mlir.FloatAttr():
            return attribute.value
        case mlir.UnitAttr():
            return True
        case mlir.ArrayAttr():
            return tuple(python_value(a) for a in attribute)
        case mlir.DictAttr():
            return {a.name: python_value(a.attr) for a in attribute}
    raise PomError("POM-C005", f"the attribute {attribute} is not one of level 3")


def integer_value(attribute: mlir.Attribute) -> int:
    """The value of an integer attribute of any width.

    Notes
    -----
    The binding's ``value`` aborts the process above 64 bits, so the text is read.
    """
    text = str(attribute)
    if text in ("true", "false"):
        return int(text == "true")
    return int(text.split(" ", 1)[0])


def attributes_of(op: mlir.Operation) -> Attributes:
    """The ``hls.`` attributes of an operation, without the prefix."""
    return {
        name[4:]: python_value(op.attributes[name]) for name in op.attributes if name[:4] == "hls."
    }


def argument_attributes(function: mlir.Operation) -> list[Attributes]:
    """The ``hls.`` attributes of every argument of a function."""
    count = len(function.regions[0].blocks[0].arguments)
    if "arg_attrs" not in function.attributes:
        return [{} for _ in range(count)]
    return [
        {name[4:]: value for name, value in python_value(entry).items() if name[:4] == "hls."}
        for entry in mlir.ArrayAttr(function.attributes["arg_attrs"])
    ]


def scalar_type(text: Any, what: str, location: Location | None = None) -> ScalarType:
    """`text` of an ``hls.type`` attribute as a type."""
    try:
        return parse_scalar_type(text)
    except (TypeError, AttributeError, ValueError) as error:
        raise PomError(
            "POM-C004",
            f"{what} has no readable hls.type ({text!r})",
            location,
            "level 3 states the scalar type of every array and argument, such as int12",
        ) from error


def location_of(op: mlir.Operation) -> Location | None:
    """The user's source of an operation; None where it is a position in MLIR text."""
    found = _source(op.location)
    return (
        None if found is None or found.file in ("-", "") or found.file.endswith(".mlir") else found
    )


def _source(location: mlir.Location) -> Location | None:
    if location.is_a_file():
        column = max(location.start_col - 1, 0)
        return Location(location.filename, location.start_line, column)
    if location.is_a_name():
        return _source(location.child_loc)
    if location.is_a_fused():
        return next((s for inner in location.locations if (s := _source(inner))), None)
    return None


def is_row_major(type: mlir.MemRefType) -> bool:
    """Whether a memref has no layout of its own."""
    return bool(type.affine_map == mlir.AffineMap.get_identity(type.rank, type.context))


def shape_of(value: mlir.Value) -> tuple[int, ...]:
    """The shape of a memref, which must be constant and laid out row by row."""
    type = mlir.MemRefType(value.type)
    if not type.has_static_shape or not is_row_major(type):
        raise PomError("POM-C004", f"{type} is not an array of constant shape in row-major order")
    return tuple(type.shape)


def functions(module: mlir.Module) -> dict[str, mlir.Operation]:
    """Every function by name, in the module's order."""
    found = {}
    for op in module.body.operations:
        operation = op.operation
        if operation.name != "func.func":
            raise PomError(
                "POM-C001",
                f"the module holds {operation.name}; level 3 is made of functions",
                location_of(operation),
            )
        name = mlir.StringAttr(operation.attributes["sym_name"]).value
        if not operation.regions[0].blocks:
            raise PomError("POM-C002", f"the function {name} has no body", location_of(operation))
        found[name] = operation
    return found


def top_function(module: mlir.Module, top: str | None = None) -> str:
    """The name of the kernel: `top`, or the function with ``hls.top``, or the only one.

    Raises
    ------
    PomError
        POM-C002: there is no such function, or the choice is open.
    """
    known = functions(module)
    names = ", ".join(known) or "none"
    if top is not None:
        if top not in known:
            raise PomError("POM-C002", f"no function {top} in the module: it has {names}")
        return top
    marked = [name for name, op in known.items() if "hls.top" in op.attributes] or list(known)
    if len(marked) != 1:
        raise PomError(
            "POM-C002",
            f"which function is the kernel? The module has {names}",
            hint="mark one with the attribute hls.top, or name it",
        )
    return marked[0]


def signature(module: mlir.Module, top: str | None = None) -> Signature:
    """Name and arguments of the kernel."""
    name = top_function(module, top)
    return Signature(name, parameters(functions(module)[name]))


def parameters(function: mlir.Operation) -> tuple[Parameter, ...]:
    """The arguments of a level-3 function."""
    found = []
    block = function.regions[0].blocks[0]
    for k, (value, attrs) in enumerate(
        zip(block.arguments, argument_attributes(function), strict=True)
    ):
        name = str(attrs.get("name", f"arg{k}"))
        type = scalar_type(attrs.get("type"), f"the argument {name}", location_of(function))
        shape = shape_of(value) if isinstance(value.type, mlir.MemRefType) else None
        direction = attrs.get("direction", "inout" if shape is not None else "in")
        found.append(Parameter(name, type, shape, direction))
    return tuple(found)


def walk(op: mlir.Operation) -> Iterator[mlir.Operation]:
    """Every operation below `op`, in order."""
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from walk(inner.operation)


def source_files(ops: Mapping[str, mlir.Operation]) -> tuple[str, ...]:
    """Names of the user's files that the functions come from, sorted."""
    found = {location_of(op) for op in ops.values()}
    for op in ops.values():
        found |= {location_of(inner) for inner in walk(op) if inner.name == "hls.statement"}
    return tuple(sorted({Path(found_one.file).name for found_one in found if found_one}))
