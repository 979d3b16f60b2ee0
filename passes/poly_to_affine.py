"""Level 2 to level 3: affine loops with hls directives.

    loop i { S[i, j] -> i               affine.for %i = 0 to 64 {
      loop j pipeline 1 {        →        affine.for %j = 0 to 32 {
        S                                   "hls.statement"(%i, %j) {name = "S"} : …
                                            …
                                          } {hls.loop = "j", hls.name = "j", hls.pipeline_ii = 1 : i64}
                                        } {hls.loop = "i", hls.name = "i"}

`pom.passes.ast_build` decides which loops and guards there are, `pom.passes.statement_text` writes
statements; this module writes functions, loops and attributes. A loop that runs once is dropped
with its directives. Labels: the schedule's loop name where it is unique in the function, otherwise
``<first statement>_<loop>``; the second and later copies of a loop, which separation makes, end in
``_rem``, ``_rem2`` …
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from mlir.ir import Context, MLIRError, Module

from pom.errors import InternalError
from pom.ir.affine import Affine, Constraint
from pom.ir.directives import ArrayDirectives, LoopDirectives, Partition
from pom.ir.expr import loads
from pom.ir.graph import Array, Assign, Direction, Scalar
from pom.ir.location import Location
from pom.ir.poly import Loop, PolyProgram, walk_loops
from pom.passes.ast_build import AstCall, AstFor, AstIf, AstNode, build_ast
from pom.passes.statement_text import (
    StatementWriter,
    location_text,
    map_text,
    memref_text,
    scalar_text,
)


def poly_to_affine(program: PolyProgram, context: Context | None = None) -> Module:
    """The level-3 module of `program` and its callees.

    Parameters
    ----------
    program : PolyProgram
        A verified level-2 program.
    context : mlir.ir.Context, optional
        A context of `pom.dialects.context.new_context`; a new one without it.
    """
    from pom.dialects.context import new_context

    text = affine_text(program)
    try:
        with context or new_context() as chosen:
            return Module.parse(text, chosen)
    except MLIRError as error:
        raise InternalError(f"the lowering wrote text that MLIR refuses: {error}") from error


def affine_text(program: PolyProgram) -> str:
    """The level-3 module as text."""
    functions: dict[str, str] = {}
    _functions(program, functions, is_top=True)
    return "module {\n" + "\n".join(functions.values()) + "\n}\n"


def _functions(program: PolyProgram, done: dict[str, str], is_top: bool) -> None:
    for callee in program.callees:
        if callee.name not in done:
            _functions(callee, done, is_top=False)
    done[program.name] = _Function(program, is_top).text()


def directions(program: PolyProgram) -> dict[str, Direction]:
    """How each array argument is used, from the accesses of the statements."""
    read: set[str] = set()
    written: set[str] = set()
    for statement in program.statements:
        body = statement.body
        if isinstance(body, Assign):
            read |= {a.array for a in body.reads}
            written.add(body.target.array)
            continue
        callee = next(c for c in program.callees if c.name == body.callee)
        inner = directions(callee)
        for param, argument in zip(callee.params, body.arguments, strict=True):
            if isinstance(argument, str):
                read |= {argument} if inner[param.name] in ("in", "inout") else set()
                written |= {argument} if inner[param.name] in ("out", "inout") else set()
            else:
                read |= {load.access.array for load in loads(argument)}
    result: dict[str, Direction] = {}
    for param in program.params:
        if isinstance(param, Array):
            r, w = param.name in read, param.name in written
            result[param.name] = "inout" if r and w else "in" if r else "out" if w else "unused"
    return result


class _Function:
    """Writes one function."""

    def __init__(self, program: PolyProgram, is_top: bool) -> None:
        self.program = program
        self.is_top = is_top
        self.bodies = {s.name: s for s in program.statements}
        self.writer = StatementWriter(
            program.arrays, program.bindings, {c.name: signature(c) for c in program.callees}
        )
        self.labels = _Labels(program)
        self.variables = 0

    def text(self) -> str:
        program = self.program
        uses = directions(program)
        arguments = []
        for param in program.params:
            match param:
                case Scalar():
                    kind, attributes = scalar_text(param.type), _scalar_attributes(param)
                case Array():
                    kind = memref_text(param.type)
                    attributes = _array_attributes(
                        param, program.directives_of(param.name), uses[param.name]
                    )
            arguments.append(
                f"%{param.name}: {kind} {{{attributes}}}{location_text(param.location)}"
            )
        out = self.writer
        out.emit(
            f"func.func @{program.name}({', '.join(arguments)}) attributes "
            f"{{{', '.join(self._function_attributes())}}} {{"
        )
        for local in program.locals:
            attributes = _array_attributes(local, program.directives_of(local.name), None)
            out.emit(
                f"%{local.name} = memref.alloc() {{{attributes}}} : {memref_text(local.type)}",
                local.location,
            )
        self._nodes(build_ast(program), {})
        out.emit("return")
        out.emit("}", program.location)
        return "\n".join(out.lines)

    def _function_attributes(self) -> list[str]:
        function = self.program.function
        found = ["hls.top"] if self.is_top else []
        if function.dataflow:
            found.append("hls.dataflow")
        if function.inline is not None:
            found.append(f"hls.inline = {str(function.inline).lower()}")
        return found

    def _nodes(self, nodes: Iterable[AstNode], names: Mapping[str, Affine]) -> None:
        for node in nodes:
            match node:
                case AstFor():
                    self._for(node, names)
                case AstIf():
                    self._if(node, names)
                case AstCall():
                    statement = self.bodies[node.statement]
                    values = tuple(a.substitute(dict(names)) for a in node.arguments)
                    self.writer.instance(
                        statement.name, statement.body, statement.iterators, values
                    )

    def _for(self, node: AstFor, names: Mapping[str, Affine]) -> None:
        # isl reuses c0, c1, … in every nest; one function has one scope of distinct names here,
        # and no array or argument can have a name with a dot
        self.variables += 1
        variable = f"iv.{self.variables}"
        lower = _bound(tuple(e.substitute(dict(names)) for e in node.lowers), "max")
        upper = _bound(tuple(e.substitute(dict(names)) for e in node.uppers), "min")
        step = f" step {node.step}" if node.step != 1 else ""
        out = self.writer
        out.emit(f"affine.for %{variable} = {lower} to {upper}{step} {{")
        values = self._value_range(node, names)
        if values is not None:
            self.writer.ranges[variable] = values
        self._nodes(node.body, {**names, node.variable: Affine.var(variable)})
        self.writer.ranges.pop(variable, None)
        label = self.labels.next(node.loop)
        attributes = _loop_attributes(node.loop, label)
        out.emit(f"}} {{{attributes}}}", self._place(node.loop))

    def _place(self, loop: Loop) -> Location | None:
        """Where the user wrote the loop; for one that a scheduler made, its first statement."""
        if loop.location is not None or not loop.statements:
            return loop.location
        return self.bodies[loop.statements[0]].location

    def _value_range(self, node: AstFor, names: Mapping[str, Affine]) -> tuple[int, int] | None:
        """Values that the loop's variable takes at most, whatever the loops around it are at."""
        ranges = self.writer.ranges
        lows = [e.substitute(names).bounds(ranges) for e in node.lowers]
        highs = [e.substitute(names).bounds(ranges) for e in node.uppers]
        known = [low[0] for low in lows if low], [high[1] - 1 for high in highs if high]
        return (max(known[0]), min(known[1])) if known[0] and known[1] else None

    def _if(self, node: AstIf, names: Mapping[str, Affine]) -> None:
        constraints = [
            Constraint(c.expression.substitute(dict(names)), c.is_equality)
            for c in node.constraints
        ]
        set_, operands = _set_text(constraints)
        out = self.writer
        out.emit(f"affine.if {set_}({operands}) {{")
        self._nodes(node.body, names)
        if node.orelse:
            out.emit("} else {")
            self._nodes(node.orelse, names)
        out.emit("}")


