"""trisolv (PolyBench/C 4.2): solves L x = b with L lower triangular."""

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}


def make(size="medium", dtype=pom.f32, name="trisolv"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def trisolv(L: dtype[n, n], x: dtype[n], b: dtype[n]):
        for i in pom.loop("i", 0, n):
            x[i] = b[i]
            for j in pom.loop("j", 0, i):
                x[i] -= L[i, j] * x[j]
            x[i] = x[i] / L[i, i]

    return trisolv


def reference(L, x, b):
    for i in range(x.shape[0]):
        x[i] = b[i]
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] = x[i] / L[i, i]


trisolv = make()
