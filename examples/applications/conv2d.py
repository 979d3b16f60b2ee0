"""A convolution layer: 3 x 3 windows, stride 2, as in the first layers of image networks."""

import pom

SIZES = {
    "mini": (3, 4, 5),
    "small": (3, 8, 16),
    "medium": (16, 32, 28),
    "large": (64, 128, 56),
}
WINDOW, STRIDE = 3, 2
FIXED = pom.fixed(16, 8)


def make(size="medium", dtype=pom.f32, name="conv2d"):
    channels, filters, n = SIZES[size]
    width = STRIDE * (n - 1) + WINDOW

    @pom.kernel(name=name)
    def conv2d(
        image: dtype[channels, width, width],
        weights: dtype[filters, channels, WINDOW, WINDOW],
        out: dtype[filters, n, n],
    ):
        for f in pom.loop("f", 0, filters):
            for y in pom.loop("y", 0, n):
                for x in pom.loop("x", 0, n):
                    out[f, y, x] = 0
                    for c in pom.loop("c", 0, channels):
                        for r in pom.loop("r", 0, WINDOW):
                            for s in pom.loop("s", 0, WINDOW):
                                pixel = image[c, STRIDE * y + r, STRIDE * x + s]
                                out[f, y, x] += pixel * weights[f, c, r, s]

    return conv2d


def make_conv2d_fixed(size="medium"):
    return make(size, FIXED, "conv2d_fixed")


def reference(image, weights, out):
    filters, n, _ = out.shape
    end = STRIDE * (n - 1) + 1
    for f in range(filters):
        out[f] = 0
        for c in range(image.shape[0]):
            for r in range(WINDOW):
                for s in range(WINDOW):
                    window = image[c, r : r + end : STRIDE, s : s + end : STRIDE]
                    out[f] += window * weights[f, c, r, s]


conv2d = make()
conv2d_fixed = make_conv2d_fixed()
