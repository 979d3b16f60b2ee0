"""fdtd-2d (PolyBench/C 4.2): finite-difference time domain in two dimensions."""

import pom

SIZES = {
    "mini": (20, 20, 30),
    "small": (40, 60, 80),
    "medium": (100, 200, 240),
    "large": (500, 1000, 1200),
}


def make(size="medium", dtype=pom.f32, name="fdtd_2d"):
    steps, nx, ny = SIZES[size]

    @pom.kernel(name=name)
    def fdtd_2d(ex: dtype[nx, ny], ey: dtype[nx, ny], hz: dtype[nx, ny], source: dtype[steps]):
        for t in pom.loop("t", 0, steps):
            for j in pom.loop("j", 0, ny):
                ey[0, j] = source[t]
            for i in pom.loop("i", 1, nx):
                for j in pom.loop("j", 0, ny):
                    ey[i, j] = ey[i, j] - 0.5 * (hz[i, j] - hz[i - 1, j])
            for i in pom.loop("i", 0, nx):
                for j in pom.loop("j", 1, ny):
                    ex[i, j] = ex[i, j] - 0.5 * (hz[i, j] - hz[i, j - 1])
            for i in pom.loop("i", 0, nx - 1):
                for j in pom.loop("j", 0, ny - 1):
                    hz[i, j] = hz[i, j] - 0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])

    return fdtd_2d


def reference(ex, ey, hz, source):
    half, factor = ex.dtype.type(0.5), ex.dtype.type(0.7)
    for t in range(source.shape[0]):
        ey[0] = source[t]
        ey[1:] = ey[1:] - half * (hz[1:] - hz[:-1])
        ex[:, 1:] = ex[:, 1:] - half * (hz[:, 1:] - hz[:, :-1])
        inner = ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1]
        hz[:-1, :-1] = hz[:-1, :-1] - factor * inner


fdtd_2d = make()
