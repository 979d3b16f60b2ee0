"""From level 3 (affine MLIR with hls attributes) to the estimator's region tree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import mlir.ir as mlir

from pom.errors import PomError
from pom.ir import types as ir_types
from pom.ir.location import Location
from pom.qor_model import affine_text
from pom.qor_model.operations import FLOAT_KINDS, HLS_KINDS
from pom.qor_model.region import (
    BOOL,
    INDEX,
    Access,
    Affine,
    Array,
    Block,
    CallBinding,
    Design,
    Function,
    If,
    Interface,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    Region,
    ScalarKind,
    ScalarType,
    SourceLoc,
    Storage,
)

_IGNORED = frozenset(
    {"hls.statement", "func.return", "affine.yield", "scf.yield", "memref.dealloc"}
)


def design_from_affine(module: mlir.Module) -> Design:
    """Read a level-3 module.

    Parameters
    ----------
    module : mlir.ir.Module
        Functions with affine loops and hls attributes; one of them has ``hls.top``.

    Raises
    ------
    PomError
        ``POM-Q001`` if an operation is not one of level 3.
    """
    functions: list[Function] = []
    calls: list[CallBinding] = []
    top = ""
    names: dict[str, tuple[str, ...]] = {}
    for op in module.body.operations:
        operation = op.operation
        if operation.name != "func.func" or not operation.regions[0].blocks:
            continue
        name = mlir.StringAttr(operation.attributes["sym_name"]).value
        reader = _Reader(name, names)
        functions.append(reader.function(operation))
        names[name] = tuple(reader.argument_names)
        calls += reader.calls
        if "hls.top" in operation.attributes or not top:
            top = name
    return Design(top, tuple(functions), tuple(calls))


def scalar_type(type_: ir_types.ScalarType) -> ScalarType:
    """The estimator's form of a scalar type of the language."""
    match type_:
        case ir_types.FloatType(width=width):
            return ScalarType(ScalarKind.FLOAT, width)
        case ir_types.IntType(width=width, signed=signed):
            return ScalarType(ScalarKind.INT if signed else ScalarKind.UINT, width)
        case ir_types.FixedType(width=width, integer_bits=bits, signed=signed):
            return ScalarType(ScalarKind.FIXED if signed else ScalarKind.UFIXED, width, bits)
        case ir_types.BoolType():
            return BOOL


