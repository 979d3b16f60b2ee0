"""jacobi-2d (PolyBench/C 4.2): five-point stencil, two half steps."""

import pom

SIZES = {"mini": (20, 30), "small": (40, 90), "medium": (100, 250), "large": (500, 1300)}
FIXED = pom.fixed(24, 8)


def make(size="medium", dtype=pom.f32, name="jacobi_2d"):
    steps, n = SIZES[size]

    @pom.kernel(name=name)
    def jacobi_2d(A: dtype[n, n], B: dtype[n, n]):
        for _ in pom.loop("t", 0, steps):
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    B[i, j] = 0.2 * (
                        A[i, j] + A[i, j - 1] + A[i, j + 1] + A[i + 1, j] + A[i - 1, j]
                    )
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    A[i, j] = 0.2 * (
                        B[i, j] + B[i, j - 1] + B[i, j + 1] + B[i + 1, j] + B[i - 1, j]
                    )

    return jacobi_2d


def make_jacobi_2d_fixed(size="medium"):
    return make(size, FIXED, "jacobi_2d_fixed")


def _half_step(source, target):
    fifth = source.dtype.type(0.2)
    centre, left, right = source[1:-1, 1:-1], source[1:-1, :-2], source[1:-1, 2:]
    below, above = source[2:, 1:-1], source[:-2, 1:-1]
    target[1:-1, 1:-1] = fifth * (centre + left + right + below + above)


def reference(A, B, steps):
    for _ in range(steps):
        _half_step(A, B)
        _half_step(B, A)


jacobi_2d = make()
jacobi_2d_fixed = make_jacobi_2d_fixed()
