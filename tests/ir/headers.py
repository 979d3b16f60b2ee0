"""One C++ program that evaluates many operations with the ap_int and ap_fixed headers."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pom.ir.types import FixedType, FloatType, IntType, ScalarType

PRELUDE = """
#include <ap_fixed.h>
#include <ap_int.h>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
typedef unsigned long long u64;
template <class T> struct Info { static const int s = -1, i = 0, w = 0; };
template <int W> struct Info<ap_int<W>> { static const int s = 1, i = W, w = W; };
template <int W> struct Info<ap_uint<W>> { static const int s = 0, i = W, w = W; };
template <int W, int I> struct Info<ap_fixed<W, I>> { static const int s = 1, i = I, w = W; };
template <int W, int I> struct Info<ap_ufixed<W, I>> { static const int s = 0, i = I, w = W; };
template <int W, int I> struct Info<ap_fixed_base<W, I, true>> {
  static const int s = 1, i = I, w = W;
};
template <class T> T make(const u64 *words) {
  T x = 0;
  const int w = Info<T>::w;
  for (int k = 0; k * 64 < w; ++k) {
    int high = k * 64 + 63 < w ? k * 64 + 63 : w - 1;
    x.range(high, k * 64) = ap_uint<64>(words[k]);
  }
  return x;
}
template <> float make<float>(const u64 *words) {
  uint32_t bits = (uint32_t)words[0];
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
template <> double make<double>(const u64 *words) {
  double x;
  std::memcpy(&x, &words[0], 8);
  return x;
}
template <class T> void put(T x) {
  const int w = Info<T>::w;
  std::printf("%d %d %d ", w, Info<T>::i, Info<T>::s);
  for (int k = (w - 1) / 64; k >= 0; --k) {
    int high = k * 64 + 63 < w ? k * 64 + 63 : w - 1;
    ap_uint<64> word = x.range(high, k * 64);
    std::printf("%016llx", (u64)word.to_uint64());
  }
  std::printf("\\n");
}
void put(bool x) { std::printf("1 1 0 %d\\n", (int)x); }
void put(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  std::printf("32 0 0 %08x\\n", bits);
}
void put(double x) {
  u64 bits;
  std::memcpy(&bits, &x, 8);
  std::printf("64 0 0 %016llx\\n", bits);
}
"""


@dataclass(frozen=True)
class Case:
    """``text`` (C++ over ``a`` and ``b``) for every tuple of operand bits."""

    text: str
    types: tuple[ScalarType, ...]
    operands: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Outcome:
    """What the C++ expression gave: its type as width, integer bits, signedness; its bits."""

    width: int
    integer_bits: int
    signed: bool
    bits: int


def cpp(type: ScalarType) -> str:
    match type:
        case FloatType():
            return {32: "float", 64: "double"}[type.width]
        case IntType():
            return f"ap_{'' if type.signed else 'u'}int<{type.width}>"
        case FixedType():
            return f"ap_{'' if type.signed else 'u'}fixed<{type.width}, {type.integer_bits}>"
    raise ValueError(type)


def _function(number: int, case: Case) -> str:
    names = "abc"
    words = [(t.width + 63) // 64 for t in case.types]
    rows = []
    for operands in case.operands:
        row = []
        for bits, count in zip(operands, words, strict=True):
            row += [f"0x{bits >> (64 * k) & (2**64 - 1):x}ull" for k in range(count)]
        rows.append("{" + ", ".join(row) + "}")
    total = sum(words)
    lines = [f"static void f{number}() {{"]
    lines.append(f"  static const u64 rows[][{total}] = {{{', '.join(rows)}}};")
    lines.append("  for (const u64 *row : rows) {")
    offset = 0
    for name, type, count in zip(names, case.types, words, strict=False):
        lines.append(f"    {cpp(type)} {name} = make<{cpp(type)}>(row + {offset});")
        offset += count
    lines += [f"    put({case.text});", "  }", "}"]
    return "\n".join(lines)


def headers_folder() -> Path:
    spec = importlib.util.find_spec("hls4ml")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "templates" / "vivado" / "ap_types"


def evaluate(cases: list[Case], folder: Path) -> list[list[Outcome]]:
    """Compile and run all of `cases` as one program."""
    text = PRELUDE + "\n".join(_function(k, c) for k, c in enumerate(cases))
    text += "\nint main() {\n" + "".join(f"  f{k}();\n" for k in range(len(cases))) + "}\n"
    source, program = folder / "cases.cpp", folder / "cases"
    source.write_text(text)
    gpp = shutil.which("g++")
    assert gpp is not None, "these tests need g++"
    command = [gpp, "-std=c++14", "-O0", "-w", "-I", str(headers_folder()), str(source)]
    subprocess.run([*command, "-o", str(program)], check=True, timeout=300)
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True, timeout=60)
    lines = iter(output.stdout.splitlines())
    results = []
    for case in cases:
        outcomes = []
        for _ in case.operands:
            width, whole, signed, digits = next(lines).split()
            bits = int(digits, 16) & ((1 << int(width)) - 1)
            outcomes.append(Outcome(int(width), int(whole), signed == "1", bits))
        results.append(outcomes)
    return results
