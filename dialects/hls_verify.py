"""The rules of level 3 that MLIR and IRDL do not check.

========  ==========================================================================
POM-A001  the module is valid MLIR
POM-A002  ``hls.*`` attributes are known, at their place, and of their kind
POM-A003  ``hls.name`` is an identifier and unique: loops, arguments and arrays
POM-A004  directives have sensible values
POM-A005  ``hls.type`` is the text of a type that the MLIR type can hold
POM-A006  numeric operations follow the rules of `pom.ir.ops`
POM-A007  ``hls.statement`` names a statement by an identifier
========  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any

from pom.dialects import hls
from pom.dialects.directive_rules import array_problem, loop_problem
from pom.dialects.graph_types import type_problem
from pom.dialects.hls_attributes import array_directives, loop_directives
from pom.dialects.locations import from_mlir_location
from pom.dialects.reading import plain
from pom.errors import PomError
from pom.ir.convert import conversion_problem
from pom.ir.location import Location
from pom.ir.ops import TypeRuleError, result_type
from pom.ir.types import IntType, ScalarType, parse_scalar_type

if TYPE_CHECKING:
    from mlir.ir import Module, Operation, Type

Kinds = Mapping[str, type]

LOOP: Kinds = {
    "hls.name": str,
    "hls.loop": str,
    "hls.pipeline_ii": int,
    "hls.pipeline_off": NoneType,
    "hls.unroll": int,
    "hls.flatten": bool,
    "hls.dataflow": NoneType,
    "hls.dependence_free": list,
}
"""Attributes of ``affine.for``."""

VALUE: Kinds = {"hls.name": str, "hls.type": str}
"""Attributes of scalar arguments, which arrays have too."""

ARRAY: Kinds = {
    **VALUE,
    "hls.partition": list,
    "hls.reshape": list,
    "hls.storage": dict,
    "hls.interface": dict,
    "hls.stream": int,
}
"""Attributes of local arrays."""

ARGUMENT: Kinds = {**ARRAY, "hls.direction": str}
"""Attributes of array arguments."""

FUNCTION: Kinds = {"hls.top": NoneType, "hls.dataflow": NoneType, "hls.inline": bool}
"""Attributes of ``func.func``."""

OPERATION: Kinds = {"hls.bind_op": dict}
"""Attributes of any operation that computes."""

_DIRECTIONS = ("in", "out", "inout", "unused")


def verify(module: Module) -> None:
    """Check every rule.

    Raises
    ------
    PomError
        The first rule that is broken, at the user's source.
    """
    from mlir.ir import MLIRError

    with module.context:
        try:
            module.operation.verify()
        except MLIRError as error:
            first = error.error_diagnostics[0] if error.error_diagnostics else None
            place = from_mlir_location(first.location) if first else None
            summary = first.message if first else "the module is not valid MLIR"
            raise PomError("POM-A001", summary, place) from error
        for operation in module.body.operations:
            if operation.operation.name == "func.func":
                _check_function(operation.operation)


def check_loop_attributes(attributes: Any, location: Location | None) -> None:
    """POM-A002 and A004 of the ``hls.*`` attributes of a loop."""
    values = _check_kinds(attributes, LOOP, "a loop", location)
    if not all(isinstance(a, str) for a in values.get("hls.dependence_free", ())):
        raise PomError("POM-A002", "hls.dependence_free is not a list of names", location)
    if problem := loop_problem(loop_directives(attributes)):
        raise PomError("POM-A004", problem, location)


def check_array_attributes(
    attributes: Any,
    shape: tuple[int, ...] | None,
    location: Location | None,
    kinds: Kinds = ARRAY,
) -> None:
    """POM-A002 and A004 of the ``hls.*`` attributes of an array; `shape` where it is known."""
    values = _check_kinds(attributes, kinds, "an array", location)
    for name in ("hls.partition", "hls.reshape"):
        for part in values.get(name, ()):
            _check_part(name, part, location)
    storage = {"type": str, "impl": str, "latency": int}
    for key, value in values.get("hls.storage", {}).items():
        if type(value) is not storage.get(key):
            raise PomError("POM-A002", f"hls.storage: unknown {key} = {value!r}", location)
    interface = values.get("hls.interface", {"mode": ""})
    if "mode" not in interface or not all(isinstance(v, str) for v in interface.values()):
        raise PomError("POM-A002", "hls.interface lacks a mode or has options but texts", location)
    if shape is not None and (problem := array_problem(array_directives(attributes), shape)):
        raise PomError("POM-A004", problem, location)


def _check_part(name: str, part: Any, location: Location | None) -> None:
    kinds = {"dim": int, "kind": str, "factor": int}
    given = part if isinstance(part, dict) else {}
    wrong = [k for k, v in given.items() if type(v) is not kinds.get(k)]
    if wrong or not {"dim", "kind"} <= given.keys():
        raise PomError("POM-A002", f"{name} is not a list of {{dim, kind, factor}}", location)


def _check_kinds(
    attributes: Any, kinds: Kinds, what: str, location: Location | None
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for named in attributes:
        name = named if isinstance(named, str) else named.name
        if not name.startswith("hls."):
            continue
        try:
            values[name] = plain(attributes[name])
        except ValueError as error:
            raise PomError("POM-A002", f"{name}: {error}", location) from error
        if name not in kinds:
            hint = f"{what} can have {', '.join(sorted(kinds))}"
            raise PomError("POM-A002", f"{what} has no attribute {name}", location, hint)
        if type(values[name]) is not kinds[name]:
            raise PomError("POM-A002", f"{name} = {values[name]!r} is of the wrong kind", location)
    return values


class _Names:
    """Names of one kind in a function; each may be given once."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._seen: set[str] = set()

    def add(self, name: str | None, location: Location | None) -> None:
        """POM-A003 where the name is missing, no identifier or given twice."""
        if name is None or not name.isidentifier() or not name.isascii():
            raise PomError("POM-A003", f"{self.what} has no usable hls.name: {name!r}", location)
        if name in self._seen:
            raise PomError("POM-A003", f"two of {self.what} are called {name!r}", location)
        self._seen.add(name)