@dataclass
class _Reader:
    """Reads one function."""

    name: str
    known: dict[str, tuple[str, ...]]
    argument_names: list[str] = field(default_factory=list)
    calls: list[CallBinding] = field(default_factory=list)
    _count: int = 0
    _arrays: dict[mlir.Value, str] = field(default_factory=dict)
    _found: list[Array] = field(default_factory=list)
    _affine: dict[mlir.Value, Affine | None] = field(default_factory=dict)
    _ops: dict[mlir.Value, int] = field(default_factory=dict)
    _scalars: dict[mlir.Value, str] = field(default_factory=dict)
    _types: dict[mlir.Value, ScalarType] = field(default_factory=dict)
    _element: dict[str, ScalarType] = field(default_factory=dict)
    _numbers: dict[mlir.Value, int] = field(default_factory=dict)

    def function(self, op: mlir.Operation) -> Function:
        block = op.regions[0].blocks[0]
        attributes = _argument_attributes(op, len(block.arguments))
        scalars: list[tuple[str, ScalarType]] = []
        for index, value in enumerate(block.arguments):
            found = attributes[index]
            name = str(found.get("hls.name", f"arg{index}"))
            self.argument_names.append(name)
            if _is_memref(value):
                self._declare(value, name, found, True)
            else:
                dtype = self._declared_type(found, value)
                self._scalars[value] = name
                self._types[value] = dtype
                scalars.append((name, dtype))
        body = self._block(block)
        inline = op.attributes["hls.inline"].value if "hls.inline" in op.attributes else None
        return Function(
            self.name, tuple(self._found), body, inline, "hls.dataflow" in op.attributes,
            scalars=tuple(scalars), loc=_location(op.location),
        )  # fmt: skip

    def _declared_type(self, found: dict[str, Any], value: mlir.Value) -> ScalarType:
        text = found.get("hls.type")
        if isinstance(text, str):
            return scalar_type(ir_types.parse_scalar_type(text))
        kind = mlir.MemRefType(value.type).element_type if _is_memref(value) else value.type
        return _mlir_type(kind)

    def _declare(
        self, value: mlir.Value, name: str, found: dict[str, Any], is_argument: bool
    ) -> None:
        shape = tuple(int(d) for d in mlir.MemRefType(value.type).shape)
        dtype = self._declared_type(found, value)
        direction = found.get("hls.direction", "inout")
        storage = dict(found.get("hls.storage", {}))
        if "hls.stream" in found:
            storage.setdefault("type", "fifo")
        interface = found.get("hls.interface", {})
        latency = interface.get("latency")
        self._arrays[value] = name
        self._element[name] = dtype
        self._found.append(
            Array(
                name, shape, dtype,
                _partitions(found.get("hls.partition", ()), shape),
                _partitions(found.get("hls.reshape", ()), shape),
                Storage(storage.get("type", ""), storage.get("impl", ""), storage.get("latency")),
                Interface(
                    interface.get("mode", ""), interface.get("bundle", ""),
                    interface.get("storage_type", ""),
                    int(latency) if latency is not None else None,
                ),
                is_argument, direction in ("in", "inout"), direction in ("out", "inout"),
            )
        )  # fmt: skip

    # ---- regions -----------------------------------------------------------------------

    def _block(self, block: mlir.Block) -> tuple[Region, ...]:
        regions: list[Region] = []
        pending: list[Op] = []

        def close() -> None:
            if pending:
                regions.append(Block(tuple(pending)))
                pending.clear()

        for op in block.operations:
            operation = op.operation
            match operation.name:
                case "affine.for":
                    close()
                    regions.append(self._loop(operation))
                case "affine.if" | "scf.if":
                    close()
                    regions.append(self._if(operation))
                case _:
                    found = self._operation(operation)
                    if found is not None:
                        pending.append(found)
        close()
        return tuple(regions)

    def _loop(self, op: mlir.Operation) -> Loop:
        lower = mlir.AffineMapAttr(op.attributes["lowerBoundMap"]).value
        upper = mlir.AffineMapAttr(op.attributes["upperBoundMap"]).value
        operands = list(op.operands)
        lows = self._bounds(op, lower, operands[: lower.n_inputs])
        rest = operands[lower.n_inputs : lower.n_inputs + upper.n_inputs]
        highs = self._bounds(op, upper, rest)
        body = op.regions[0].blocks[0]
        self._count += 1
        name = _text(op, "hls.name") or f"loop{self._count}"
        iv = body.arguments[0]
        self._affine[iv] = Affine(((name, 1),))
        self._scalars[iv] = name
        self._types[iv] = INDEX
        pipeline = True if "hls.pipeline_ii" in op.attributes else None
        if "hls.pipeline_off" in op.attributes:
            pipeline = False
        flatten = op.attributes["hls.flatten"].value if "hls.flatten" in op.attributes else None
        directives = LoopDirectives(
            pipeline, _integer(op, "hls.pipeline_ii"), _integer(op, "hls.unroll", 1) or 0,
            flatten, "hls.dataflow" in op.attributes,
        )  # fmt: skip
        step = mlir.IntegerAttr(op.attributes["step"]).value if "step" in op.attributes else 1
        return Loop(name, lows, highs, self._block(body), step, directives, _location(op.location))

    def _bounds(
        self, op: mlir.Operation, map_: mlir.AffineMap, operands: list[mlir.Value]
    ) -> tuple[Affine, ...]:
        values = [self._affine.get(v) for v in operands]
        found = [affine_text.expression(e, values, map_.n_dims) for e in map_.results]
        if any(e is None for e in found):
            place = _location(op.location)
            raise PomError(
                "POM-Q002",
                f"a bound of loop {_text(op, 'hls.name') or 'without a name'} is not affine in the "
                f"loops around it: {map_}",
                Location(place.file, place.line, place.column) if place else None,
                hint="a trip count must follow from constants and enclosing loops",
            )
        return tuple(e for e in found if e is not None)

    def _if(self, op: mlir.Operation) -> If:
        then_body = self._block(op.regions[0].blocks[0])
        else_body: tuple[Region, ...] = ()
        if len(op.regions) > 1 and len(op.regions[1].blocks):
            else_body = self._block(op.regions[1].blocks[0])
        loc = _location(op.location)
        if op.name == "scf.if":
            condition = self._ops.get(op.operands[0])
            return If((), then_body, else_body, (), condition, loc)
        set_ = mlir.IntegerSetAttr(op.attributes["condition"])
        conditions, equalities = affine_text.constraints(
            str(set_), [self._affine.get(v) for v in op.operands]
        )
        return If(conditions, then_body, else_body, equalities, None, loc)

    # ---- operations --------------------------------------------------------------------

    def _operation(self, op: mlir.Operation) -> Op | None:
        match op.name:
            case name if name in _IGNORED:
                return None
            case "memref.alloc" | "memref.alloca":
                found = {a: _value(op.attributes[a]) for a in op.attributes}
                name = str(found.get("hls.name", f"local{len(self._found)}"))
                self._declare(op.results[0], name, found, False)
                return None
            case "arith.constant":
                self._constant(op)
                return None
            case "affine.apply":
                map_ = mlir.AffineMapAttr(op.attributes["map"]).value
                values = [self._affine.get(v) for v in op.operands]
                result = affine_text.expression(map_.results[0], values, map_.n_dims)
                self._affine[op.results[0]] = result
                self._scalars[op.results[0]] = str(result)
                self._types[op.results[0]] = INDEX
                return None
            case "arith.index_cast" | "hls.index" | "arith.index_castui":
                self._index(op)
                return None
            case "affine.load" | "affine.store" | "memref.load" | "memref.store":
                return self._access(op)
            case "func.call":
                return self._call(op)
        return self._compute(op)

    def _constant(self, op: mlir.Operation) -> None:
        value = op.results[0]
        attribute = op.attributes["value"]
        self._scalars[value] = f"#{attribute}"
        self._types[value] = _mlir_type(value.type)
        if isinstance(attribute, mlir.IntegerAttr):
            self._numbers[value] = attribute.value
            if str(value.type) == "index":
                self._affine[value] = Affine((), attribute.value)

    def _narrow(self, constant: mlir.Value, type_: ScalarType) -> None:
        """An operator is as wide as the number that goes in, not as its type could be."""
        number = self._numbers[constant]
        if not type_.is_signed:
            number %= 1 << type_.width
        width = max(1, (number if number >= 0 else ~number).bit_length() + type_.is_signed)
        int_bits = width - type_.fraction_bits if type_.is_fixed else 0
        self._types[constant] = ScalarType(type_.kind, width, int_bits)
        self._scalars[constant] = f"#{number}"

    def _index(self, op: mlir.Operation) -> None:
        """A conversion between index and integer costs nothing."""
        source, value = op.operands[0], op.results[0]
        result = _attribute(op, "result")
        self._types[value] = (
            scalar_type(ir_types.parse_scalar_type(mlir.StringAttr(result).value))
            if result is not None
            else _mlir_type(value.type)
        )
        if source in self._ops:
            self._ops[value] = self._ops[source]
        else:
            self._scalars[value] = self._scalars.get(source, "")
        self._affine[value] = self._affine.get(source)

    def _new(self, op: mlir.Operation, kind: OpKind, dtype: ScalarType, **extra: Any) -> Op:
        operands = extra.pop("values")
        self._count += 1
        bind = _value(op.attributes["hls.bind_op"]) if "hls.bind_op" in op.attributes else {}
        found = Op(
            self._count,
            kind,
            dtype,
            tuple(self._ops[v] for v in operands if v in self._ops),
            tuple(self._types.get(v, dtype) for v in operands),
            constant_operands=sum(
                self._scalars.get(v, "").startswith("#") and v not in self._ops for v in operands
            ),
            impl=str(bind.get("impl", "")),
            impl_latency=bind.get("latency"),
            loc=_location(op.location),
            scalars=tuple(
                f"{n}:{self._scalars.get(v, '?')}"
                for n, v in enumerate(operands)
                if v not in self._ops
            ),
            **extra,
        )
        for result in op.results:
            self._ops[result] = found.id
            self._types[result] = dtype
        return found

    def _access(self, op: mlir.Operation) -> Op:
        is_store = op.name.endswith("store")
        operands = list(op.operands)
        memref = operands[1] if is_store else operands[0]
        indices = operands[2:] if is_store else operands[1:]
        array = self._arrays[memref]
        if op.name.startswith("affine"):
            map_ = mlir.AffineMapAttr(op.attributes["map"]).value
            values = [self._affine.get(v) for v in indices]
            subscripts = tuple(
                _subscript(affine_text.expression(e, values, map_.n_dims)) for e in map_.results
            )
            loaded: list[mlir.Value] = []
        else:
            subscripts = tuple(_subscript(self._affine.get(v)) for v in indices)
            loaded = [v for v in indices if v in self._ops]
        access = Access(array, subscripts)
        dtype = self._element[array]
        values_read = [operands[0], *loaded] if is_store else loaded
        kind = OpKind.STORE if is_store else OpKind.LOAD
        return self._new(op, kind, dtype, values=values_read, access=access)

    def _call(self, op: mlir.Operation) -> Op:
        callee = mlir.FlatSymbolRefAttr(op.attributes["callee"]).value
        found = self._new(op, OpKind.CALL, INDEX, values=[], callee=callee)
        pairs = tuple(
            (formal, self._arrays[actual])
            for formal, actual in zip(self.known.get(callee, ()), op.operands, strict=False)
            if actual in self._arrays
        )
        self.calls.append(CallBinding(found.id, pairs))
        return found

    def _compute(self, op: mlir.Operation) -> Op:
        kind = FLOAT_KINDS.get(op.name) or HLS_KINDS.get(op.name)
        if op.name == "arith.divf" and _has_exact_inverse(op.operands[1]):
            kind = OpKind.MUL
        if kind is None:
            raise PomError(
                "POM-Q001",
                f"the estimator does not know the operation {op.name}",
                hint="lower it to arith, math or hls operations first",
            )
        result = _attribute(op, "result")
        if result is not None:
            dtype = scalar_type(ir_types.parse_scalar_type(mlir.StringAttr(result).value))
        else:
            dtype = _mlir_type(op.results[0].type)
        if "types" in op.attributes:
            texts = [mlir.StringAttr(a).value for a in mlir.ArrayAttr(op.attributes["types"])]
            for value, text in zip(op.operands, texts, strict=False):
                type_ = scalar_type(ir_types.parse_scalar_type(text))
                self._types.setdefault(value, type_)
                if value in self._numbers:
                    self._narrow(value, type_)
        return self._new(op, kind, dtype, values=list(op.operands))


