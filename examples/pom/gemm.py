"""gemm of the published POM benchmarks: C := alpha A B + beta C in one nest, N = 4096."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="gemm"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def gemm(alpha: dtype, beta: dtype, A: dtype[n, n], B: dtype[n, n], C: dtype[n, n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                C[i, j] *= beta
                for k in pom.loop("k", 0, n):
                    C[i, j] += alpha * A[i, k] * B[k, j]

    return gemm


def reference(alpha, beta, A, B, C):
    C *= beta
    for k in range(A.shape[1]):
        C += (alpha * A[:, k, None]) * B[k]


gemm = make()
