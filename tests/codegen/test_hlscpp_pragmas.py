"""Every directive becomes a pragma of Vitis' grammar; what says nothing is not written."""

from __future__ import annotations

import pytest

from pom.codegen.hlscpp import emit
from pom.errors import PomError
from tests.codegen.kernels import EXAMPLES
from tests.codegen.level3 import parse
from tests.codegen.pragmas import faults, pragmas

KERNEL = """
module {{
  func.func private @inner(%a: memref<4xf32> {{hls.name = "a", hls.type = "f32",
      hls.direction = "inout"}}) attributes {{{inline}}} {{
    affine.for %i = 0 to 4 {{
      %0 = affine.load %a[%i] : memref<4xf32>
      %1 = arith.addf %0, %0 : f32
      affine.store %1, %a[%i] : memref<4xf32>
    }} {{hls.name = "inner_i", hls.loop = "i"}}
    return
  }}
  func.func @k(%s: f32 {{hls.name = "s", hls.type = "f32"{scalar}}},
      %A: memref<4xf32> {{hls.name = "A", hls.type = "f32", hls.direction = "inout"{array}}})
      attributes {{hls.top{function}}} {{
    %t = memref.alloc() {{hls.name = "t", hls.type = "f32"{local}}} : memref<4xf32>
    affine.for %i = 0 to 4 {{
      affine.for %j = 0 to affine_map<(d0) -> (d0 + 1)>(%i) {{
        %0 = affine.load %A[%i] : memref<4xf32>
        %1 = arith.addf %0, %s {{{op}}} : f32
        affine.store %1, %t[%i] : memref<4xf32>
      }} {{hls.name = "j", hls.loop = "j"{loop}}}
    }} {{hls.name = "i", hls.loop = "i"}}
    func.call @inner(%t) : (memref<4xf32>) -> ()
    return
  }}
}}
"""


def written(**attributes: str) -> list[str]:
    """The pragmas of the kernel above with attributes put in."""
    holes = dict.fromkeys(("inline", "scalar", "array", "function", "local", "op", "loop"), "")
    holes.update(attributes)
    text = emit(parse(KERNEL.format(**holes)))
    assert not faults(text), text
    return pragmas(text)


ALWAYS = [
    "INLINE off",
    "INTERFACE mode=ap_none port=s",
    "INTERFACE mode=ap_memory port=A",
    "INTERFACE mode=ap_ctrl_hs port=return",
    "LOOP_TRIPCOUNT min=1 max=4",
]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"loop": ", hls.pipeline_ii = 3 : i64"}, ["PIPELINE II=3"]),
        ({"loop": ", hls.pipeline_off"}, ["PIPELINE off"]),
        ({"loop": ", hls.unroll = 4 : i64"}, ["UNROLL factor=4"]),
        ({"loop": ", hls.unroll = 1 : i64"}, []),
        ({"loop": ", hls.flatten = true"}, ["LOOP_FLATTEN"]),
        ({"loop": ", hls.flatten = false"}, ["LOOP_FLATTEN off"]),
        ({"loop": ", hls.dataflow"}, ["DATAFLOW"]),
        (
            {"loop": ', hls.dependence_free = ["A", "t"]'},
            [
                "DEPENDENCE variable=A type=inter dependent=false",
                "DEPENDENCE variable=t type=inter dependent=false",
            ],
        ),
        ({"function": ", hls.dataflow"}, ["DATAFLOW"]),
        ({"function": ", hls.inline = true"}, ["INLINE"]),
        (
            {"local": ', hls.partition = [{dim = 1 : i64, kind = "cyclic", factor = 2 : i64}]'},
            ["ARRAY_PARTITION variable=t type=cyclic factor=2 dim=1"],
        ),
        (
            {"array": ', hls.partition = [{dim = 0 : i64, kind = "complete", factor = 0 : i64}]'},
            ["ARRAY_PARTITION variable=A type=complete dim=0"],
        ),
        ({"array": ', hls.partition = [{dim = 1 : i64, kind = "block", factor = 1 : i64}]'}, []),
        (
            {"array": ', hls.reshape = [{dim = 1 : i64, kind = "block", factor = 2 : i64}]'},
            ["ARRAY_RESHAPE variable=A type=block factor=2 dim=1"],
        ),
        (
            {"local": ', hls.storage = {type = "ram_t2p", impl = "uram"}'},
            ["BIND_STORAGE variable=t type=ram_t2p impl=uram"],
        ),
        ({"local": ", hls.stream = 8 : i64"}, ["STREAM variable=t type=fifo depth=8"]),
        (
            {"op": 'hls.bind_op = {op = "fadd", impl = "fabric", latency = 7 : i64}'},
            ["BIND_OP variable=sum op=fadd impl=fabric latency=7"],
        ),
    ],
)
def test_directive(attributes: dict[str, str], expected: list[str]) -> None:
    assert sorted(written(**attributes)) == sorted(ALWAYS + expected)


def test_completely_unrolled_loop_needs_no_trip_count() -> None:
    found = written(loop=", hls.unroll = 0 : i64")
    assert "UNROLL" in found
    assert not [p for p in found if p.startswith("LOOP_TRIPCOUNT")]


def test_inlined_callee() -> None:
    found = written(inline="hls.inline = true")
    assert "INLINE" in found
    assert "INLINE off" not in found


def test_bus_interface() -> None:
    """A bus port brings its control, the registers of the scalars, and a depth for cosim."""
    found = written(array=', hls.interface = {mode = "m_axi", bundle = "g"}')
    assert found[1:4] == [
        "INTERFACE mode=s_axilite port=s",
        "INTERFACE mode=m_axi port=A offset=slave bundle=g depth=4",
        "INTERFACE mode=s_axilite port=return",
    ]


def test_scalar_interface() -> None:
    found = written(scalar=', hls.interface = {mode = "ap_stable"}')
    assert "INTERFACE mode=ap_stable port=s" in found


def test_array_of_a_pragma_must_exist() -> None:
    with pytest.raises(PomError, match="POM-C005"):
        written(loop=', hls.dependence_free = ["Z"]')


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_in_the_grammar(name: str) -> None:
    assert not faults(emit(parse(EXAMPLES[name].text)))


def test_the_checker_finds_faults() -> None:
    assert faults("#pragma HLS PIPELINE II=fast\n")
    assert faults("#pragma HLS UNROLL factor=1\n")
    assert faults("void f() {\n#pragma HLS STREAM variable=x type=fifo depth=2\n}\n")
    assert faults("  #pragma HLS UNROLL\n")
