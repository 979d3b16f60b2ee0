"""What has no exact C++ is refused, with a code and a place."""

from __future__ import annotations

import pytest

from pom.codegen.hlscpp import emit
from pom.codegen.hlscpp_types import fixed_literal
from pom.errors import PomError
from pom.ir.types import FixedType
from tests.codegen.level3 import parse

FUNCTION = """
module {{
  func.func @k(%n: i40 {{hls.name = "n", hls.type = "uint40"}},
      %x: f32 {{hls.name = "x", hls.type = "f32"}},
      %A: memref<4xi40> {{hls.name = "A", hls.type = "{type}", hls.direction = "inout"}},
      %F: memref<4xf32> {{hls.name = "F", hls.type = "f32", hls.direction = "inout"}})
      attributes {{hls.top}} {{
    %c0 = arith.constant 0 : index
    {body}
    return
  }}
}}
"""


def refused(body: str, type: str = "uint40") -> PomError:
    module = parse(FUNCTION.format(body=body, type=type))
    with pytest.raises(PomError) as caught:
        emit(module)
    return caught.value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("%0 = arith.addi %n, %n : i40", "POM-C001"),
        ("%0 = arith.cmpf ult, %x, %x : f32\n affine.store %x, %F[0] : memref<4xf32>", "POM-C001"),
        ("%0 = arith.ori %n, %n : i40", "POM-C001"),
        ("%0 = arith.cmpi slt, %n, %n : i40", "POM-C001"),
        ("%0 = arith.index_cast %c0 : index to i40", "POM-C001"),
        ("%0 = arith.constant dense<0.0> : vector<2xf32>", "POM-C001"),
        (
            "%r = affine.for %i = 0 to 4 iter_args(%a = %x) -> (f32) { affine.yield %a : f32 }",
            "POM-C001",
        ),
        ("%V = memref.cast %F : memref<4xf32> to memref<?xf32>", "POM-C001"),
        ("%0 = math.exp %b : bf16", "POM-C004"),
        ("%0 = memref.alloc() : memref<4xf32>", "POM-C004"),
        (
            '%0 = memref.alloc(%c0) {hls.name = "t", hls.type = "f32"} : memref<?xf32>',
            "POM-C004",
        ),
        (
            '%0 = "hls.add"(%n, %n) {types = ["int40", "int40"], result = "int41"} : (i40, i40) -> i41',
            "POM-C003",
        ),
        (
            '%0 = "hls.shl"(%n, %n) {types = ["uint40", "uint40"], result = "uint40"} : (i40, i40) -> i40',
            "POM-C007",
        ),
    ],
)
def test_operation(body: str, code: str) -> None:
    if "%b" in body:
        body = "%b = arith.constant 1.0 : bf16\n" + body
    assert refused(body).code == code


def test_the_place_is_the_users() -> None:
    error = refused('%0 = arith.addi %n, %n : i40 loc("kernel.py":12:3)')
    assert error.location is not None
    assert (error.location.file, error.location.line) == ("kernel.py", 12)


def test_unknown_type() -> None:
    assert refused("", type="int0x").code == "POM-C004"


def test_attribute_of_no_level() -> None:
    body = 'affine.for %i = 0 to 4 { } {hls.name = "i", hls.unroll = dense<1> : vector<2xi64>}'
    assert refused(body).code == "POM-C005"


PAIR = """
module {
  func.func @a(%x: f32 {hls.name = "x", hls.type = "f32"}) {
    func.call @b(%x) : (f32) -> ()
    return
  }
  func.func @b(%x: f32 {hls.name = "x", hls.type = "f32"}) {
    func.call @a(%x) : (f32) -> ()
    return
  }
}
"""


def test_choice_of_the_kernel() -> None:
    module = parse(PAIR)
    for top in (None, "c", "a"):
        with pytest.raises(PomError, match="POM-C002"):
            emit(module, top=top)


def test_function_without_body() -> None:
    with pytest.raises(PomError, match="POM-C002"):
        emit(parse("module { func.func private @f(%x: f32) }"))


def test_module_that_is_not_functions() -> None:
    with pytest.raises(PomError, match="POM-C001"):
        emit(parse("module { memref.global @g : memref<4xf32> }"))


def test_literal_beyond_double() -> None:
    with pytest.raises(PomError, match="POM-C008"):
        fixed_literal(1, FixedType(8, -1100))
