"""edge detect of the published POM benchmarks: ring blur, then the Roberts cross, of RGB."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}
CHANNELS = 3


def make(size="large", dtype=pom.f32, name="edge_detect"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def edge_detect(
        image: dtype[n, n, CHANNELS],
        ring: dtype[n - 2, n - 2, CHANNELS],
        out: dtype[n - 3, n - 3, CHANNELS],
    ):
        for i in pom.loop("i", 0, n - 2):
            for j in pom.loop("j", 0, n - 2):
                for c in pom.loop("c", 0, CHANNELS):
                    ring[i, j, c] = (
                        image[i, j, c]
                        + image[i, j + 1, c]
                        + image[i, j + 2, c]
                        + image[i + 1, j, c]
                        + image[i + 1, j + 2, c]
                        + image[i + 2, j, c]
                        + image[i + 2, j + 1, c]
                        + image[i + 2, j + 2, c]
                    ) / 8
        for i in pom.loop("i", 0, n - 3):
            for j in pom.loop("j", 0, n - 3):
                for c in pom.loop("c", 0, CHANNELS):
                    out[i, j, c] = pom.abs(ring[i, j, c] - ring[i + 1, j + 1, c]) + pom.abs(
                        ring[i, j + 1, c] - ring[i + 1, j, c]
                    )

    return edge_detect


def reference(image, ring, out):
    offsets = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)]
    n = image.shape[0]
    ring[:] = 0
    for di, dj in offsets:
        ring += image[di : n - 2 + di, dj : n - 2 + dj]
    ring /= image.dtype.type(8)
    out[:] = abs(ring[:-1, :-1] - ring[1:, 1:]) + abs(ring[:-1, 1:] - ring[1:, :-1])


edge_detect = make()
