"""Level-3 modules for tests: parsing, and straight-line kernels over arrays of operands."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import mlir.ir as mlir
import numpy as np

from pom.dialects.context import new_context
from pom.ir.convert import numpy_float, wrap_bits
from pom.ir.ops import OPS
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
