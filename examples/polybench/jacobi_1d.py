"""jacobi-1d (PolyBench/C 4.2): three-point stencil, two half steps."""

import pom

SIZES = {"mini": (20, 30), "small": (40, 120), "medium": (100, 400), "large": (500, 2000)}
FIXED = pom.fixed(24, 8)


def make(size="medium", dtype=pom.f32, name="jacobi_1d"):
    steps, n = SIZES[size]

    @pom.kernel(name=name)
    def jacobi_1d(A: dtype[n], B: dtype[n]):
        for _ in pom.loop("t", 0, steps):
            for i in pom.loop("i", 1, n - 1):
                B[i] = 0.33333 * (A[i - 1] + A[i] + A[i + 1])
            for i in pom.loop("i", 1, n - 1):
                A[i] = 0.33333 * (B[i - 1] + B[i] + B[i + 1])

    return jacobi_1d


def make_jacobi_1d_fixed(size="medium"):
    return make(size, FIXED, "jacobi_1d_fixed")


def reference(A, B, steps):
    third = A.dtype.type(0.33333)
    for _ in range(steps):
        B[1:-1] = third * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = third * (B[:-2] + B[1:-1] + B[2:])


jacobi_1d = make()
jacobi_1d_fixed = make_jacobi_1d_fixed()
