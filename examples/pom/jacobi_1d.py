"""jacobi-1d of the published POM benchmarks: three-point stencil, N = 4096 points and steps."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="jacobi_1d", factor=None):
    """The kernel; `factor` is the type of 0.33333, the arrays' by default (in C++ it is double)."""
    (n,) = SIZES[size]

    def _third(total):
        return pom.cast(0.33333 * pom.cast(total, factor or dtype), dtype)

    @pom.kernel(name=name)
    def jacobi_1d(A: dtype[n], B: dtype[n]):
        for _ in pom.loop("t", 0, n):
            for i in pom.loop("i", 1, n - 1):
                B[i] = _third(A[i - 1] + A[i] + A[i + 1])
            for i in pom.loop("i", 1, n - 1):
                A[i] = _third(B[i - 1] + B[i] + B[i + 1])

    return jacobi_1d


def reference(A, B):
    third = A.dtype.type(0.33333)
    for _ in range(A.shape[0]):
        B[1:-1] = third * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = third * (B[:-2] + B[1:-1] + B[2:])


jacobi_1d = make()
