"""ludcmp (PolyBench/C 4.2): solves A x = b by LU factorisation without pivoting."""

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}


def make(size="medium", dtype=pom.f32, name="ludcmp"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def ludcmp(A: dtype[n, n], b: dtype[n], x: dtype[n], y: dtype[n]):
        w = pom.array("w", dtype)
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, i):
                w[()] = A[i, j]
                for k in pom.loop("k", 0, j):
                    w -= A[i, k] * A[k, j]
                A[i, j] = w / A[j, j]
            for j in pom.loop("j", i, n):
                w[()] = A[i, j]
                for k in pom.loop("k", 0, i):
                    w -= A[i, k] * A[k, j]
                A[i, j] = w
        for i in pom.loop("i", 0, n):
            w[()] = b[i]
            for j in pom.loop("j", 0, i):
                w -= A[i, j] * y[j]
            y[i] = w
        # PolyBench counts i down from n - 1.
        for back in pom.loop("back", 0, n):
            i = n - 1 - back
            w[()] = y[i]
            for j in pom.loop("j", i + 1, n):
                w -= A[i, j] * x[j]
            x[i] = w / A[i, i]

    return ludcmp


def reference(A, b, x, y):
    n = A.shape[0]
    for i in range(n):
        for j in range(n):
            w = A[i, j]
            for k in range(min(i, j)):
                w -= A[i, k] * A[k, j]
            A[i, j] = w / A[j, j] if j < i else w
    for i in range(n):
        w = b[i]
        for j in range(i):
            w -= A[i, j] * y[j]
        y[i] = w
    for i in reversed(range(n)):
        w = y[i]
        for j in range(i + 1, n):
            w -= A[i, j] * x[j]
        x[i] = w / A[i, i]


ludcmp = make()