def _subscript(value: Affine | None) -> Affine | None:
    """What the schedule knows of a subscript: nothing where it rounds."""
    return None if value is None or value.floors else value


def _has_exact_inverse(value: mlir.Value) -> bool:
    """Whether this is a constant by which clang multiplies instead of dividing.

    Its inverse is then a normal number and exact: a power of two (LLVM, APFloat::getExactInverse).
    """
    if isinstance(value, mlir.BlockArgument) or value.owner.name != "arith.constant":
        return False
    constant = value.owner
    number = mlir.FloatAttr(constant.attributes["value"]).value
    if not math.isfinite(number) or abs(math.frexp(number)[0]) != 0.5:
        return False
    smallest_normal = {16: -14, 32: -126, 64: -1022}[mlir.FloatType(value.type).width]
    return -math.log2(abs(number)) >= smallest_normal


def _is_memref(value: mlir.Value) -> bool:
    return isinstance(value.type, mlir.MemRefType) or str(value.type).startswith("memref")


def _mlir_type(type_: mlir.Type) -> ScalarType:
    text = str(type_)
    if text == "index":
        return INDEX
    if text == "i1":
        return BOOL
    if text.startswith("f"):
        return ScalarType(ScalarKind.FLOAT, int(text[1:]))
    return ScalarType(ScalarKind.INT, int(text.lstrip("iu")))


