"""gesummv (PolyBench/C 4.2): y := alpha A x + beta B x."""

import numpy as np

import pom

SIZES = {"mini": (30,), "small": (90,), "medium": (250,), "large": (1300,)}
FIXED = pom.fixed(24, 12)


def make(size="medium", dtype=pom.f32, name="gesummv"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def gesummv(
        alpha: dtype, beta: dtype, A: dtype[n, n], B: dtype[n, n], x: dtype[n], y: dtype[n]
    ):
        tmp = pom.array("tmp", dtype[n])
        for i in pom.loop("i", 0, n):
            tmp[i] = 0
            y[i] = 0
            for j in pom.loop("j", 0, n):
                tmp[i] = A[i, j] * x[j] + tmp[i]
                y[i] = B[i, j] * x[j] + y[i]
            y[i] = alpha * tmp[i] + beta * y[i]

    return gesummv


def make_gesummv_fixed(size="medium"):
    return make(size, FIXED, "gesummv_fixed")


def reference(alpha, beta, A, B, x, y):
    tmp = np.zeros_like(y)
    y[:] = 0
    for j in range(A.shape[1]):
        tmp[:] = A[:, j] * x[j] + tmp
        y[:] = B[:, j] * x[j] + y
    y[:] = alpha * tmp + beta * y


gesummv = make()
gesummv_fixed = make_gesummv_fixed()
