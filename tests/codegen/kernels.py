"""Hand-written level-3 modules, with numpy versions of what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A module's text, arguments, and the arrays that it must write."""

    text: str
    arguments: Callable[[np.random.Generator], dict[str, Any]]
    compute: Callable[[Arrays], dict[str, Any]]


GEMM = Example(
    """
module {
  func.func @gemm(%alpha: f32 {hls.name = "alpha", hls.type = "f32"},
      %A: memref<8x6xf32> {hls.name = "A", hls.type = "f32", hls.direction = "in",
        hls.partition = [{dim = 2 : i64, kind = "cyclic", factor = 2 : i64}]},
      %B: memref<6x4xf32> {hls.name = "B", hls.type = "f32", hls.direction = "in",
        hls.reshape = [{dim = 1 : i64, kind = "complete", factor = 0 : i64}]},
      %C: memref<8x4xf32> {hls.name = "C", hls.type = "f32", hls.direction = "inout",
        hls.interface = {mode = "m_axi", bundle = "gmem0"}})
      attributes {hls.top} {
    affine.for %i = 0 to 8 {
      affine.for %j = 0 to 4 {
        affine.for %k = 0 to 6 {
          "hls.statement"(%i, %j, %k) {name = "mac"} : (index, index, index) -> () loc("gemm.py":14:5)
          %0 = affine.load %C[%i, %j] : memref<8x4xf32>
          %1 = affine.load %A[%i, %k] : memref<8x6xf32>
          %2 = arith.mulf %alpha, %1 {hls.bind_op = {op = "fmul", impl = "maxdsp", latency = 3 : i64}} : f32
          %3 = affine.load %B[%k, %j] : memref<6x4xf32>
          %4 = arith.mulf %2, %3 : f32
          %5 = arith.addf %0, %4 : f32
          affine.store %5, %C[%i, %j] : memref<8x4xf32>
        } {hls.name = "mac_k", hls.loop = "k", hls.unroll = 0 : i64}
      } {hls.name = "mac_j", hls.loop = "j", hls.pipeline_ii = 1 : i64, hls.dependence_free = ["C"]}
    } {hls.name = "mac_i", hls.loop = "i", hls.flatten = false}
    return
  }
}
""",
    lambda rng: {
        "alpha": np.float32(1.5),
        "A": rng.standard_normal((8, 6), dtype=np.float32),
        "B": rng.standard_normal((6, 4), dtype=np.float32),
        "C": rng.standard_normal((8, 4), dtype=np.float32),
    },
    lambda a: {"C": _gemm(a["alpha"], a["A"], a["B"], a["C"].copy())},
)


def _gemm(alpha: Any, a: Any, b: Any, c: Any) -> Any:
    for k in range(a.shape[1]):
        c += (alpha * a[:, k : k + 1]) * b[k : k + 1, :]
    return c


TRIANGULAR = Example(
    """
module {
  func.func @trisolv(%L: memref<9x9xf64> {hls.name = "L", hls.type = "f64", hls.direction = "in"},
      %b: memref<9xf64> {hls.name = "b", hls.type = "f64", hls.direction = "in"},
      %x: memref<9xf64> {hls.name = "x", hls.type = "f64", hls.direction = "inout"})
      attributes {hls.top} {
    affine.for %i = 0 to 9 {
      "hls.statement"(%i) {name = "start"} : (index) -> () loc("trisolv.py":7:9)
      %0 = affine.load %b[%i] : memref<9xf64>
      affine.store %0, %x[%i] : memref<9xf64>
      affine.for %j = 0 to affine_map<(d0) -> (d0)>(%i) {
        "hls.statement"(%i, %j) {name = "update"} : (index, index) -> () loc("trisolv.py":9:13)
        %1 = affine.load %x[%i] : memref<9xf64>
        %2 = affine.load %L[%i, %j] : memref<9x9xf64>
        %3 = affine.load %x[%j] : memref<9xf64>
        %4 = arith.mulf %2, %3 : f64
        %5 = arith.subf %1, %4 : f64
        affine.store %5, %x[%i] : memref<9xf64>
      } {hls.name = "update_j", hls.loop = "j", hls.pipeline_off}
      "hls.statement"(%i) {name = "scale"} : (index) -> () loc("trisolv.py":10:9)
      %6 = affine.load %x[%i] : memref<9xf64>
      %7 = affine.load %L[%i, %i] : memref<9x9xf64>
      %8 = arith.divf %6, %7 : f64
      affine.store %8, %x[%i] : memref<9xf64>
    } {hls.name = "i", hls.loop = "i"}
    return
  }
}
""",
    lambda rng: {
        "L": rng.uniform(0.5, 2, (9, 9)),
        "b": rng.standard_normal(9),
        "x": np.zeros(9),
    },
    lambda a: {"x": _trisolv(a["L"], a["b"])},
)