def _check_function(function: Operation) -> None:
    from mlir.ir import ArrayAttr, DictAttr

    place = from_mlir_location(function.location)
    _check_kinds(function.attributes, FUNCTION, "a function", place)
    if not len(function.regions[0].blocks):
        return
    loops, values = _Names("the loops"), _Names("the arguments and arrays")
    arguments = function.regions[0].blocks[0].arguments
    listed = function.attributes.get("arg_attrs")
    found = list(ArrayAttr(listed)) if listed is not None else [DictAttr.get({})] * len(arguments)
    for argument, attributes in zip(arguments, found, strict=True):
        _check_value(argument.type, attributes, place, values, is_argument=True)
    _check_block(function, loops, values)


def _check_block(parent: Operation, loops: _Names, values: _Names) -> None:
    for region in parent.regions:
        for block in region.blocks:
            for view in block.operations:
                operation = view.operation
                _check_operation(operation, loops, values)
                if len(operation.regions):
                    _check_block(operation, loops, values)


def _check_operation(operation: Operation, loops: _Names, values: _Names) -> None:
    name = operation.name
    place = from_mlir_location(operation.location)
    match name:
        case "affine.for":
            check_loop_attributes(operation.attributes, place)
            found = operation.attributes
            loops.add(found["hls.name"].value if "hls.name" in found else None, place)
        case "memref.alloc" | "memref.alloca":
            kind = operation.results[0].type
            _check_value(kind, operation.attributes, place, values, is_argument=False)
        case "hls.statement":
            statement = operation.attributes["name"].value
            if not statement.isidentifier() or not statement.isascii():
                raise PomError("POM-A007", f"{statement!r} cannot name a statement", place)
        case _:
            _check_kinds(operation.attributes, OPERATION, name, place)
            if "hls.bind_op" in operation.attributes:
                _check_binding(plain(operation.attributes["hls.bind_op"]), place)
            if name == "hls.index":
                _check_index(operation, place)
            elif name.startswith("hls."):
                _check_numeric(operation, place)


