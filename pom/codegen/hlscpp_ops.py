"""A handler per operation of level 3. A new operation is one function with ``@handles`` here.

Integer and fixed-point arithmetic (``hls.add`` …) and float arithmetic (``arith.addf`` …) have one
handler each for all of `pom.ir.ops`: an entry added there needs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mlir.ir as mlir

from pom.codegen import hlscpp_expr as expr
from pom.codegen.hlscpp_body import ArrayVariable, Body, Constant
from pom.codegen.hlscpp_expr import Cpp
from pom.codegen.hlscpp_index import (
    INT_MAX,
    LoopRange,
    bound_text,
    condition_text,
    is_never_negative,
    map_results,
    set_constraints,
    trip_counts,
)
from pom.codegen.hlscpp_names import identifier
from pom.codegen.hlscpp_pragmas import array_pragmas, loop_pragmas
from pom.codegen.hlscpp_types import cpp_type
from pom.codegen.level3 import (
    attributes_of,
    integer_value,
    location_of,
    python_value,
    scalar_type,
    shape_of,
    walk,
)
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.convert import wrap_bits
from pom.ir.ops import OPS
from pom.ir.types import BoolType, FloatType, IntType, ScalarType

Handler = Callable[[Body, mlir.Operation], None]
_HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler for operations of these names."""

    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def handle(body: Body, op: mlir.Operation) -> None:
    """Write one operation.

    Raises
    ------
    PomError
        POM-C001: it is not one of level 3.
    """
    handler = _HANDLERS.get(op.name)
    if handler is None:
        raise PomError(
            "POM-C001",
            f"{op.name} has no C++",
            hint="level 3 is affine, arith, math, memref, func and hls operations",
        )
    handler(body, op)


# Loops and guards


@handles("affine.for")
def _loop(body: Body, op: mlir.Operation) -> None:
    if len(op.results):
        raise PomError("POM-C001", "affine.for with iter_args has no C++: values stay in arrays")
    body.before_region(op)
    _nest_comment(body, op)
    attributes = attributes_of(op)
    lowers, uppers = _bounds(body, op)
    step = integer_value(op.attributes["step"])
    low, high = body.ranges.minimum(lowers[0]), body.ranges.maximum(uppers[0])
    is_wide = low is None or high is None or low < -INT_MAX or high + step > INT_MAX
    block = op.regions[0].blocks[0]
    wish = str(attributes.get("loop", attributes.get("name", "i")))
    name = body.scope.inner().fresh(wish)
    texts = [
        bound_text(bounds, choose, body.ranges, body.wide_names, is_wide)
        for bounds, choose in ((lowers, "max"), (uppers, "min"))
    ]
    label = f"{identifier(attributes['name'])}: " if "name" in attributes else ""
    type = "long long" if is_wide else "int"
    increment = f"++{name}" if step == 1 else f"{name} += {step}"
    head = f"{label}for ({type} {name} = {texts[0]}; {name} < {texts[1]}; {increment})"
    arrays = {a.user_name: a.name for a in body.arrays.values()}
    trips = trip_counts(lowers, uppers, step, body.ranges)
    is_fixed = all(b.is_constant for b in (*lowers, *uppers))
    with body.block(head):
        body.scope.fresh(wish)
        for pragma in loop_pragmas(attributes, arrays):
            body.pragma(pragma)
        if not is_fixed and trips is not None and attributes.get("unroll", 1) != 0:
            body.pragma(f"LOOP_TRIPCOUNT min={trips[0]} max={trips[1]}")
        body.ranges.enter(LoopRange(name, lowers, uppers))
        outer_wide = body.wide_names
        body.wide_names = (outer_wide | {name}) if is_wide else (outer_wide - {name})
        body.values[block.arguments[0]] = Affine.var(name)
        body.run(block)
        body.wide_names = outer_wide
        body.ranges.leave()


