"""trmm (PolyBench/C 4.2): B := alpha A^T B with A unit lower triangular."""

import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240), "large": (1000, 1200)}


def make(size="medium", dtype=pom.f32, name="trmm"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def trmm(alpha: dtype, A: dtype[m, m], B: dtype[m, n]):
        for i in pom.loop("i", 0, m):
            for j in pom.loop("j", 0, n):
                for k in pom.loop("k", i + 1, m):
                    B[i, j] += A[k, i] * B[k, j]
                B[i, j] = alpha * B[i, j]

    return trmm


def reference(alpha, A, B):
    for i in range(A.shape[0]):
        for k in range(i + 1, A.shape[0]):
            B[i] += A[k, i] * B[k]
        B[i] = alpha * B[i]


trmm = make()