def _value(attribute: mlir.Attribute) -> Any:
    match attribute:
        case mlir.StringAttr() | mlir.BoolAttr() | mlir.IntegerAttr() | mlir.FloatAttr():
            return attribute.value
        case mlir.ArrayAttr():
            return tuple(_value(a) for a in attribute)
        case mlir.DictAttr():
            return {a.name: _value(a.attr) for a in attribute}
    return str(attribute)


def _argument_attributes(op: mlir.Operation, count: int) -> list[dict[str, Any]]:
    if "arg_attrs" not in op.attributes:
        return [{} for _ in range(count)]
    return [_value(entry) for entry in mlir.ArrayAttr(op.attributes["arg_attrs"])]


def _partitions(
    entries: tuple[dict[str, Any], ...], shape: tuple[int, ...]
) -> tuple[Partition, ...]:
    found: list[Partition] = []
    for entry in entries:
        dims = range(len(shape)) if entry["dim"] == 0 else (int(entry["dim"]) - 1,)
        kind = PartitionKind(entry["kind"])
        for dim in dims:
            factor = shape[dim] if kind is PartitionKind.COMPLETE else int(entry["factor"])
            found.append(Partition(dim, kind, factor))
    return tuple(found)


def _attribute(op: mlir.Operation, name: str) -> mlir.Attribute | None:
    """An attribute; the mapping of the bindings has no ``get``."""
    return op.attributes[name] if name in op.attributes else None  # noqa: SIM401


def _text(op: mlir.Operation, name: str) -> str:
    return mlir.StringAttr(op.attributes[name]).value if name in op.attributes else ""


def _integer(op: mlir.Operation, name: str, default: int | None = None) -> int | None:
    if name not in op.attributes:
        return default
    return int(mlir.IntegerAttr(op.attributes[name]).value)


def _location(location: mlir.Location) -> SourceLoc | None:
    if location.is_a_file():
        if location.filename in ("-", "") or location.filename.endswith(".mlir"):
            return None
        return SourceLoc(location.filename, location.start_line, max(location.start_col - 1, 0))
    if location.is_a_name():
        return _location(location.child_loc)
    if location.is_a_fused():
        return next((s for inner in location.locations if (s := _location(inner))), None)
    return None
