"""heat-3d (PolyBench/C 4.2): heat equation on a cube, two half steps."""

import pom

SIZES = {"mini": (20, 10), "small": (40, 20), "medium": (100, 40), "large": (500, 120)}


def _stencil(U, i, j, k):
    return (
        0.125 * (U[i + 1, j, k] - 2 * U[i, j, k] + U[i - 1, j, k])
        + 0.125 * (U[i, j + 1, k] - 2 * U[i, j, k] + U[i, j - 1, k])
        + 0.125 * (U[i, j, k + 1] - 2 * U[i, j, k] + U[i, j, k - 1])
        + U[i, j, k]
    )


def make(size="medium", dtype=pom.f32, name="heat_3d"):
    steps, n = SIZES[size]

    @pom.kernel(name=name)
    def heat_3d(A: dtype[n, n, n], B: dtype[n, n, n]):
        for _ in pom.loop("t", 1, steps + 1):
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    for k in pom.loop("k", 1, n - 1):
                        B[i, j, k] = _stencil(A, i, j, k)
            for i in pom.loop("i", 1, n - 1):
                for j in pom.loop("j", 1, n - 1):
                    for k in pom.loop("k", 1, n - 1):
                        A[i, j, k] = _stencil(B, i, j, k)

    return heat_3d


def _half_step(source, target):
    eighth, two = source.dtype.type(0.125), source.dtype.type(2)
    inner = slice(1, -1)
    centre = source[inner, inner, inner]

    def along(ahead, behind):
        return eighth * (source[ahead] - two * centre + source[behind])

    target[inner, inner, inner] = (
        along((slice(2, None), inner, inner), (slice(None, -2), inner, inner))
        + along((inner, slice(2, None), inner), (inner, slice(None, -2), inner))
        + along((inner, inner, slice(2, None)), (inner, inner, slice(None, -2)))
        + centre
    )


def reference(A, B, steps):
    for _ in range(steps):
        _half_step(A, B)
        _half_step(B, A)


heat_3d = make()