def _trisolv(lower: Any, b: Any) -> Any:
    x = np.zeros_like(b)
    for i in range(len(b)):
        x[i] = b[i]
        for j in range(i):
            x[i] -= lower[i, j] * x[j]
        x[i] /= lower[i, i]
    return x


TILED = Example(
    """
module {
  func.func @reversed(%A: memref<30xi12> {hls.name = "A", hls.type = "int12", hls.direction = "in"},
      %B: memref<30xi12> {hls.name = "B", hls.type = "int12", hls.direction = "out"})
      attributes {hls.top} {
    %tmp = memref.alloc() {hls.name = "tmp", hls.type = "int12",
      hls.storage = {type = "ram_2p", impl = "bram", latency = 2 : i64}} : memref<30xi12>
    affine.for %it = 0 to 4 {
      affine.for %ip = 0 to min affine_map<(d0) -> (8, -8 * d0 + 30)>(%it) {
        "hls.statement"(%it, %ip) {name = "copy"} : (index, index) -> () loc("reversed.py":4:5)
        %0 = affine.load %A[%it * -8 - %ip + 29] : memref<30xi12>
        affine.store %0, %tmp[%it * 8 + %ip] : memref<30xi12>
      } {hls.name = "copy_ip", hls.loop = "ip", hls.unroll = 4 : i64}
    } {hls.name = "copy_it", hls.loop = "it"}
    affine.for %i = 0 to 30 {
      affine.if affine_set<(d0) : (d0 - 1 >= 0, -d0 + 28 >= 0)>(%i) {
        "hls.statement"(%i) {name = "sum"} : (index) -> () loc("reversed.py":5:5)
        %0 = affine.load %tmp[%i - 1] : memref<30xi12>
        %1 = affine.load %tmp[(%i + 1) mod 30] : memref<30xi12>
        %2 = "hls.add"(%0, %1) {types = ["int12", "int12"], result = "int13"} : (i12, i12) -> i13
        %3 = "hls.cast"(%2) {types = ["int13"], result = "int12"} : (i13) -> i12
        affine.store %3, %B[%i] : memref<30xi12>
      } else {
        "hls.statement"(%i) {name = "edge"} : (index) -> () loc("reversed.py":6:5)
        %4 = affine.load %tmp[(%i - 3) floordiv 2 + 2] : memref<30xi12>
        affine.store %4, %B[%i] : memref<30xi12>
      }
    } {hls.name = "sum_i", hls.loop = "i"}
    return
  }
}
""",
    lambda rng: {"A": rng.integers(-2048, 2048, 30).astype(np.int16)},
    lambda a: {"B": _reversed(a["A"])},
)