def _bounds(body: Body, op: mlir.Operation) -> tuple[tuple[Affine, ...], tuple[Affine, ...]]:
    """Lower and upper bounds of an ``affine.for``."""
    count = mlir.AffineMapAttr(op.attributes["lowerBoundMap"]).value.n_inputs
    operands = body.affines(list(op.operands))
    lowers = map_results(op.attributes["lowerBoundMap"], operands[:count])
    uppers = map_results(op.attributes["upperBoundMap"], operands[count:])
    return lowers, uppers


@handles("affine.if")
def _guard(body: Body, op: mlir.Operation) -> None:
    constraints = set_constraints(op.attributes["condition"], body.affines(list(op.operands)))
    texts = [
        condition_text(e, is_equality, body.ranges, body.wide_names)
        for e, is_equality in constraints
        if is_equality or not is_never_negative(e, body.ranges)
    ]
    _branches(body, op, " && ".join(texts) or "true")


@handles("scf.if")
def _data_guard(body: Body, op: mlir.Operation) -> None:
    _branches(body, op, body.operand(op.operands[0]).text)


def _branches(body: Body, op: mlir.Operation, condition: str) -> None:
    if len(op.results):
        raise PomError("POM-C001", f"{op.name} with results has no C++: values stay in arrays")
    body.before_region(op)
    _nest_comment(body, op)
    then, otherwise = (region.blocks for region in op.regions)
    with body.block(f"if ({condition})"):
        body.run(then[0])
    if len(otherwise):
        body.lines.pop()
        with body.block("} else"):
            body.run(otherwise[0])


def _nest_comment(body: Body, op: mlir.Operation) -> None:
    """The source lines of a nest, above its outermost loop."""
    if not body.is_outermost:
        return
    found = [s for s in walk(op) if s.name == "hls.statement"]
    places = sorted({place for s in found if (place := location_of(s)) is not None})
    shorts = list(dict.fromkeys(p.short for p in places))
    body.state_lines = len(shorts) > 1
    body.gap()
    if shorts:
        first, last = shorts[0], shorts[-1]
        is_one_file = len({p.file for p in places}) == 1
        end = f"-{last.rpartition(':')[2]}" if is_one_file else f", {last}"
        body.line(f"// {first}" if first == last else f"// {first}{end}")


@handles("hls.statement")
def _statement(body: Body, op: mlir.Operation) -> None:
    place = location_of(op)
    if place is not None and (body.is_outermost or body.state_lines):
        if body.is_outermost:
            body.gap()
        body.line(f"// {place.short}")


@handles("affine.yield", "scf.yield", "func.return", "memref.dealloc")
def _nothing(body: Body, op: mlir.Operation) -> None:
    if op.name == "func.return" and len(op.operands):
        raise PomError("POM-C001", "a kernel returns nothing: its results are arrays")


# Memory


@handles("memref.alloc", "memref.alloca")
def _local(body: Body, op: mlir.Operation) -> None:
    attributes = attributes_of(op)
    user_name = str(attributes.get("name", "buffer"))
    type = scalar_type(attributes.get("type"), f"the array {user_name}")
    array = ArrayVariable(body.scope.fresh(user_name), user_name, type, shape_of(op.results[0]))
    body.types.add(type)
    body.arrays[op.results[0]] = array
    dims = "".join(f"[{n}]" for n in array.shape)
    body.line(f"{cpp_type(type)} {array.name}{dims};")
    for pragma in array_pragmas(array.name, attributes):
        body.pragma(pragma)


def _place(body: Body, op: mlir.Operation, position: int) -> Cpp:
    """The element that a load or store names; `position` is that of the memref operand."""
    array = body.array(op.operands[position])
    indices = list(op.operands)[position + 1 :]
    if op.name.startswith("affine."):
        subscripts = [
            body.index(e) for e in map_results(op.attributes["map"], body.affines(indices))
        ]
    else:
        subscripts = [body.subscript(v) for v in indices]
    return body.place(array, subscripts)


@handles("affine.load", "memref.load")
def _load(body: Body, op: mlir.Operation) -> None:
    place = _place(body, op, 0)
    array = body.array(op.operands[0]).name
    short = array[0].lower() if array[0].isupper() and len(array) == 1 else f"{array}_value"
    body.define(op, place, short)