class _Labels:
    """Labels of loops: unique in a function and stable."""

    def __init__(self, program: PolyProgram) -> None:
        self.shared = Counter(loop.name for loop in walk_loops(program.schedule))
        self.taken: set[str] = set()

    def next(self, loop: Loop) -> str:
        base = loop.name
        if self.shared[loop.name] > 1:
            base = f"{loop.statements[0]}_{loop.name}"
        label, number = base, 1
        while label in self.taken:
            label = f"{base}_rem{number if number > 1 else ''}"
            number += 1
        self.taken.add(label)
        return label


def signature(program: PolyProgram) -> str:
    """The MLIR function type of a program."""
    kinds = [
        scalar_text(p.type) if isinstance(p, Scalar) else memref_text(p.type)
        for p in program.params
    ]
    return f"({', '.join(kinds)}) -> ()"


def _bound(expressions: tuple[Affine, ...], extremum: str) -> str:
    if len(expressions) == 1 and expressions[0].is_constant:
        return str(expressions[0].constant)
    unique = tuple(dict.fromkeys(expressions))
    map_, operands = map_text(unique)
    prefix = f"{extremum} " if len(unique) > 1 else ""
    return f"{prefix}{map_}({operands})"


def _set_text(constraints: list[Constraint]) -> tuple[str, str]:
    variables = sorted(frozenset().union(*(c.expression.variables for c in constraints)))
    dims = {v: f"d{k}" for k, v in enumerate(variables)}
    from pom.passes.statement_text import affine_text as expression_text

    parts = [
        f"{expression_text(c.expression, dims)} {'==' if c.is_equality else '>='} 0"
        for c in constraints
    ]
    operands = ", ".join(f"%{v}" for v in variables)
    return f"affine_set<({', '.join(dims.values())}) : ({', '.join(parts)})>", operands


