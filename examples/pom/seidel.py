"""seidel of the published POM benchmarks: nine-point stencil in place, N = 4096 points and steps."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def _sum_around(U, i, j):
    return (
        U[i - 1, j - 1]
        + U[i - 1, j]
        + U[i - 1, j + 1]
        + U[i, j - 1]
        + U[i, j]
        + U[i, j + 1]
        + U[i + 1, j - 1]
        + U[i + 1, j]
        + U[i + 1, j + 1]
    )


def make(size="large", dtype=pom.f32, name="seidel"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def seidel(A: dtype[n, n]):
        for _ in pom.loop("t", 0, n):
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    A[i, j] = _sum_around(A, i, j) / 9

    return seidel


def reference(A):
    n = A.shape[0]
    for _ in range(n):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                A[i, j] = _sum_around(A, i, j) / A.dtype.type(9)


seidel = make()
