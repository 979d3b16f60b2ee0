"""blur of the published POM benchmarks: three-point box filter along x, then along y, of RGB."""

import pom

SIZES = {"mini": (24,), "small": (256,), "medium": (1024,), "large": (4096,)}
CHANNELS = 3


def make(size="large", dtype=pom.f32, name="blur"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def blur(
        image: dtype[n, n, CHANNELS],
        along_x: dtype[n, n - 2, CHANNELS],
        out: dtype[n - 2, n - 2, CHANNELS],
    ):
        i, j, c = pom.vars(i=n, j=n - 2, c=CHANNELS)
        pom.compute(
            "blur_x",
            [i, j, c],
            along_x[i, j, c],
            (image[i, j, c] + image[i, j + 1, c] + image[i, j + 2, c]) / 3,
        )
        i = pom.var("i", n - 2)
        pom.compute(
            "blur_y",
            [i, j, c],
            out[i, j, c],
            (along_x[i, j, c] + along_x[i + 1, j, c] + along_x[i + 2, j, c]) / 3,
        )

    return blur


def reference(image, along_x, out):
    three = image.dtype.type(3)
    along_x[:] = (image[:, :-2] + image[:, 1:-1] + image[:, 2:]) / three
    out[:] = (along_x[:-2] + along_x[1:-1] + along_x[2:]) / three


blur = make()
