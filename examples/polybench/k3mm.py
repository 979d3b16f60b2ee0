"""3mm (PolyBench/C 4.2): G := (A B) (C D)."""

import numpy as np

import pom

SIZES = {
    "mini": (16, 18, 20, 22, 24),
    "small": (40, 50, 60, 70, 80),
    "medium": (180, 190, 200, 210, 220),
    "large": (800, 900, 1000, 1100, 1200),
}


def make(size="medium", dtype=pom.f32, name="k3mm"):
    ni, nj, nk, nl, nm = SIZES[size]

    @pom.kernel(name=name)
    def k3mm(
        A: dtype[ni, nk], B: dtype[nk, nj], C: dtype[nj, nm], D: dtype[nm, nl], G: dtype[ni, nl]
    ):
        E = pom.array("E", dtype[ni, nj])
        F = pom.array("F", dtype[nj, nl])
        for i in pom.loop("i", 0, ni):
            for j in pom.loop("j", 0, nj):
                E[i, j] = 0
                for k in pom.loop("k", 0, nk):
                    E[i, j] += A[i, k] * B[k, j]
        for i in pom.loop("i", 0, nj):
            for j in pom.loop("j", 0, nl):
                F[i, j] = 0
                for k in pom.loop("k", 0, nm):
                    F[i, j] += C[i, k] * D[k, j]
        for i in pom.loop("i", 0, ni):
            for j in pom.loop("j", 0, nl):
                G[i, j] = 0
                for k in pom.loop("k", 0, nj):
                    G[i, j] += E[i, k] * F[k, j]

    return k3mm


def _product(left, right):
    result = np.zeros((left.shape[0], right.shape[1]), left.dtype)
    for k in range(left.shape[1]):
        result += left[:, k, None] * right[k]
    return result


def reference(A, B, C, D, G):
    G[:] = _product(_product(A, B), _product(C, D))


k3mm = make()
