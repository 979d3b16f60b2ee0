"""gesummv of the published POM benchmarks: y := alpha A x + beta B x, N = 4096."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="gesummv"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def gesummv(
        alpha: dtype,
        beta: dtype,
        A: dtype[n, n],
        B: dtype[n, n],
        tmp: dtype[n],
        x: dtype[n],
        y: dtype[n],
    ):
        for i in pom.loop("i", 0, n):
            tmp[i] = 0
            y[i] = 0
            for j in pom.loop("j", 0, n):
                tmp[i] += A[i, j] * x[j]
                y[i] += B[i, j] * x[j]
            y[i] = alpha * tmp[i] + beta * y[i]

    return gesummv


def reference(alpha, beta, A, B, tmp, x, y):
    tmp[:] = 0
    y[:] = 0
    for j in range(A.shape[1]):
        tmp += A[:, j] * x[j]
        y += B[:, j] * x[j]
    y[:] = alpha * tmp + beta * y


gesummv = make()
