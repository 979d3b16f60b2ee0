"""Kernels of the DSL with unusual types, from the recorder to the compiled C++."""

from __future__ import annotations

import numpy as np
import pytest

import pom
from pom.codegen.hlscpp import emit
from pom.errors import PomError
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.runtime import reference
from pom.runtime.gpp import WARNING_FLAGS, CompiledKernel
from pom.runtime.inputs import cases
from tests.codegen.pragmas import faults


@pom.kernel
def histogram(x: pom.uint_(7)[50], h: pom.int_(12)[128]):
    for i in pom.loop("i", 0, 50):
        h[x[i]] += pom.cast(1, pom.int_(12))


@pom.kernel
def mixed(
    n: pom.int_(9),
    a: pom.int_(5)[20],
    b: pom.uint_(9)[20],
    c: pom.f16[20],
    f: pom.bool[20],
    o: pom.int_(40)[20],
    r: pom.f32[20],
    q: pom.fixed(12, 4)[20],
    g: pom.bool[20],
):
    for i in pom.loop("i", 0, 20):
        chosen = pom.select(a[i] < b[i], a[i] * b[i], pom.abs(a[i]) - n)
        o[i] = pom.cast(chosen + i, pom.int_(40))
        r[i] = pom.cast(c[i], pom.f32) * 0.1 + pom.min(pom.max(r[i], 0.0), 6.0)
        q[i] = pom.cast(q[i] * q[i], pom.fixed(12, 4))
        g[i] = (a[i] < n) & ~f[i] | (b[i] != a[i])


@pom.kernel
def guarded(A: pom.f64[13, 13], B: pom.f64[13, 13]):
    for i in pom.loop("i", 0, 13):
        for j in pom.loop("j", i, 13):
            with pom.when(i + j < 17):
                B[i, j] = pom.sqrt(A[j, i]) / (1.0 + pom.pow(A[i, j], 2.0))


@pom.kernel
def wide(a: pom.int_(100)[6], b: pom.uint_(70)[6], c: pom.int_(100)[6]):
    for i in pom.loop("i", 0, 6):
        c[i] = pom.cast(a[i] * b[i] + pom.cast(1 << 90, pom.uint_(100)), pom.int_(100))


@pom.kernel
def roots(
    fixed_root: pom.fixed(32, 16)[40],
    a: pom.ufixed(8, 4)[40],
    b: pom.fixed(12, -2)[40],
    c: pom.fixed(10, 13)[40],
    d: pom.fixed(70, 30)[40],
    r: pom.fixed(80, 20)[40],
):
    for i in pom.loop("i", 0, 40):
        inner = pom.sqrt(fixed_root[i] * fixed_root[i] - pom.cast(a[i], pom.fixed(64, 32)))
        outer = pom.sqrt(a[i]) + pom.sqrt(b[i]) + pom.sqrt(c[i]) + pom.sqrt(d[i])
        r[i] = pom.cast(inner, pom.fixed(80, 20)) + pom.cast(outer, pom.fixed(80, 20))


KERNELS = {k.name: k for k in (histogram, mixed, guarded, wide, roots)}


@pytest.mark.parametrize("name", KERNELS)
def test_kernel(name: str) -> None:
    kernel = KERNELS[name].graph
    module = poly_to_affine(graph_to_poly(kernel))
    assert not faults(emit(module))
    compiled = CompiledKernel(module, flags=WARNING_FLAGS)
    ran = 0
    for case in cases(kernel, seed=1, count=14):
        try:
            expected = reference.run(kernel, case.arguments)
        except PomError:
            continue  # an input that the kernel is not defined for, such as a subscript outside
        found = compiled(case.arguments)
        ran += 1
        for array, want in expected.items():
            np.testing.assert_array_equal(found[array], want, err_msg=f"{case.kind}: {array}")
    assert ran >= 10


def test_it_reads_as_if_written_by_hand() -> None:
    text = emit(poly_to_affine(graph_to_poly(mixed.graph)))
    assert "r[i] = float(c[i]) * 0.1f + std::min(std::max(r[i], 0.0f), 6.0f);" in text
    assert "q[i] *= q[i];" in text
    assert "g[i] = (a[i] < n && !f[i]) || ap_int<10>(b[i]) != ap_int<10>(a[i]);" in text
    histogram_text = emit(poly_to_affine(graph_to_poly(histogram.graph)))
    assert "h[x[i]] += 1;" in histogram_text
