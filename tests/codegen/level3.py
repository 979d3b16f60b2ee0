"""Level-3 modules for tests: parsing, and straight-line kernels over arrays of operands."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import mlir.ir as mlir
import numpy as np

from pom.dialects.context import new_context
from pom.ir.convert import conversion_problem, numpy_float, wrap_bits
from pom.ir.ops import OPS, TypeRuleError
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType
from pom.runtime.arrays import container


def parse(text: str) -> mlir.Module:
    """A verified module from text."""
    with new_context():
        module = mlir.Module.parse(text)
        assert module.operation.verify()
    return module


def mlir_type(type: ScalarType) -> str:
    match type:
        case FloatType(width=w):
            return f"f{w}"
        case BoolType():
            return "i1"
    return f"i{type.width}"


def random_value(type: ScalarType, rng: random.Random) -> object:
    """A reference value: corners more often than chance."""
    match type:
        case BoolType():
            return rng.random() < 0.5
        case FloatType(width=w):
            corners = [0.0, -0.0, 1.0, -1.0, 0.5, -0.3, 1e-3, -2.5, 3.0, 100.0, -7.75]
            value = rng.choice(corners) if rng.random() < 0.4 else rng.gauss(0, 10)
            return numpy_float(FloatType(w))(value)
    top = (1 << type.width) - 1
    corner = rng.choice([0, 1, top, top >> 1, (top >> 1) + 1])
    bits = corner if rng.random() < 0.4 else rng.getrandbits(type.width)
    return wrap_bits(bits, type.width, type.signed)


@dataclass
class Straight:
    """A kernel ``for i: y_n[i] = expression_n(x_0[i], x_1[i], …)`` built operation by operation.

    Every value is an SSA name with its type and its reference values, one per element.
    """

    count: int
    inputs: list[tuple[ScalarType, list[object]]] = field(default_factory=list)
    outputs: list[tuple[ScalarType, list[object]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    values: dict[str, tuple[ScalarType, list[object]]] = field(default_factory=dict)

    def _new(self, type: ScalarType, values: list[object]) -> str:
        name = f"%v{len(self.values)}"
        self.values[name] = (type, values)
        return name

    def load(self, type: ScalarType, values: list[object]) -> str:
        position = len(self.inputs)
        self.inputs.append((type, values))
        name = self._new(type, values)
        self.lines.append(
            f"{name} = affine.load %x{position}[%i] : memref<{self.count}x{mlir_type(type)}>"
        )
        return name

    def constant(self, type: IntType | FixedType, raw: int) -> str:
        name = self._new(type, [raw] * self.count)
        self.lines.append(f"{name} = arith.constant {raw} : {mlir_type(type)}")
        return name

    def apply(self, op: str, operands: Sequence[str], result: ScalarType) -> str:
        """An operation; its values are those of the operation table."""
        types = [self.values[o][0] for o in operands]
        columns = zip(*(self.values[o][1] for o in operands), strict=True)
        with np.errstate(all="ignore"):
            values = [OPS[op].evaluate(row, types, result) for row in columns]
        name = self._new(result, values)
        signature = f"({', '.join(map(mlir_type, types))}) -> {mlir_type(result)}"
        if all(isinstance(t, FloatType) for t in (*types, result)) and op != "cast":
            text = f"{name} = {OPS[op].float_op} {', '.join(operands)} : {mlir_type(result)}"
        else:
            listed = ", ".join(f'"{t}"' for t in types)
            text = (
                f'{name} = "hls.{op}"({", ".join(operands)}) '
                f'{{types = [{listed}], result = "{result}"}} : {signature}'
            )
        self.lines.append(text)
        return name

    def store(self, value: str) -> None:
        type, values = self.values[value]
        position = len(self.outputs)
        self.outputs.append((type, values))
        self.lines.append(
            f"affine.store {value}, %y{position}[%i] : memref<{self.count}x{mlir_type(type)}>"
        )

    def text(self) -> str:
        arguments = []
        for letter, direction, arrays in (("x", "in", self.inputs), ("y", "out", self.outputs)):
            for k, (type, _) in enumerate(arrays):
                arguments.append(
                    f"%{letter}{k}: memref<{self.count}x{mlir_type(type)}> "
                    f'{{hls.name = "{letter}{k}", hls.type = "{type}", '
                    f'hls.direction = "{direction}"}}'
                )
        body = "\n".join(f"      {line}" for line in self.lines)
        return (
            "module {\n  func.func @straight(" + ",\n    ".join(arguments) + ")"
            f" attributes {{hls.top}} {{\n    affine.for %i = 0 to {self.count} {{\n{body}\n"
            '    } {hls.name = "straight_i", hls.loop = "i"}\n    return\n  }\n}\n'
        )

    def arguments(self) -> dict[str, np.ndarray]:
        return {f"x{k}": _array(t, v) for k, (t, v) in enumerate(self.inputs)}

    def expected(self) -> dict[str, np.ndarray]:
        return {f"y{k}": _array(t, v) for k, (t, v) in enumerate(self.outputs)}


def _array(type: ScalarType, values: Sequence[object]) -> np.ndarray:
    array = np.empty(len(values), dtype=container(type))
    array[:] = values
    return array


def differences(kernel: Straight, found: dict[str, np.ndarray]) -> list[str]:
    """Outputs that are not bit for bit as expected (NaN equals NaN), with the line that made them."""
    wrong = []
    for name, want in kernel.expected().items():
        got = found[name]
        for k, (a, b) in enumerate(zip(got.tolist(), want.tolist(), strict=True)):
            same = a == b or (a != a and b != b)
            if not same:
                operands = [x[k] for x in kernel.arguments().values()]
                wrong.append(f"{name}[{k}] is {a}, expected {b}; operands {operands}")
                break
    return wrong


WIDTHS = (2, 3, 5, 8, 12, 16, 24, 31, 32, 33, 48, 63, 64, 65, 100)
INTS = (IntType(1, False), *(IntType(w, s) for w in WIDTHS for s in (True, False)))
FIXEDS = tuple(
    FixedType(w, i, s)
    for w, i in ((8, 3), (16, 6), (12, 12), (8, 10), (8, -2), (32, 16), (40, 8))
    for s in (True, False)
)
FLOATS = (FloatType(16), FloatType(32), FloatType(64))
ON_FLOATS_BY_SELECT = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "min", "max", "select"})
"""Operations that level 3 composes for floats."""


def random_straight(seed: int, statements: int = 30, count: int = 12) -> Straight:
    """A kernel of random operations on random types, which feed each other."""
    rng = random.Random(seed)
    kernel = Straight(count)
    types: list[ScalarType] = [rng.choice(INTS) for _ in range(5)]
    types += [rng.choice(FIXEDS) for _ in range(4)]
    types += [*FLOATS, FloatType(32), FloatType(64), BoolType(), BoolType()]
    pool = [kernel.load(t, [random_value(t, rng) for _ in range(count)]) for t in types]
    for constant_type in (*(rng.choice(INTS) for _ in range(3)), rng.choice(FIXEDS)):
        raw = random_value(constant_type, rng)
        assert isinstance(raw, int)
        pool.append(kernel.constant(constant_type, raw))
    made: list[str] = []
    while len(made) < statements:
        op = rng.choice(list(OPS))
        operands = [rng.choice(pool + made[-8:]) for _ in range(OPS[op].arity)]
        result = _result(op, [kernel.values[o][0] for o in operands], rng)
        if result is not None and _is_defined(kernel, op, operands, result):
            made.append(kernel.apply(op, operands, result))
    rng.shuffle(made)
    for value in made:
        kernel.store(value)
    return kernel


def _result(op: str, types: list[ScalarType], rng: random.Random) -> ScalarType | None:
    """The result's type; None where level 3 has no such single operation."""
    if op == "cast":
        target = rng.choice((*INTS, *FIXEDS, *FLOATS, BoolType()))
        return None if conversion_problem(types[0], target) else target
    all_floats = all(isinstance(t, FloatType) for t in types)
    if isinstance(types[-1], (BoolType, FloatType)) and not all_floats:
        return None
    if all_floats and op in ON_FLOATS_BY_SELECT:
        return None
    try:
        result = OPS[op].rule(types)
    except TypeRuleError:
        return None
    return result if getattr(result, "width", 1) <= 400 else None


def _is_defined(kernel: Straight, op: str, operands: list[str], result: ScalarType) -> bool:
    last_type, last = kernel.values[operands[-1]]
    if op in ("div", "mod") and not isinstance(result, FloatType):
        return all(v != 0 for v in last)
    return op not in ("shl", "shr") or last_type.width <= 32
