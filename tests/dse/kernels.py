"""Small kernels for searches that take a second or two."""

from __future__ import annotations

import pom
from pom.dsl.kernel import KernelFunction


def scale_add(n: int = 20) -> KernelFunction:
    """One nest without a reduction; 20 has divisors, and factors that leave a rest."""

    @pom.kernel
    def scale_add(a: pom.f32, x: pom.f32[n], y: pom.f32[n]):
        for i in pom.loop("i", 0, n):
            y[i] += a * x[i]

    return scale_add


def gemm(n: int = 12) -> KernelFunction:
    """A reduction in a nest of three loops."""

    @pom.kernel
    def gemm(A: pom.f32[n, n], B: pom.f32[n, n], C: pom.f32[n, n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                for k in pom.loop("k", 0, n):
                    C[i, j] += A[i, k] * B[k, j]

    return gemm
