"""bicg of the published POM benchmarks: s += A^T r and q += A p in one nest, N = 4096."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="bicg"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def bicg(A: dtype[n, n], s: dtype[n], q: dtype[n], p: dtype[n], r: dtype[n]):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                s[j] += r[i] * A[i, j]
                q[i] += A[i, j] * p[j]

    return bicg


def reference(A, s, q, p, r):
    for i in range(A.shape[0]):
        s += r[i] * A[i]
        q += A[:, i] * p[i]


bicg = make()
