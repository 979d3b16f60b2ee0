"""3mm of the published POM benchmarks: G := (A B) (C D), N = 4096."""

import numpy as np

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="k3mm"):
    (n,) = SIZES[size]

    @pom.kernel
    def product(X: dtype[n, n], Y: dtype[n, n], Z: dtype[n, n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                Z[i, j] = 0
                for k in pom.loop("k", 0, n):
                    Z[i, j] += X[i, k] * Y[k, j]

    @pom.kernel(name=name)
    def k3mm(
        A: dtype[n, n],
        B: dtype[n, n],
        C: dtype[n, n],
        D: dtype[n, n],
        E: dtype[n, n],
        F: dtype[n, n],
        G: dtype[n, n],
    ):
        product(A, B, E)
        product(C, D, F)
        product(E, F, G)

    return k3mm


def _product(left, right):
    result = np.zeros_like(left)
    for k in range(left.shape[1]):
        result += left[:, k, None] * right[k]
    return result


def reference(A, B, C, D, E, F, G):
    E[:], F[:] = _product(A, B), _product(C, D)
    G[:] = _product(E, F)


k3mm = make()
