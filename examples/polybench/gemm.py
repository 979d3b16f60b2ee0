"""gemm (PolyBench/C 4.2): C := alpha A B + beta C."""

import pom

SIZES = {
    "mini": (20, 25, 30),
    "small": (60, 70, 80),
    "medium": (200, 220, 240),
    "large": (1000, 1100, 1200),
}
FIXED = pom.fixed(16, 8)


def make(size="medium", dtype=pom.f32, name="gemm"):
    ni, nj, nk = SIZES[size]

    @pom.kernel(name=name)
    def gemm(alpha: dtype, beta: dtype, A: dtype[ni, nk], B: dtype[nk, nj], C: dtype[ni, nj]):
        for i in pom.loop("i", 0, ni):
            for j in pom.loop("j", 0, nj):
                C[i, j] *= beta
            for k in pom.loop("k", 0, nk):
                for j in pom.loop("j", 0, nj):
                    C[i, j] += alpha * A[i, k] * B[k, j]

    return gemm


def make_gemm_fixed(size="medium"):
    return make(size, FIXED, "gemm_fixed")


def reference(alpha, beta, A, B, C):
    for i in range(C.shape[0]):
        C[i] *= beta
        for k in range(A.shape[1]):
            C[i] += alpha * A[i, k] * B[k]


gemm = make()
gemm_fixed = make_gemm_fixed()
