"""deriche (PolyBench/C 4.2): recursive edge filter; alpha = 0.25 as PolyBench sets it."""

import math

import numpy as np

import pom

SIZES = {"mini": (64, 64), "small": (192, 128), "medium": (720, 480), "large": (4096, 2160)}
ALPHA = 0.25


def _coefficients():
    decay = math.exp(-ALPHA)
    k = (1 - decay) ** 2 / (1 + 2 * ALPHA * decay - math.exp(2 * ALPHA))
    forward = k, k * decay * (ALPHA - 1)
    backward = k * decay * (ALPHA + 1), -k * math.exp(-2 * ALPHA)
    feedback = 2.0**-ALPHA, -math.exp(-2 * ALPHA)
    return forward, backward, feedback


def make(size="medium", dtype=pom.f32, name="deriche"):
    w, h = SIZES[size]
    (a1, a2), (a3, a4), (b1, b2) = _coefficients()

    @pom.kernel(name=name)
    def deriche(img_in: dtype[w, h], img_out: dtype[w, h]):
        y1 = pom.array("y1", dtype[w, h])
        y2 = pom.array("y2", dtype[w, h])
        x_1 = pom.array("x_1", dtype)
        x_2 = pom.array("x_2", dtype)
        y_1 = pom.array("y_1", dtype)
        y_2 = pom.array("y_2", dtype)
        for i in pom.loop("i", 0, w):
            y_1[()] = 0
            y_2[()] = 0
            x_1[()] = 0
            for j in pom.loop("j", 0, h):
                y1[i, j] = a1 * img_in[i, j] + a2 * x_1 + b1 * y_1 + b2 * y_2
                x_1[()] = img_in[i, j]
                y_2[()] = y_1
                y_1[()] = y1[i, j]
        for i in pom.loop("i", 0, w):
            y_1[()] = 0
            y_2[()] = 0
            x_1[()] = 0
            x_2[()] = 0
            for back in pom.loop("back", 0, h):
                j = h - 1 - back
                y2[i, j] = a3 * x_1 + a4 * x_2 + b1 * y_1 + b2 * y_2
                x_2[()] = x_1
                x_1[()] = img_in[i, j]
                y_2[()] = y_1
                y_1[()] = y2[i, j]
        for i in pom.loop("i", 0, w):
            for j in pom.loop("j", 0, h):
                img_out[i, j] = y1[i, j] + y2[i, j]
        for j in pom.loop("j", 0, h):
            x_1[()] = 0
            y_1[()] = 0
            y_2[()] = 0
            for i in pom.loop("i", 0, w):
                y1[i, j] = a1 * img_out[i, j] + a2 * x_1 + b1 * y_1 + b2 * y_2
                x_1[()] = img_out[i, j]
                y_2[()] = y_1
                y_1[()] = y1[i, j]
        for j in pom.loop("j", 0, h):
            x_1[()] = 0
            x_2[()] = 0
            y_1[()] = 0
            y_2[()] = 0
            for back in pom.loop("back", 0, w):
                i = w - 1 - back
                y2[i, j] = a3 * x_1 + a4 * x_2 + b1 * y_1 + b2 * y_2
                x_2[()] = x_1
                x_1[()] = img_out[i, j]
                y_2[()] = y_1
                y_1[()] = y2[i, j]
        for i in pom.loop("i", 0, w):
            for j in pom.loop("j", 0, h):
                img_out[i, j] = y1[i, j] + y2[i, j]

    return deriche


def _filter(image):
    """Both recursive passes along the second axis, added."""
    coefficients = ((image.dtype.type(c) for c in pair) for pair in _coefficients())
    (a1, a2), (a3, a4), (b1, b2) = coefficients
    forward, backward = np.zeros_like(image), np.zeros_like(image)
    zero = 0 * image[:, 0]
    x_1, y_1, y_2 = zero, zero, zero
    for j in range(image.shape[1]):
        forward[:, j] = a1 * image[:, j] + a2 * x_1 + b1 * y_1 + b2 * y_2
        x_1, y_1, y_2 = image[:, j], forward[:, j], y_1
    x_1, x_2, y_1, y_2 = zero, zero, zero, zero
    for j in reversed(range(image.shape[1])):
        backward[:, j] = a3 * x_1 + a4 * x_2 + b1 * y_1 + b2 * y_2
        x_1, x_2, y_1, y_2 = image[:, j], x_1, backward[:, j], y_1
    return forward + backward


def reference(img_in, img_out):
    img_out[:] = _filter(_filter(img_in).T).T


deriche = make()