@handles("affine.store", "memref.store")
def _store(body: Body, op: mlir.Operation) -> None:
    array = body.array(op.operands[1])
    value = body.operand(op.operands[0], array.type)
    place = _place(body, op, 1)
    body.before_write(frozenset({array.name}))
    body.store(place, value)


@handles("func.call")
def _call(body: Body, op: mlir.Operation) -> None:
    callee = mlir.FlatSymbolRefAttr(op.attributes["callee"]).value
    if callee not in body.callees or len(op.results):
        raise PomError("POM-C002", f"{callee} is not a function of the module without results")
    texts, written = [], set()
    for value, parameter in zip(op.operands, body.callees[callee].params, strict=True):
        if parameter.is_array:
            texts.append(body.array(value).name)
            written |= {texts[-1]} if parameter.is_written else set()
        else:
            texts.append(body.operand(value, parameter.type).text)
    body.before_write(frozenset(written))
    body.line(f"{body.callees[callee].name}({', '.join(texts)});")


# Values


@handles("arith.constant")
def _constant(body: Body, op: mlir.Operation) -> None:
    attribute = op.attributes["value"]
    if isinstance(attribute, mlir.FloatAttr):
        body.values[op.results[0]] = Constant(attribute.value)
    elif isinstance(attribute, mlir.IntegerAttr | mlir.BoolAttr):
        body.values[op.results[0]] = Constant(integer_value(attribute))
    else:
        raise PomError("POM-C001", f"the constant {attribute} has no C++")


@handles("affine.apply")
def _apply(body: Body, op: mlir.Operation) -> None:
    (result,) = map_results(op.attributes["map"], body.affines(list(op.operands)))
    body.values[op.results[0]] = result


@handles("arith.index_cast", "arith.index_castui")
def _index_cast(body: Body, op: mlir.Operation) -> None:
    source = op.operands[0]
    if not isinstance(op.results[0].type, mlir.IndexType):
        raise PomError("POM-C001", "arith.index_cast makes an index; hls.index makes an integer")
    constant = body.values.get(source)
    if isinstance(constant, Constant):
        width, is_signed = source.type.width, op.name == "arith.index_cast"
        body.values[op.results[0]] = Affine.const(wrap_bits(int(constant.value), width, is_signed))
        return
    body.define(op, body.operand(source), "position")


@handles("hls.index")
def _index(body: Body, op: mlir.Operation) -> None:
    type = scalar_type(python_value(op.attributes["result"]), "hls.index")
    e = body.affine(op.operands[0])
    value = replace(body.index(e), type=type)
    low, high = body.ranges.minimum(e), body.ranges.maximum(e)
    if isinstance(type, IntType):
        fits = low is not None and high is not None and type.minimum <= low and high <= type.maximum
        value = value if fits else expr.converted(value, type)
    body.define(op, value, "index")


_FLOAT_OPS = {spec.float_op: name for name, spec in OPS.items() if spec.float_op}


@handles(*_FLOAT_OPS)
def _float(body: Body, op: mlir.Operation) -> None:
    name = _FLOAT_OPS[op.name]
    type = _float_type(op.results[0])
    operands = [body.operand(v, type) for v in op.operands]
    body.define(op, expr.apply(name, operands, type), name)


def _float_type(value: mlir.Value) -> FloatType:
    text = str(value.type)
    if text not in ("f16", "f32", "f64"):
        raise PomError("POM-C004", f"{text} is not a float type of level 3")
    return FloatType(int(text[1:]))


@handles(*(f"hls.{name}" for name in OPS))
def _numeric(body: Body, op: mlir.Operation) -> None:
    name = op.name.removeprefix("hls.")
    result = scalar_type(python_value(op.attributes["result"]), op.name)
    types = [scalar_type(t, op.name) for t in python_value(op.attributes["types"])]
    operands = []
    for value, type in zip(op.operands, types, strict=True):
        operand = body.operand(value, type)
        if operand.type != type:
            raise PomError(
                "POM-C003", f"{op.name} takes {type} where {operand.text} is {operand.type}"
            )
        operands.append(operand)
    if name == "abs" and operands[0].precedence < expr.PRIMARY:
        operands[0] = body.named(operands[0], "value")
    body.define(op, expr.apply(name, operands, result), name)


