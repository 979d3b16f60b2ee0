"""mvt (PolyBench/C 4.2): x1 := x1 + A y1, x2 := x2 + A^T y2."""

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}
FIXED = pom.fixed(24, 12)


def make(size="medium", dtype=pom.f32, name="mvt"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def mvt(x1: dtype[n], x2: dtype[n], y1: dtype[n], y2: dtype[n], A: dtype[n, n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                x1[i] += A[i, j] * y1[j]
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                x2[i] += A[j, i] * y2[j]

    return mvt


def make_mvt_fixed(size="medium"):
    return make(size, FIXED, "mvt_fixed")


def reference(x1, x2, y1, y2, A):
    for j in range(A.shape[0]):
        x1 += A[:, j] * y1[j]
        x2 += A[j] * y2[j]


mvt = make()
mvt_fixed = make_mvt_fixed()