def _loop_attributes(loop: Loop, label: str) -> str:
    d: LoopDirectives = loop.directives
    found = [f'hls.name = "{label}"', f'hls.loop = "{loop.name}"']
    if d.pipeline_ii is not None:
        found.append(f"hls.pipeline_ii = {d.pipeline_ii} : i64")
    if d.pipeline_off:
        found.append("hls.pipeline_off")
    if d.unroll != 1:
        found.append(f"hls.unroll = {d.unroll} : i64")
    if d.flatten is not None:
        found.append(f"hls.flatten = {str(d.flatten).lower()}")
    if d.dataflow:
        found.append("hls.dataflow")
    if d.dependence_free:
        listed = ", ".join(f'"{a}"' for a in d.dependence_free)
        found.append(f"hls.dependence_free = [{listed}]")
    return ", ".join(found)


def _scalar_attributes(param: Scalar) -> str:
    return f'hls.name = "{param.name}", hls.type = "{param.type}"'


def _partitions(partitions: tuple[Partition, ...]) -> str:
    listed = ", ".join(
        f'{{dim = {p.dim} : i64, kind = "{p.kind}", factor = {p.factor} : i64}}' for p in partitions
    )
    return f"[{listed}]"


def _array_attributes(
    array: Array, directives: ArrayDirectives, direction: Direction | None
) -> str:
    d = directives
    found = [f'hls.name = "{array.name}"', f'hls.type = "{array.type.element}"']
    if direction is not None:
        found.append(f'hls.direction = "{direction}"')
    if d.partitions:
        found.append(f"hls.partition = {_partitions(d.partitions)}")
    if d.reshapes:
        found.append(f"hls.reshape = {_partitions(d.reshapes)}")
    storage = [
        f'{key} = "{value}"'
        for key, value in (("type", d.storage_type), ("impl", d.storage_impl))
        if value is not None
    ]
    if d.storage_latency is not None:
        storage.append(f"latency = {d.storage_latency} : i64")
    if storage:
        found.append(f"hls.storage = {{{', '.join(storage)}}}")
    if d.interface is not None:
        options = "".join(f', {key} = "{value}"' for key, value in d.interface_options)
        found.append(f'hls.interface = {{mode = "{d.interface}"{options}}}')
    if d.stream_depth is not None:
        found.append(f"hls.stream = {d.stream_depth} : i64")
    return ", ".join(found)
