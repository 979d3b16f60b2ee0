"""atax (PolyBench/C 4.2): y := A^T (A x)."""

import numpy as np

import pom

SIZES = {"mini": (38, 42), "small": (116, 124), "medium": (390, 410), "large": (1900, 2100)}
FIXED = pom.fixed(24, 12)


def make(size="medium", dtype=pom.f32, name="atax"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def atax(A: dtype[m, n], x: dtype[n], y: dtype[n]):
        tmp = pom.array("tmp", dtype[m])
        for i in pom.loop("i", 0, n):
            y[i] = 0
        for i in pom.loop("i", 0, m):
            tmp[i] = 0
            for j in pom.loop("j", 0, n):
                tmp[i] += A[i, j] * x[j]
            for j in pom.loop("j", 0, n):
                y[j] += A[i, j] * tmp[i]

    return atax


def make_atax_fixed(size="medium"):
    return make(size, FIXED, "atax_fixed")


def reference(A, x, y):
    y[:] = 0
    tmp = np.zeros(A.shape[0], A.dtype)
    for j in range(A.shape[1]):
        tmp += A[:, j] * x[j]
    for i in range(A.shape[0]):
        y += A[i] * tmp[i]


atax = make()
atax_fixed = make_atax_fixed()
