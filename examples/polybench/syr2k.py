"""syr2k (PolyBench/C 4.2): C := alpha A B^T + alpha B A^T + beta C in the lower triangle."""

import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240), "large": (1000, 1200)}


def make(size="medium", dtype=pom.f32, name="syr2k"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def syr2k(alpha: dtype, beta: dtype, C: dtype[n, n], A: dtype[n, m], B: dtype[n, m]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, i + 1):
                C[i, j] *= beta
            for k in pom.loop("k", 0, m):
                for j in pom.loop("j", 0, i + 1):
                    C[i, j] += A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k]

    return syr2k


def reference(alpha, beta, C, A, B):
    for i in range(C.shape[0]):
        C[i, : i + 1] *= beta
        for k in range(A.shape[1]):
            a, b = A[: i + 1, k], B[: i + 1, k]
            C[i, : i + 1] += a * alpha * B[i, k] + b * alpha * A[i, k]


syr2k = make()
