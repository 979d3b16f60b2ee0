"""syrk (PolyBench/C 4.2): C := alpha A A^T + beta C in the lower triangle."""

import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240), "large": (1000, 1200)}


def make(size="medium", dtype=pom.f32, name="syrk"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def syrk(alpha: dtype, beta: dtype, C: dtype[n, n], A: dtype[n, m]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, i + 1):
                C[i, j] *= beta
            for k in pom.loop("k", 0, m):
                for j in pom.loop("j", 0, i + 1):
                    C[i, j] += alpha * A[i, k] * A[j, k]

    return syrk


def reference(alpha, beta, C, A):
    for i in range(C.shape[0]):
        C[i, : i + 1] *= beta
        for k in range(A.shape[1]):
            C[i, : i + 1] += alpha * A[i, k] * A[: i + 1, k]


syrk = make()
