"""gemver (PolyBench/C 4.2): A := A + u1 v1^T + u2 v2^T, x := x + beta A^T y + z, w := w + alpha A x."""

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}


def make(size="medium", dtype=pom.f32, name="gemver"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def gemver(
        alpha: dtype,
        beta: dtype,
        A: dtype[n, n],
        u1: dtype[n],
        v1: dtype[n],
        u2: dtype[n],
        v2: dtype[n],
        w: dtype[n],
        x: dtype[n],
        y: dtype[n],
        z: dtype[n],
    ):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                A[i, j] = A[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                x[i] = x[i] + beta * A[j, i] * y[j]
        for i in pom.loop("i", 0, n):
            x[i] = x[i] + z[i]
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                w[i] = w[i] + alpha * A[i, j] * x[j]

    return gemver


def reference(alpha, beta, A, u1, v1, u2, v2, w, x, y, z):
    A[:] = A + u1[:, None] * v1 + u2[:, None] * v2
    for j in range(A.shape[0]):
        x += beta * A[j] * y[j]
    x += z
    for j in range(A.shape[1]):
        w += alpha * A[:, j] * x[j]


gemver = make()
