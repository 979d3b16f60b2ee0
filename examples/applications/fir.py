"""A finite impulse response filter with 17 taps."""

import pom

SIZES = {"mini": (40,), "small": (256,), "medium": (4096,), "large": (65536,)}
TAPS = 17
FIXED = pom.fixed(16, 8)


def make(size="medium", dtype=pom.f32, name="fir"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def fir(x: dtype[n + TAPS - 1], taps: dtype[TAPS], y: dtype[n]):
        for i in pom.loop("i", 0, n):
            y[i] = 0
            for k in pom.loop("k", 0, TAPS):
                y[i] += taps[k] * x[i + (TAPS - 1) - k]

    return fir


def make_fir_fixed(size="medium"):
    return make(size, FIXED, "fir_fixed")


def reference(x, taps, y):
    y[:] = 0
    for k in range(TAPS):
        first = TAPS - 1 - k
        y += taps[k] * x[first : first + len(y)]


fir = make()
fir_fixed = make_fir_fixed()
