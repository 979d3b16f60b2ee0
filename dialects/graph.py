"""Level 1 in MLIR: the ``graph`` dialect.

A module holds one ``graph.kernel``. Its region declares parameters (``graph.scalar``,
``graph.array``) and local arrays (``graph.local``), holds the kernels that it calls, then the
program: ``graph.loop``, ``graph.when`` and ``graph.statement``, whose bodies are those of
`pom.dialects.statements`. Iterators keep their names, so that affine expressions are texts over
them. `to_mlir` and `from_mlir` are inverse to each other, locations included.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pom.dialects import irdl, statements
from pom.dialects.graph_types import from_mlir_type, to_mlir_type
from pom.dialects.locations import to_mlir_location
from pom.dialects.reading import TERMINATOR, Reader, to_attribute
from pom.errors import PomError
from pom.ir.graph import Array, For, Kernel, Node, Scalar, When
from pom.ir.location import Location
from pom.ir.types import ArrayType

if TYPE_CHECKING:
    from mlir.ir import Context, Module, Operation

_FIXED_POINT = """  irdl.type @{name} {{
    %width = irdl.base "#builtin.integer"
    %integer_bits = irdl.base "#builtin.integer"
    irdl.parameters(width: %width, integer_bits: %integer_bits)
  }}"""


@lru_cache(maxsize=1)
def definition() -> str:
    """The dialect as IRDL text."""
    declaration = {"sym_name": irdl.STRING, "type": irdl.TYPE}
    ops = [
        irdl.OpDefinition("kernel", attributes={"sym_name": irdl.STRING}, regions=("body",)),
        *(irdl.OpDefinition(n, attributes=declaration) for n in ("scalar", "array", "local")),
        irdl.OpDefinition(
            "loop",
            attributes={
                "name": irdl.STRING,
                "iterator": irdl.STRING,
                "from": irdl.ARRAY,
                "to": irdl.ARRAY,
                "step": irdl.INTEGER,
            },
            regions=("body",),
        ),
        irdl.OpDefinition("when", attributes={"all": irdl.ARRAY}, regions=("body",)),
        irdl.OpDefinition("statement", attributes={"name": irdl.STRING}, regions=("body",)),
        *statements.definitions(),
    ]
    types = [_FIXED_POINT.format(name=name) for name in ("fixed", "ufixed")]
    return irdl.dialect_text("graph", types, ops)


def register(context: Context) -> None:
    """Load the dialect into `context`, unless it is there."""
    irdl.load(context, "graph", definition(), "kernel")


def create(
    name: str, attributes: dict[str, Any], location: Location | None, has_body: bool = False
) -> Operation:
    """An operation at the insertion point; with a body, one block and its terminator."""
    from mlir.ir import InsertionPoint, Operation

    operation = Operation.create(
        name,
        attributes={key: to_attribute(value) for key, value in attributes.items()},
        regions=int(has_body),
        loc=to_mlir_location(location),
    )
    if has_body:
        with InsertionPoint(operation.regions[0].blocks.append()):
            Operation.create(TERMINATOR, loc=to_mlir_location(location))
    return operation


def inside(operation: Operation) -> Any:
    """The insertion point at the end of the body of `operation`, before the terminator."""
    from mlir.ir import InsertionPoint

    return InsertionPoint.at_block_terminator(operation.regions[0].blocks[0])


def to_mlir(kernel: Kernel, context: Context | None = None) -> Module:
    """The level-1 module of a kernel, which is verified first.

    Raises
    ------
    PomError
        The kernel breaks a rule of `verify`.
    """
    from mlir.ir import InsertionPoint, Module
    from mlir.ir import Location as MlirLocation

    from pom.dialects.context import new_context

    verify(kernel)
    with context or new_context(), MlirLocation.unknown():
        module = Module.create()
        with InsertionPoint(module.body):
            _write_kernel(kernel)
    return module


def from_mlir(module: Module) -> Kernel:
    """The kernel of a level-1 module; the inverse of `to_mlir`.

    Raises
    ------
    PomError
        The module is not a level-1 program.
    """
    with module.context:
        kernels = [op.operation for op in module.body.operations]
        if len(kernels) != 1 or kernels[0].name != "graph.kernel":
            raise PomError(
                "POM-G001",
                "the module does not consist of exactly one graph.kernel",
                hint="the kernels that it calls are nested inside it",
            )
        return _read_kernel(kernels[0], Reader("POM-G002"))


def verify(kernel: Kernel) -> None:
    """Check the rules of level 1, `pom.dialects.graph_verify`."""
    from pom.dialects.graph_verify import verify as verify_kernel

    verify_kernel(kernel)


def _write_kernel(kernel: Kernel) -> None:
    operation = create("graph.kernel", {"sym_name": kernel.name}, kernel.location, True)
    with inside(operation):
        write_declarations(kernel.params, kernel.locals)
        for callee in kernel.callees:
            _write_kernel(callee)
        for node in kernel.body:
            _write_node(node)


def write_declarations(params: tuple[Scalar | Array, ...], local: tuple[Array, ...]) -> None:
    """``graph.scalar``, ``graph.array`` and ``graph.local``, in order."""
    for param in params:
        _declare("graph.array" if isinstance(param, Array) else "graph.scalar", param)
    for array in local:
        _declare("graph.local", array)


def _declare(name: str, value: Scalar | Array) -> None:
    attributes = {"sym_name": value.name, "type": to_mlir_type(value.type)}
    create(name, attributes, value.location)


def _write_node(node: Node) -> None:
    match node:
        case For():
            attributes = {
                "name": node.name,
                "iterator": node.var,
                "from": [str(b) for b in node.lowers],
                "to": [str(b) for b in node.uppers],
                "step": node.step,
            }
            operation = create("graph.loop", attributes, node.location, True)
        case When():
            attributes = {"all": [str(c) for c in node.constraints]}
            operation = create("graph.when", attributes, node.location, True)
        case _:
            operation = create("graph.statement", {"name": node.name}, node.location, True)
            with inside(operation):
                statements.BodyWriter().write(node)
            return
    with inside(operation):
        for child in node.body:
            _write_node(child)


def _read_kernel(operation: Operation, reader: Reader) -> Kernel:
    params: list[Scalar | Array] = []
    local: list[Array] = []
    callees: list[Kernel] = []
    body: list[Node] = []
    for inner in reader.body(operation):
        match inner.name:
            case "graph.scalar" | "graph.array":
                params.append(read_declaration(inner, reader))
            case "graph.local":
                array = read_declaration(inner, reader)
                if isinstance(array, Scalar):
                    reader.fail(inner, "a local declaration is an array")
                local.append(array)
            case "graph.kernel":
                callees.append(_read_kernel(inner, reader))
            case _:
                body.append(_read_node(inner, reader))
    return Kernel(
        reader.text(operation, "sym_name"),
        tuple(params),
        tuple(local),
        tuple(body),
        tuple(callees),
        reader.location(operation),
    )


def read_declaration(operation: Operation, reader: Reader) -> Scalar | Array:
    """The parameter or local array that `operation` declares."""
    name = reader.text(operation, "sym_name")
    try:
        kind = from_mlir_type(reader.value(operation, "type"))
    except (ValueError, TypeError) as error:
        reader.fail(operation, f"{name!r}: {error}")
    location = reader.location(operation)
    if isinstance(kind, ArrayType) == (operation.name == "graph.scalar"):
        reader.fail(operation, f"{name!r} cannot be of type {kind}")
    if isinstance(kind, ArrayType):
        return Array(name, kind, location)
    return Scalar(name, kind, location)


def _read_node(operation: Operation, reader: Reader) -> Node:
    location = reader.location(operation)
    match operation.name:
        case "graph.loop":
            return For(
                reader.text(operation, "name"),
                reader.text(operation, "iterator"),
                tuple(reader.affine(operation, t) for t in reader.texts(operation, "from")),
                tuple(reader.affine(operation, t) for t in reader.texts(operation, "to")),
                tuple(_read_node(inner, reader) for inner in reader.body(operation)),
                reader.integer(operation, "step"),
                location,
            )
        case "graph.when":
            return When(
                tuple(reader.constraint(operation, t) for t in reader.texts(operation, "all")),
                tuple(_read_node(inner, reader) for inner in reader.body(operation)),
                location,
            )
        case "graph.statement":
            name = reader.text(operation, "name")
            return statements.BodyReader(reader).read(operation, name)
    raise reader.failure(operation, "is not a loop, guard or statement of level 1")
