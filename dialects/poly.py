"""Level 2 in MLIR: the ``poly`` dialect.

A module holds one ``poly.program``: declarations as at level 1, the programs that it calls, one
``poly.statement`` per statement with its integer set and its body, directives of arrays and
operators, and ``poly.schedule``, the schedule tree as nested regions:

    "poly.schedule"() ({
      "poly.loop"() ({
        "poly.sequence"() ({
          "poly.leaf"() {statement = @scale} : () -> ()
          "poly.loop"() ({ … }) {name = "k", values = ["mac: k"]} : () -> ()
        }) : () -> ()
      }) {name = "i", values = ["scale: i", "mac: i"], hls.pipeline_ii = 1 : i64} : () -> ()
    })

Directives have the same ``hls.*`` attributes as at level 3. `to_mlir` and `from_mlir` are inverse
to each other, locations included.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast, get_args

from pom.dialects import irdl, statements
from pom.dialects.graph import create, inside, read_declaration, write_declarations
from pom.dialects.hls_attributes import (
    array_attributes,
    array_directives,
    attach,
    loop_attributes,
    loop_directives,
)
from pom.dialects.hls_verify import check_array_attributes, check_loop_attributes
from pom.dialects.reading import Reader, Symbol, to_attribute
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.directives import ArrayDirectives, FunctionDirectives, OpBinding
from pom.ir.graph import Array, Scalar
from pom.ir.poly import (
    Leaf,
    Loop,
    LoopPart,
    PolyProgram,
    PolyStatement,
    ScheduleNode,
    Sequence,
)

if TYPE_CHECKING:
    from mlir.ir import Context, Module, Operation


@lru_cache(maxsize=1)
def definition() -> str:
    """The dialect as IRDL text."""
    return irdl.dialect_text(
        "poly",
        (),
        (
            irdl.OpDefinition("program", attributes={"sym_name": irdl.STRING}, regions=("body",)),
            irdl.OpDefinition(
                "statement",
                attributes={
                    "name": irdl.STRING,
                    "iterators": irdl.ARRAY,
                    "domain": irdl.STRING,
                },
                regions=("body",),
            ),
            irdl.OpDefinition("array_directives", attributes={"array": irdl.SYMBOL}),
            irdl.OpDefinition(
                "bind_op",
                attributes={"statement": irdl.SYMBOL, "op": irdl.STRING, "impl": irdl.STRING},
            ),
            irdl.OpDefinition("schedule", regions=("tree",)),
            irdl.OpDefinition("sequence", regions=("children",)),
            irdl.OpDefinition(
                "loop",
                attributes={"name": irdl.STRING, "values": irdl.ARRAY},
                regions=("child",),
            ),
            irdl.OpDefinition("leaf", attributes={"statement": irdl.SYMBOL}),
        ),
    )


def register(context: Context) -> None:
    """Load the dialect into `context`, unless it is there."""
    irdl.load(context, "poly", definition(), "program")


def to_mlir(program: PolyProgram, context: Context | None = None) -> Module:
    """The level-2 module of a program, which is verified first.

    Raises
    ------
    PomError
        The program breaks a rule of `verify`.
    """
    from mlir.ir import InsertionPoint, Location, Module

    from pom.dialects.context import new_context

    verify(program)
    with context or new_context(), Location.unknown():
        module = Module.create()
        with InsertionPoint(module.body):
            _write_program(program)
    return module


def from_mlir(module: Module) -> PolyProgram:
    """The program of a level-2 module; the inverse of `to_mlir`.

    Raises
    ------
    PomError
        The module is not a level-2 program.
    """
    with module.context:
        programs = [op.operation for op in module.body.operations]
        if len(programs) != 1 or programs[0].name != "poly.program":
            raise PomError(
                "POM-P001",
                "the module does not consist of exactly one poly.program",
                hint="the programs that it calls are nested inside it",
            )
        return _read_program(programs[0], Reader("POM-P002"))


def verify(program: PolyProgram) -> None:
    """Check the rules of level 2 that need no isl, `pom.dialects.poly_verify`."""
    from pom.dialects.poly_verify import verify as verify_program

    verify_program(program)


def _write_program(program: PolyProgram) -> None:
    attributes: dict[str, Any] = {"sym_name": program.name}
    if program.function.dataflow:
        attributes["hls.dataflow"] = None
    if program.function.inline is not None:
        attributes["hls.inline"] = program.function.inline
    operation = create("poly.program", attributes, program.location, True)
    with inside(operation):
        write_declarations(program.params, program.locals)
        for callee in program.callees:
            _write_program(callee)
        for name, directives in program.array_directives:
            attach(
                create("poly.array_directives", {"array": Symbol(name)}, None),
                array_attributes(directives),
            )
        for binding in program.bindings:
            values = {
                "statement": Symbol(binding.statement),
                "op": binding.op,
                "impl": binding.impl,
            }
            latency = {} if binding.latency is None else {"latency": binding.latency}
            create("poly.bind_op", {**values, **latency}, None)
        for statement in program.statements:
            _write_statement(statement)
        with inside(create("poly.schedule", {}, program.location, True)):
            _write_node(program.schedule)


def _write_statement(statement: PolyStatement) -> None:
    attributes = {
        "name": statement.name,
        "iterators": list(statement.iterators),
        "domain": statement.domain,
    }
    operation = create("poly.statement", attributes, statement.location, True)
    with inside(operation):
        statements.BodyWriter().write(statement.body)


def _write_node(node: ScheduleNode) -> None:
    match node:
        case Leaf():
            create("poly.leaf", {"statement": Symbol(node.statement)}, None)
        case Sequence():
            with inside(create("poly.sequence", {}, None, True)):
                for child in node.children:
                    _write_node(child)
        case Loop():
            values = [f"{name}: {value}" for name, value in node.exprs]
            attributes = {"name": node.name, "values": values}
            operation = create("poly.loop", attributes, node.location, True)
            if node.part != "all":
                operation.attributes["part"] = to_attribute(node.part)
            attach(operation, loop_attributes(node.directives))
            with inside(operation):
                _write_node(node.child)


def _read_program(operation: Operation, reader: Reader) -> PolyProgram:
    params: list[Scalar | Array] = []
    local: list[Array] = []
    callees: list[PolyProgram] = []
    found: list[PolyStatement] = []
    arrays: list[tuple[str, ArrayDirectives]] = []
    bindings: list[OpBinding] = []
    trees: list[ScheduleNode] = []
    for inner in reader.body(operation):
        match inner.name:
            case "graph.scalar" | "graph.array":
                params.append(read_declaration(inner, reader))
            case "graph.local":
                declared = read_declaration(inner, reader)
                if isinstance(declared, Scalar):
                    reader.fail(inner, "a local declaration is an array")
                local.append(declared)
            case "poly.program":
                callees.append(_read_program(inner, reader))
            case "poly.statement":
                found.append(_read_statement(inner, reader))
            case "poly.array_directives":
                check_array_attributes(inner.attributes, None, reader.location(inner))
                arrays.append((reader.symbol(inner, "array"), array_directives(inner.attributes)))
            case "poly.bind_op":
                bindings.append(_read_binding(inner, reader))
            case "poly.schedule":
                trees.append(_read_only_child(inner, reader))
            case _:
                reader.fail(inner, "is not a part of a program of level 2")
    if len(trees) != 1:
        reader.fail(operation, f"has {len(trees)} poly.schedule, not one")
    inline = reader.has(operation, "hls.inline")
    return PolyProgram(
        reader.text(operation, "sym_name"),
        tuple(params),
        tuple(local),
        tuple(found),
        trees[0],
        tuple(arrays),
        tuple(bindings),
        FunctionDirectives(
            reader.has(operation, "hls.dataflow"),
            reader.boolean(operation, "hls.inline") if inline else None,
        ),
        tuple(callees),
        reader.location(operation),
    )


def _read_statement(operation: Operation, reader: Reader) -> PolyStatement:
    name = reader.text(operation, "name")
    return PolyStatement(
        name,
        tuple(reader.texts(operation, "iterators")),
        reader.text(operation, "domain"),
        statements.BodyReader(reader).read(operation, name),
        reader.location(operation),
    )


def _read_binding(operation: Operation, reader: Reader) -> OpBinding:
    has_latency = reader.has(operation, "latency")
    return OpBinding(
        reader.symbol(operation, "statement"),
        reader.text(operation, "op"),
        reader.text(operation, "impl"),
        reader.integer(operation, "latency") if has_latency else None,
    )


def _read_only_child(operation: Operation, reader: Reader) -> ScheduleNode:
    children = list(reader.body(operation))
    if len(children) != 1:
        reader.fail(operation, f"has {len(children)} children, not one", "use poly.sequence")
    return _read_node(children[0], reader)


def _read_node(operation: Operation, reader: Reader) -> ScheduleNode:
    match operation.name:
        case "poly.leaf":
            return Leaf(reader.symbol(operation, "statement"))
        case "poly.sequence":
            return Sequence(tuple(_read_node(inner, reader) for inner in reader.body(operation)))
        case "poly.loop":
            check_loop_attributes(operation.attributes, reader.location(operation))
            values = [_read_value(operation, t, reader) for t in reader.texts(operation, "values")]
            part = reader.text(operation, "part") if reader.has(operation, "part") else "all"
            if part not in get_args(LoopPart):
                reader.fail(
                    operation, f"unknown part {part!r}", f"one of {', '.join(get_args(LoopPart))}"
                )
            return Loop(
                reader.text(operation, "name"),
                tuple(values),
                _read_only_child(operation, reader),
                loop_directives(operation.attributes),
                cast(LoopPart, part),
                reader.location(operation),
            )
    raise reader.failure(operation, "is not a node of a schedule tree")


def _read_value(operation: Operation, text: str, reader: Reader) -> tuple[str, Affine]:
    name, colon, value = text.partition(":")
    if not colon:
        reader.fail(operation, f"{text!r} is not of the form 'statement: value'")
    return name.strip(), reader.affine(operation, value.strip())