def _check_value(
    kind: Type, attributes: Any, place: Location | None, names: _Names, is_argument: bool
) -> None:
    from mlir.ir import MemRefType

    is_array = isinstance(kind, MemRefType)
    if is_array:
        if not kind.has_static_shape:
            raise PomError("POM-A005", f"{kind} has no constant shape", place)
        kinds = ARGUMENT if is_argument else ARRAY
        check_array_attributes(attributes, tuple(kind.shape), place, kinds)
    else:
        _check_kinds(attributes, VALUE, "a scalar argument", place)
    found = {n: plain(attributes[n]) for n in ("hls.name", "hls.type") if n in attributes}
    names.add(found.get("hls.name"), place)
    scalar = _scalar(found.get("hls.type", ""), place)
    held = kind.element_type if is_array else kind
    if held != hls.mlir_type(scalar):
        raise PomError("POM-A005", f"{found['hls.name']!r} is {scalar}, which {held} is not", place)
    if is_argument and is_array and "hls.direction" in attributes:
        direction = plain(attributes["hls.direction"])
        if direction not in _DIRECTIONS:
            raise PomError("POM-A004", f"unknown direction {direction!r}", place)


def _scalar(text: Any, place: Location | None) -> ScalarType:
    try:
        scalar = parse_scalar_type(text)
    except ValueError as error:
        raise PomError("POM-A005", str(error), place) from error
    if problem := type_problem(scalar):
        raise PomError("POM-A005", problem, place)
    return scalar


def _check_binding(binding: dict[str, Any], place: Location | None) -> None:
    kinds = {"op": str, "impl": str, "latency": int}
    wrong = [k for k, v in binding.items() if type(v) is not kinds.get(k)]
    if wrong or not {"op", "impl"} <= binding.keys():
        raise PomError("POM-A002", "hls.bind_op is not {op, impl, latency}", place)


def _check_index(operation: Operation, place: Location | None) -> None:
    result = _scalar(plain(operation.attributes["result"]), place)
    if not isinstance(result, IntType):
        raise PomError("POM-A006", f"hls.index makes an integer, not {result}", place)
    _check_held(operation.results[0].type, result, "the result of hls.index", place)


def _check_held(kind: Type, scalar: ScalarType, what: str, place: Location | None) -> None:
    if kind != hls.mlir_type(scalar):
        raise PomError("POM-A006", f"{what} is {scalar}, which {kind} is not", place)


def _check_numeric(operation: Operation, place: Location | None) -> None:
    op = operation.name.removeprefix("hls.")
    try:
        given = plain(operation.attributes["types"])
    except ValueError as error:
        raise PomError("POM-A006", f"hls.{op}: {error}", place) from error
    types = [_scalar(t if isinstance(t, str) else "", place) for t in given]
    result = _scalar(plain(operation.attributes["result"]), place)
    if len(types) != len(operation.operands):
        raise PomError("POM-A006", f"hls.{op} does not name the type of every operand", place)
    for operand, kind in zip(operation.operands, types, strict=True):
        _check_held(operand.type, kind, f"an operand of hls.{op}", place)
    _check_held(operation.results[0].type, result, f"the result of hls.{op}", place)
    if op == "cast":
        if problem := conversion_problem(types[0], result):
            raise PomError("POM-A006", problem, place)
        return
    try:
        expected = result_type(op, types)
    except TypeRuleError as error:
        raise PomError("POM-A006", f"hls.{op}: {error}", place) from error
    if expected != result:
        listed = " and ".join(map(str, types))
        raise PomError("POM-A006", f"hls.{op} of {listed} is {expected}, not {result}", place)
