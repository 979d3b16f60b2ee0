"""symm (PolyBench/C 4.2): C := alpha A B + beta C with A symmetric, stored as lower triangle."""

import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240), "large": (1000, 1200)}


def make(size="medium", dtype=pom.f32, name="symm"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def symm(alpha: dtype, beta: dtype, C: dtype[m, n], A: dtype[m, m], B: dtype[m, n]):
        temp2 = pom.array("temp2", dtype)
        for i in pom.loop("i", 0, m):
            for j in pom.loop("j", 0, n):
                temp2[()] = 0
                for k in pom.loop("k", 0, i):
                    C[k, j] += alpha * B[i, j] * A[i, k]
                    temp2 += B[k, j] * A[i, k]
                C[i, j] = beta * C[i, j] + alpha * B[i, j] * A[i, i] + alpha * temp2

    return symm


def reference(alpha, beta, C, A, B):
    for i in range(C.shape[0]):
        temp2 = 0 * C[i]
        for k in range(i):
            C[k] += alpha * B[i] * A[i, k]
            temp2 += B[k] * A[i, k]
        C[i] = beta * C[i] + alpha * B[i] * A[i, i] + alpha * temp2


symm = make()
