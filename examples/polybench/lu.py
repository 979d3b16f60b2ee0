"""lu (PolyBench/C 4.2): A = L U in place, without pivoting."""

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}


def make(size="medium", dtype=pom.f32, name="lu"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def lu(A: dtype[n, n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, i):
                for k in pom.loop("k", 0, j):
                    A[i, j] -= A[i, k] * A[k, j]
                A[i, j] /= A[j, j]
            for j in pom.loop("j", i, n):
                for k in pom.loop("k", 0, i):
                    A[i, j] -= A[i, k] * A[k, j]

    return lu


def reference(A):
    n = A.shape[0]
    for i in range(n):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] /= A[j, j]
        for k in range(i):
            A[i, i:] -= A[i, k] * A[k, i:]


lu = make()