def _reversed(a: Any) -> Any:
    tmp = [int(v) for v in a[::-1]]
    out = []
    for i in range(30):
        value = tmp[i - 1] + tmp[(i + 1) % 30] if 1 <= i <= 28 else tmp[(i - 3) // 2 + 2]
        out.append((value + 2048) % 4096 - 2048)
    return np.array(out, dtype=np.int16)


FIXED_POINT = Example(
    """
module {
  func.func private @scale(%x: i16 {hls.name = "x", hls.type = "fixed<16,8>"},
      %y: memref<i16> {hls.name = "y", hls.type = "fixed<16,8>", hls.direction = "out"}) {
    %c = arith.constant 192 : i16
    %0 = "hls.mul"(%x, %c) {types = ["fixed<16,8>", "fixed<16,8>"], result = "fixed<32,16>"} : (i16, i16) -> i32
    %1 = "hls.cast"(%0) {types = ["fixed<32,16>"], result = "fixed<16,8>"} : (i32) -> i16
    affine.store %1, %y[] : memref<i16>
    return
  }
  func.func @fir(%x: memref<12xi16> {hls.name = "x", hls.type = "fixed<16,8>", hls.direction = "in"},
      %y: memref<12xi16> {hls.name = "y", hls.type = "fixed<16,8>", hls.direction = "inout"})
      attributes {hls.top} {
    %s = memref.alloc() {hls.name = "scaled", hls.type = "fixed<16,8>"} : memref<i16>
    affine.for %i = 0 to 12 {
      "hls.statement"(%i) {name = "call"} : (index) -> () loc("fir.py":8:9)
      %0 = affine.load %x[%i] : memref<12xi16>
      func.call @scale(%0, %s) : (i16, memref<i16>) -> ()
      "hls.statement"(%i) {name = "accumulate"} : (index) -> () loc("fir.py":9:9)
      %1 = affine.load %y[%i] : memref<12xi16>
      %2 = affine.load %s[] : memref<i16>
      %3 = "hls.max"(%1, %2) {types = ["fixed<16,8>", "fixed<16,8>"], result = "fixed<16,8>"} : (i16, i16) -> i16
      %4 = affine.load %y[%i] : memref<12xi16>
      %5 = "hls.sub"(%4, %3) {types = ["fixed<16,8>", "fixed<16,8>"], result = "fixed<17,9>"} : (i16, i16) -> i17
      %6 = "hls.cast"(%5) {types = ["fixed<17,9>"], result = "fixed<16,8>"} : (i17) -> i16
      affine.store %6, %y[%i] : memref<12xi16>
    } {hls.name = "fir_i", hls.loop = "i", hls.pipeline_ii = 2 : i64}
    return
  }
}
""",
    lambda rng: {
        "x": rng.integers(-32768, 32768, 12).astype(np.int16),
        "y": rng.integers(-32768, 32768, 12).astype(np.int16),
    },
    lambda a: {"y": _fir(a["x"], a["y"])},
)


def _fir(x: Any, y: Any) -> Any:
    out = []
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        scaled = ((a * 192 >> 8) + 32768) % 65536 - 32768
        out.append((b - max(b, scaled) + 32768) % 65536 - 32768)
    return np.array(out, dtype=np.int16)


STENCIL = Example(
    """
module {
  func.func @jacobi(%A: memref<20xf32> {hls.name = "A", hls.type = "f32", hls.direction = "inout"},
      %B: memref<20xf32> {hls.name = "B", hls.type = "f32", hls.direction = "inout"})
      attributes {hls.top} {
    affine.for %t = 0 to 3 {
      affine.for %i = 1 to 19 {
        "hls.statement"(%t, %i) {name = "S0"} : (index, index) -> () loc("jacobi.py":5:9)
        %c = arith.constant 0.33333 : f32
        %0 = affine.load %A[%i - 1] : memref<20xf32>
        %1 = affine.load %A[%i] : memref<20xf32>
        %2 = affine.load %A[%i + 1] : memref<20xf32>
        %3 = arith.addf %0, %1 : f32
        %4 = arith.addf %3, %2 : f32
        %5 = arith.mulf %c, %4 : f32
        affine.store %5, %B[%i] : memref<20xf32>
      } {hls.name = "S0_i", hls.loop = "i", hls.pipeline_ii = 1 : i64}
      affine.for %i = 1 to 19 {
        "hls.statement"(%t, %i) {name = "S1"} : (index, index) -> () loc("jacobi.py":6:9)
        %0 = affine.load %B[%i] : memref<20xf32>
        %1 = affine.load %B[%i + 1] : memref<20xf32>
        %2 = affine.load %B[%i - 1] : memref<20xf32>
        %less = arith.cmpf olt, %1, %2 : f32
        %3 = arith.select %less, %1, %2 : f32
        %4 = math.exp %3 : f32
        %5 = arith.negf %4 : f32
        %6 = arith.subf %0, %5 : f32
        affine.store %6, %A[%i] : memref<20xf32>
      } {hls.name = "S1_i", hls.loop = "i", hls.pipeline_ii = 1 : i64}
    } {hls.name = "t", hls.loop = "t", hls.dataflow}
    return
  }
}
""",
    lambda rng: {
        "A": rng.standard_normal(20).astype(np.float32),
        "B": rng.standard_normal(20).astype(np.float32),
    },
    lambda a: _jacobi(a["A"].copy(), a["B"].copy()),
)


def _jacobi(a: Any, b: Any) -> dict[str, Any]:
    from pom.ir.libm import call
    from pom.ir.types import f32

    third = np.float32(0.33333)
    for _ in range(3):
        b[1:-1] = third * (a[:-2] + a[1:-1] + a[2:])
        for i in range(1, 19):
            a[i] = b[i] - -call("exp", [min(b[i + 1], b[i - 1])], f32)
    return {"A": a, "B": b}


EXAMPLES = {
    "gemm": GEMM,
    "trisolv": TRIANGULAR,
    "reversed": TILED,
    "fir": FIXED_POINT,
    "jacobi": STENCIL,
}
