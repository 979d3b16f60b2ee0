"""jacobi-2d of the published POM benchmarks: five-point stencil, N = 4096 points and steps."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="jacobi_2d", factor=None):
    """The kernel; `factor` is the type of 0.2, the arrays' by default (in C++ it would be double)."""
    (n,) = SIZES[size]

    def _stencil(U, i, j):
        total = U[i, j] + U[i, j - 1] + U[i, j + 1] + U[i + 1, j] + U[i - 1, j]
        return pom.cast(0.2 * pom.cast(total, factor or dtype), dtype)

    @pom.kernel(name=name)
    def jacobi_2d(A: dtype[n, n], B: dtype[n, n]):
        for _ in pom.loop("t", 0, n):
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    B[i, j] = _stencil(A, i, j)
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    A[i, j] = _stencil(B, i, j)

    return jacobi_2d


def _half_step(source, target):
    fifth = source.dtype.type(0.2)
    centre, left, right = source[1:-1, 1:-1], source[1:-1, :-2], source[1:-1, 2:]
    below, above = source[2:, 1:-1], source[:-2, 1:-1]
    target[1:-1, 1:-1] = fifth * (centre + left + right + below + above)


def reference(A, B):
    for _ in range(A.shape[0]):
        _half_step(A, B)
        _half_step(B, A)


jacobi_2d = make()
