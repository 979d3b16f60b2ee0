"""Rebuilding expressions never moves a read past a write."""

from __future__ import annotations

import numpy as np
import pytest

from pom.codegen.hlscpp import emit
from pom.runtime.gpp import WARNING_FLAGS, CompiledKernel
from tests.codegen.level3 import parse

KERNEL = """
module {{
  func.func private @double(%a: memref<4xf32> {{hls.name = "a", hls.type = "f32",
      hls.direction = "inout"}}) {{
    affine.for %i = 0 to 4 {{
      %0 = affine.load %a[%i] : memref<4xf32>
      %1 = arith.addf %0, %0 : f32
      affine.store %1, %a[%i] : memref<4xf32>
    }} {{hls.name = "i", hls.loop = "i"}}
    return
  }}
  func.func @k(%A: memref<4xf32> {{hls.name = "A", hls.type = "f32", hls.direction = "inout"}}
      {more}) attributes {{hls.top}} {{
    %one = arith.constant 1.0 : f32
    {body}
    return
  }}
}}
"""

BYTES = ', %B: memref<4xi8> {hls.name = "B", hls.type = "uint8", hls.direction = "inout"}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            """%0 = affine.load %A[0] : memref<4xf32>
            affine.store %one, %A[0] : memref<4xf32>
            affine.store %0, %A[1] : memref<4xf32>""",
            [1, 10, 30, 40],
            id="store between",
        ),
        pytest.param(
            """%0 = affine.load %A[0] : memref<4xf32>
            %1 = affine.load %A[1] : memref<4xf32>
            affine.store %0, %A[1] : memref<4xf32>
            affine.store %1, %A[0] : memref<4xf32>""",
            [20, 10, 30, 40],
            id="swap",
        ),
        pytest.param(
            """%0 = affine.load %A[3] : memref<4xf32>
            affine.for %i = 0 to 4 {
              affine.store %one, %A[%i] : memref<4xf32>
            }
            affine.store %0, %A[0] : memref<4xf32>""",
            [40, 1, 1, 1],
            id="loop between",
        ),
        pytest.param(
            """%0 = affine.load %A[3] : memref<4xf32>
            affine.for %i = 0 to 4 {
              affine.store %0, %A[%i] : memref<4xf32>
              affine.store %one, %A[3] : memref<4xf32>
            }""",
            [40, 40, 40, 1],
            id="use in a loop that writes",
        ),
        pytest.param(
            """%0 = affine.load %A[3] : memref<4xf32>
            func.call @double(%A) : (memref<4xf32>) -> ()
            affine.store %0, %A[0] : memref<4xf32>""",
            [40, 40, 60, 80],
            id="call between",
        ),
        pytest.param(
            """%b = affine.load %B[0] : memref<4xi8>
            %x = arith.index_castui %b : i8 to index
            %0 = memref.load %A[%x] : memref<4xf32>
            %zero = arith.constant 0 : i8
            affine.store %zero, %B[0] : memref<4xi8>
            affine.store %0, %A[0] : memref<4xf32>""",
            [30, 20, 30, 40],
            id="subscript written between",
        ),
        pytest.param(
            """%0 = affine.load %A[0] : memref<4xf32>
            %1 = affine.load %A[1] : memref<4xf32>
            %2 = arith.subf %0, %1 : f32
            %3 = affine.load %A[2] : memref<4xf32>
            affine.store %one, %A[1] : memref<4xf32>
            %4 = arith.subf %3, %2 : f32
            affine.store %4, %A[0] : memref<4xf32>""",
            [40, 1, 30, 40],
            id="half of an expression before",
        ),
        pytest.param(
            """%0 = affine.load %A[0] : memref<4xf32>
            affine.if affine_set<() : (1 == 0)>() {
              affine.store %one, %A[0] : memref<4xf32>
            } else {
              affine.store %one, %A[1] : memref<4xf32>
            }
            affine.store %0, %A[2] : memref<4xf32>""",
            [10, 1, 10, 40],
            id="guard between",
        ),
    ],
)
def test_order(body: str, expected: list[float]) -> None:
    has_bytes = "%B" in body
    module = parse(KERNEL.format(body=body, more=BYTES if has_bytes else ""))
    compiled = CompiledKernel(module, flags=WARNING_FLAGS)
    start = np.float32([10, 20, 30, 40])
    found = compiled({"A": start, **({"B": np.uint8([2, 0, 0, 0])} if has_bytes else {})})
    assert found["A"].tolist() == expected, compiled.source
    assert start.tolist() == [10, 20, 30, 40]


def test_a_value_of_several_uses_is_computed_once() -> None:
    body = """%0 = affine.load %A[0] : memref<4xf32>
    %1 = math.exp %0 : f32
    %2 = arith.addf %1, %1 : f32
    affine.store %2, %A[0] : memref<4xf32>"""
    text = emit(parse(KERNEL.format(body=body, more="")))
    assert text.count("std::exp") == 1
    assert "const float exp = std::exp(A[0]);\n    A[0] = exp + exp;" in text
