"""gaussian of the published POM benchmarks: seven-tap filter along x, then along y, of RGB."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}
CHANNELS = 3
TAPS = 7


def make(size="large", dtype=pom.f32, name="gaussian"):
    (n,) = SIZES[size]
    m = n - TAPS + 1

    @pom.kernel(name=name)
    def gaussian(
        image: dtype[n, n, CHANNELS],
        weights_x: dtype[TAPS],
        weights_y: dtype[TAPS],
        along_x: dtype[n, m, CHANNELS],
        out: dtype[m, m, CHANNELS],
    ):
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, m):
                for c in pom.loop("c", 0, CHANNELS):
                    along_x[i, j, c] = 0
                    for e in pom.loop("e", 0, TAPS):
                        along_x[i, j, c] += image[i, j + e, c] * weights_x[e]
        for i in pom.loop("i", 0, m):
            for j in pom.loop("j", 0, m):
                for c in pom.loop("c", 0, CHANNELS):
                    out[i, j, c] = 0
                    for e in pom.loop("e", 0, TAPS):
                        out[i, j, c] += along_x[i + e, j, c] * weights_y[e]

    return gaussian


def reference(image, weights_x, weights_y, along_x, out):
    m = out.shape[0]
    along_x[:] = 0
    for e in range(TAPS):
        along_x += image[:, e : e + m] * weights_x[e]
    out[:] = 0
    for e in range(TAPS):
        out += along_x[e : e + m] * weights_y[e]


gaussian = make()
