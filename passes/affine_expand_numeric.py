"""Integer and fixed-point operations of the hls dialect, as ``arith`` on signless integers.

    %s = "hls.add"(%a, %b) {types = ["int8", "uint4"], result = "int9"} : (i8, i4) -> i9
 →
    %0 = arith.extsi %a : i8 to i9
    %1 = arith.extui %b : i4 to i9
    %s = arith.addi %0, %1 : i9

The meaning of every operation is that of `pom.ir.ops`. ``hls.statement`` is dropped. What would be
undefined is made defined: a division by zero reports itself through ``@pom_report`` (declared here,
provided by `pom.runtime.jit`) and divides by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mlir import ir
from mlir.dialects import arith, func, scf

from pom.errors import PomError
from pom.ir.ops import common_type, operand_types
from pom.ir.types import FloatType, ScalarType, parse_scalar_type
from pom.passes.base import AffinePass
from pom.passes.numeric_builder import (
    EQ,
    NE,
    SGE,
    SGT,
    SLE,
    SLT,
    UGE,
    UGT,
    ULE,
    ULT,
    NumericBuilder,
    as_numeric,
    fraction_of,
    mlir_type,
)

REPORT = "pom_report"
"""The runtime function that expanded code calls with the number of a fault."""

DIVISION_BY_ZERO = 1

_build = NumericBuilder()
Operands = Sequence[ir.Value]
Types = Sequence[ScalarType]
Expansion = Callable[[Operands, Types, ScalarType], ir.Value]


def _aligned(operands: Operands, types: Types, target: ScalarType) -> list[ir.Value]:
    goal = as_numeric(target)
    return [_build.align(v, as_numeric(t), goal) for v, t in zip(operands, types, strict=True)]


def _resized(operands: Operands, types: Types, width: int) -> list[ir.Value]:
    return [
        _build.resize(v, as_numeric(t).signed, width) for v, t in zip(operands, types, strict=True)
    ]


def _on_aligned(compute: Callable[[ir.Value, ir.Value], ir.Value]) -> Expansion:
    return lambda operands, types, result: compute(*_aligned(operands, types, result))


def _multiply(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    return arith.muli(*_resized(operands, types, result.width))


def report(fault: int) -> None:
    """Insert a call that tells the runtime about a fault."""
    i64 = ir.IntegerType.get_signless(64)
    number = arith.constant(i64, ir.IntegerAttr.get(i64, fault))
    func.CallOp([], ir.FlatSymbolRefAttr.get(REPORT), [number])


def _nonzero(divisor: ir.Value) -> ir.Value:
    width = ir.IntegerType(divisor.type).width
    is_zero = arith.cmpi(EQ, divisor, _build.constant(0, width))
    branch = scf.IfOp(is_zero)
    with ir.InsertionPoint(branch.then_block):
        report(DIVISION_BY_ZERO)
        scf.YieldOp([])
    return arith.select(is_zero, _build.constant(1, width), divisor)


def _division_width(width: int) -> int:
    """LLVM calls a library for 65 to 128 bits, and expands wider divisions in place."""
    return 129 if 64 < width <= 128 else width


def _divide(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    first, second = (as_numeric(t) for t in operand_types("div", types))
    shift = max(fraction_of(second), 0)
    width = _division_width(max(first.width + shift, second.width) + 1)
    a, b = (
        _build.resize(_build.align(v, as_numeric(t), goal), goal.signed, width)
        for v, t, goal in zip(operands, types, (first, second), strict=True)
    )
    a, b = _build.shift_left(a, shift), _nonzero(b)
    quotient = arith.divsi(a, b) if first.signed else arith.divui(a, b)
    return _build.resize(quotient, first.signed, result.width)


def _remainder(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    common = as_numeric(common_type(types))
    a, b = _resized(operands, types, _division_width(common.width + 1))
    b = _nonzero(b)
    rest = arith.remsi(a, b) if common.signed else arith.remui(a, b)
    return _build.resize(rest, common.signed, result.width)


def _negate(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    return _build.negate(*_resized(operands, types, result.width))


def _magnitude(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    (value,) = _resized(operands, types, result.width)
    if not as_numeric(types[0]).signed:
        return value
    return arith.select(_build.is_negative(value), _build.negate(value), value)


def _root(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    """The root bit by bit, as in longhand: two bits of the operand a step, a trial subtraction."""
    source, target = as_numeric(types[0]), as_numeric(result)
    bits, width = result.width, result.width + 2
    wide = max(2 * bits, source.width)
    radicand = _build.resize(operands[0], source.signed, wide)
    shift = fraction_of(target)
    radicand = (
        _build.shift_right(radicand, False, -shift)
        if shift < 0
        else _build.shift_left(radicand, shift)
    )
    rest, root = _build.constant(0, width), _build.constant(0, width)
    one, two = _build.constant(1, width), _build.constant(2, width)
    for k in reversed(range(bits)):
        digit = _build.resize(_build.shift_right(radicand, False, 2 * k), False, 2)
        rest = arith.ori(arith.shli(rest, two), _build.resize(digit, False, width))
        trial = arith.ori(arith.shli(root, two), one)
        fits = arith.cmpi(ULE, trial, rest)
        rest = arith.select(fits, arith.subi(rest, trial), rest)
        doubled = arith.shli(root, one)
        root = arith.select(fits, arith.ori(doubled, one), doubled)
    root = _build.resize(root, False, bits)
    if not source.signed:
        return root
    return arith.select(_build.is_negative(operands[0]), _build.constant(0, bits), root)


def _extremum(swapped: bool) -> Expansion:
    def expand(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
        a, b = _aligned(operands, types, result)
        predicate = SLT if as_numeric(result).signed else ULT
        is_second = arith.cmpi(predicate, a, b) if swapped else arith.cmpi(predicate, b, a)
        return arith.select(is_second, b, a)

    return expand


def _compare(signed: int, unsigned: int) -> Expansion:
    def expand(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
        common = as_numeric(common_type(types))
        a, b = (
            _build.align(v, as_numeric(t), common) for v, t in zip(operands, types, strict=True)
        )
        return arith.cmpi(signed if common.signed else unsigned, a, b)

    return expand


def _invert(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    return arith.xori(operands[0], _build.constant(-1, result.width))


def _shift_left(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    return _build.shift_by(operands[0], operands[1], "left")


def _shift_right(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    kind = "arith" if as_numeric(types[0]).signed else "logical"
    return _build.shift_by(operands[0], operands[1], kind)


def _select(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    return arith.select(operands[0], *_aligned(operands[1:], types[1:], result))


def _cast(operands: Operands, types: Types, result: ScalarType) -> ir.Value:
    return _build.convert(operands[0], types[0], result)


EXPANSIONS: dict[str, Expansion] = {
    "add": _on_aligned(arith.addi),
    "sub": _on_aligned(arith.subi),
    "mul": _multiply,
    "div": _divide,
    "mod": _remainder,
    "neg": _negate,
    "abs": _magnitude,
    "sqrt": _root,
    "min": _extremum(swapped=False),
    "max": _extremum(swapped=True),
    "lt": _compare(SLT, ULT),
    "le": _compare(SLE, ULE),
    "gt": _compare(SGT, UGT),
    "ge": _compare(SGE, UGE),
    "eq": _compare(EQ, EQ),
    "ne": _compare(NE, NE),
    "and": _on_aligned(arith.andi),
    "or": _on_aligned(arith.ori),
    "xor": _on_aligned(arith.xori),
    "invert": _invert,
    "shl": _shift_left,
    "shr": _shift_right,
    "select": _select,
    "cast": _cast,
}
"""How each operation of `pom.ir.ops` on integers and fixed point is computed."""


def declare(module: ir.Module, name: str, inputs: list[ir.Type], results: list[ir.Type]) -> None:
    """Declare a private function, unless the module has it."""
    table = ir.SymbolTable(module.operation)
    if name in table:
        return
    with ir.InsertionPoint.at_block_begin(module.body), ir.Location.unknown():
        declared = func.FuncOp(name, ir.FunctionType.get(inputs, results), visibility="private")
    declared.operation.verify()


def operations(module: ir.Module, prefix: str) -> list[ir.Operation]:
    """Every operation whose name begins with `prefix`, in order."""
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        if op.name.startswith(prefix):
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


def _expand(op: ir.Operation) -> ir.Value:
    kind = op.name.removeprefix("hls.")
    result = parse_scalar_type(ir.StringAttr(op.attributes["result"]).value)
    if kind == "index":
        i64 = ir.IntegerType.get_signless(64)
        return _build.resize(arith.index_cast(i64, op.operands[0]), True, result.width)
    types = [
        parse_scalar_type(ir.StringAttr(t).value) for t in ir.ArrayAttr(op.attributes["types"])
    ]
    if kind not in EXPANSIONS or (kind != "cast" and isinstance(types[-1], FloatType)):
        raise PomError("POM-A200", f"{op.name} of {', '.join(map(str, types))} has no expansion")
    found = [str(v.type) for v in (*op.operands, op.result)]
    wanted = [str(mlir_type(t)) for t in (*types, result)]
    if found != wanted:
        raise PomError(
            "POM-A201", f"{op.name} has MLIR types {', '.join(found)}, not {', '.join(wanted)}"
        )
    return EXPANSIONS[kind](list(op.operands), types, result)


@dataclass(frozen=True)
class AffineExpandNumeric(AffinePass):
    """hls numeric operations → ``arith``; statement markers dropped."""

    name: ClassVar[str] = "affine-expand-numeric"
    summary: ClassVar[str] = "expand integer and fixed-point operations into arith"

    def run(self, program: ir.Module) -> None:
        """Edit `program`.

        Raises
        ------
        PomError
            POM-A200 for an operation without expansion, POM-A201 for one whose MLIR types are not
            those that its attributes say.
        """
        with program.context:
            hls = operations(program, "hls.")
            if any(op.name in ("hls.div", "hls.mod") for op in hls):
                declare(program, REPORT, [ir.IntegerType.get_signless(64)], [])
            for op in hls:
                if op.name != "hls.statement":
                    with ir.InsertionPoint(op), op.location:
                        op.result.replace_all_uses_with(_expand(op))
                op.erase()
