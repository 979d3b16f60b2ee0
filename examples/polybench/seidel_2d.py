"""seidel-2d (PolyBench/C 4.2): nine-point stencil in place."""

import pom

SIZES = {"mini": (20, 40), "small": (40, 120), "medium": (100, 400), "large": (500, 2000)}


def make(size="medium", dtype=pom.f32, name="seidel_2d"):
    steps, n = SIZES[size]

    @pom.kernel(name=name)
    def seidel_2d(A: dtype[n, n]):
        for _ in pom.loop("t", 0, steps):
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    A[i, j] = (
                        A[i - 1, j - 1]
                        + A[i - 1, j]
                        + A[i - 1, j + 1]
                        + A[i, j - 1]
                        + A[i, j]
                        + A[i, j + 1]
                        + A[i + 1, j - 1]
                        + A[i + 1, j]
                        + A[i + 1, j + 1]
                    ) / 9

    return seidel_2d


def reference(A, steps):
    n = A.shape[0]
    nine = A.dtype.type(9)
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                total = A[i - 1, j - 1] + A[i - 1, j] + A[i - 1, j + 1]
                total = total + A[i, j - 1] + A[i, j] + A[i, j + 1]
                total = total + A[i + 1, j - 1] + A[i + 1, j] + A[i + 1, j + 1]
                A[i, j] = total / nine


seidel_2d = make()