_COMPARED = {2: "gt", 3: "ge", 4: "lt", 5: "le", 1: "eq", 13: "ne"}
"""``arith.cmpf`` predicates that are C++'s: ordered, but for ``!=``."""


@handles("arith.cmpf")
def _compare(body: Body, op: mlir.Operation) -> None:
    if op in body.absorbed:
        return
    predicate = integer_value(op.attributes["predicate"])
    if predicate not in _COMPARED:
        raise PomError("POM-C001", f"the arith.cmpf predicate number {predicate} has no C++")
    type = _float_type(op.operands[0])
    operands = [body.operand(v, type) for v in op.operands]
    name = _COMPARED[predicate]
    body.define(op, expr.apply(name, operands, BoolType()), name)


@handles("arith.select")
def _choose(body: Body, op: mlir.Operation) -> None:
    type: ScalarType = BoolType() if str(op.results[0].type) == "i1" else _float_type(op.results[0])
    name = extremum(op)
    if name is not None:
        # b < a ? b : a is std::min(a, b), and a < b ? b : a is std::max(a, b).
        operands = [body.operand(op.operands[2], type), body.operand(op.operands[1], type)]
        body.define(op, expr.apply(name, operands, type), name)
        return
    condition = body.operand(op.operands[0], BoolType())
    arms = [body.operand(v, type) for v in list(op.operands)[1:]]
    body.define(op, expr.apply("select", [condition, *arms], type), "select")


def extremum(op: mlir.Operation) -> str | None:
    """``min`` or ``max`` where a select and the comparison that only it uses are one."""
    condition, chosen, other = op.operands
    owner = condition.owner
    if not isinstance(owner, mlir.Operation | mlir.OpView):
        return None
    compare = owner.operation
    if compare.name != "arith.cmpf" or len(list(condition.uses)) != 1 or compare.block != op.block:
        return None
    left, right = compare.operands
    predicate = integer_value(compare.attributes["predicate"])
    if predicate == 2:
        left, right, predicate = right, left, 4
    if predicate != 4 or left == right:
        return None
    if (left, right) == (chosen, other):
        return "min"
    return "max" if (right, left) == (chosen, other) else None


@handles("arith.andi", "arith.ori", "arith.xori")
def _logical(body: Body, op: mlir.Operation) -> None:
    if str(op.results[0].type) != "i1":
        raise PomError(
            "POM-C001", f"{op.name} on {op.results[0].type}: integers have hls operations"
        )
    name = op.name.removeprefix("arith.").removesuffix("i")
    for k, value in enumerate(op.operands):
        constant = body.values.get(value)
        if name == "xor" and isinstance(constant, Constant) and constant.value:
            operand = body.operand(op.operands[1 - k], BoolType())
            body.define(op, expr.apply("invert", [operand], BoolType()), "inverted")
            return
    operands = [body.operand(v, BoolType()) for v in op.operands]
    body.define(op, expr.apply(name, operands, BoolType()), name)


_COMPARED_BOOLS = {0: "eq", 1: "ne", 6: "lt", 7: "le", 8: "gt", 9: "ge"}
"""``arith.cmpi`` predicates on bools: unsigned, so that true is the greater."""


@handles("arith.cmpi")
def _compare_bools(body: Body, op: mlir.Operation) -> None:
    predicate = integer_value(op.attributes["predicate"])
    if str(op.operands[0].type) != "i1" or predicate not in _COMPARED_BOOLS:
        raise PomError("POM-C001", "arith.cmpi compares bools unsigned; integers have hls.lt …")
    operands = [body.operand(v, BoolType()) for v in op.operands]
    name = _COMPARED_BOOLS[predicate]
    body.define(op, expr.apply(name, operands, BoolType()), name)
