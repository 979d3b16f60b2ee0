"""heat-1d of the published POM benchmarks: heat equation with all its time steps kept, N = 4096."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}


def make(size="large", dtype=pom.f32, name="heat_1d"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def heat_1d(U: dtype[n + 1, n]):
        for t in pom.loop("t", 0, n):
            for i in pom.loop("i", 1, n - 1):
                U[t + 1, i] = 0.125 * (U[t, i + 1] - 2 * U[t, i] + U[t, i - 1])

    return heat_1d


def reference(U):
    eighth, two = U.dtype.type(0.125), U.dtype.type(2)
    for t in range(U.shape[1]):
        U[t + 1, 1:-1] = eighth * (U[t, 2:] - two * U[t, 1:-1] + U[t, :-2])


heat_1d = make()
