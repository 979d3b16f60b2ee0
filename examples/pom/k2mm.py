"""2mm of the published POM benchmarks: D := alpha A B C + beta D, N = 4096."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="k2mm"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def k2mm(
        alpha: dtype,
        beta: dtype,
        tmp: dtype[n, n],
        A: dtype[n, n],
        B: dtype[n, n],
        C: dtype[n, n],
        D: dtype[n, n],
    ):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                tmp[i, j] = 0
                for k in pom.loop("k", 0, n):
                    tmp[i, j] += alpha * A[i, k] * B[k, j]
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                D[i, j] *= beta
                for k in pom.loop("k", 0, n):
                    D[i, j] += tmp[i, k] * C[k, j]

    return k2mm


def reference(alpha, beta, tmp, A, B, C, D):
    tmp[:] = 0
    for k in range(A.shape[1]):
        tmp += (alpha * A[:, k, None]) * B[k]
    D *= beta
    for k in range(C.shape[0]):
        D += tmp[:, k, None] * C[k]


k2mm = make()
