"""cholesky (PolyBench/C 4.2): A = L L^T in place, in the lower triangle."""

import numpy as np

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}


def make(size="medium", dtype=pom.f32, name="cholesky"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def cholesky(A: dtype[n, n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, i):
                for k in pom.loop("k", 0, j):
                    A[i, j] -= A[i, k] * A[j, k]
                A[i, j] /= A[j, j]
            for k in pom.loop("k", 0, i):
                A[i, i] -= A[i, k] * A[i, k]
            A[i, i] = pom.sqrt(A[i, i])

    return cholesky


def reference(A):
    for i in range(A.shape[0]):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] /= A[j, j]
        for k in range(i):
            A[i, i] -= A[i, k] * A[i, k]
        A[i, i] = np.sqrt(A[i, i])


cholesky = make()
