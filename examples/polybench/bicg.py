"""bicg (PolyBench/C 4.2): s := A^T r, q := A p."""

import pom

SIZES = {"mini": (38, 42), "small": (116, 124), "medium": (390, 410), "large": (1900, 2100)}
FIXED = pom.fixed(24, 12)


def make(size="medium", dtype=pom.f32, name="bicg"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def bicg(A: dtype[n, m], s: dtype[m], q: dtype[n], p: dtype[m], r: dtype[n]):
        for i in pom.loop("i", 0, m):
            s[i] = 0
        for i in pom.loop("i", 0, n):
            q[i] = 0
            for j in pom.loop("j", 0, m):
                s[j] += r[i] * A[i, j]
                q[i] += A[i, j] * p[j]

    return bicg


def make_bicg_fixed(size="medium"):
    return make(size, FIXED, "bicg_fixed")


def reference(A, s, q, p, r):
    s[:] = 0
    q[:] = 0
    for i in range(A.shape[0]):
        s += r[i] * A[i]
    for j in range(A.shape[1]):
        q += A[:, j] * p[j]


bicg = make()
bicg_fixed = make_bicg_fixed()
