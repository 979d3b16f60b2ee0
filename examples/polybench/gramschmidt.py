"""gramschmidt (PolyBench/C 4.2): A = Q R by modified Gram-Schmidt."""

import numpy as np

import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240), "large": (1000, 1200)}


def make(size="medium", dtype=pom.f32, name="gramschmidt"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def gramschmidt(A: dtype[m, n], R: dtype[n, n], Q: dtype[m, n]):
        norm = pom.array("norm", dtype)
        for k in pom.loop("k", 0, n):
            norm[()] = 0
            for i in pom.loop("i", 0, m):
                norm += A[i, k] * A[i, k]
            R[k, k] = pom.sqrt(norm)
            for i in pom.loop("i", 0, m):
                Q[i, k] = A[i, k] / R[k, k]
            for j in pom.loop("j", k + 1, n):
                R[k, j] = 0
                for i in pom.loop("i", 0, m):
                    R[k, j] += Q[i, k] * A[i, j]
                for i in pom.loop("i", 0, m):
                    A[i, j] = A[i, j] - Q[i, k] * R[k, j]

    return gramschmidt


def reference(A, R, Q):
    m, n = A.shape
    for k in range(n):
        norm = A.dtype.type(0)
        for i in range(m):
            norm += A[i, k] * A[i, k]
        R[k, k] = np.sqrt(norm)
        Q[:, k] = A[:, k] / R[k, k]
        R[k, k + 1 :] = 0
        for i in range(m):
            R[k, k + 1 :] += Q[i, k] * A[i, k + 1 :]
        A[:, k + 1 :] = A[:, k + 1 :] - Q[:, k, None] * R[k, k + 1 :]


gramschmidt = make()
