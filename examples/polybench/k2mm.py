"""2mm (PolyBench/C 4.2): D := alpha A B C + beta D."""

import numpy as np

import pom

SIZES = {
    "mini": (16, 18, 22, 24),
    "small": (40, 50, 70, 80),
    "medium": (180, 190, 210, 220),
    "large": (800, 900, 1100, 1200),
}
FIXED = pom.fixed(24, 12)


def make(size="medium", dtype=pom.f32, name="k2mm"):
    ni, nj, nk, nl = SIZES[size]

    @pom.kernel(name=name)
    def k2mm(
        alpha: dtype,
        beta: dtype,
        A: dtype[ni, nk],
        B: dtype[nk, nj],
        C: dtype[nj, nl],
        D: dtype[ni, nl],
    ):
        tmp = pom.array("tmp", dtype[ni, nj])
        for i in pom.loop("i", 0, ni):
            for j in pom.loop("j", 0, nj):
                tmp[i, j] = 0
                for k in pom.loop("k", 0, nk):
                    tmp[i, j] += alpha * A[i, k] * B[k, j]
        for i in pom.loop("i", 0, ni):
            for j in pom.loop("j", 0, nl):
                D[i, j] *= beta
                for k in pom.loop("k", 0, nj):
                    D[i, j] += tmp[i, k] * C[k, j]

    return k2mm


def make_k2mm_fixed(size="medium"):
    return make(size, FIXED, "k2mm_fixed")


def reference(alpha, beta, A, B, C, D):
    tmp = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for k in range(A.shape[1]):
        tmp += (alpha * A[:, k, None]) * B[k]
    D *= beta
    for k in range(C.shape[0]):
        D += tmp[:, k, None] * C[k]


k2mm = make()
k2mm_fixed = make_k2mm_fixed()
