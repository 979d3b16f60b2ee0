"""durbin (PolyBench/C 4.2): solves a Yule-Walker system by Levinson-Durbin recursion."""

import numpy as np

import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,), "large": (2000,)}


def make(size="medium", dtype=pom.f32, name="durbin"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def durbin(r: dtype[n], y: dtype[n]):
        z = pom.array("z", dtype[n])
        alpha = pom.array("alpha", dtype)
        beta = pom.array("beta", dtype)
        total = pom.array("total", dtype)
        y[0] = -r[0]
        beta[()] = 1
        alpha[()] = -r[0]
        for k in pom.loop("k", 1, n):
            beta[()] = (1 - alpha * alpha) * beta
            total[()] = 0
            for i in pom.loop("i", 0, k):
                total += r[k - i - 1] * y[i]
            alpha[()] = -(r[k] + total) / beta
            for i in pom.loop("i", 0, k):
                z[i] = y[i] + alpha * y[k - i - 1]
            for i in pom.loop("i", 0, k):
                y[i] = z[i]
            y[k] = alpha

    return durbin


def reference(r, y):
    one = np.ones_like(r[0])
    y[0] = -r[0]
    beta, alpha = one, -r[0]
    for k in range(1, r.shape[0]):
        beta = (one - alpha * alpha) * beta
        total = one - one
        for i in range(k):
            total += r[k - i - 1] * y[i]
        alpha = -(r[k] + total) / beta
        y[:k] = y[:k] + alpha * y[:k][::-1]
        y[k] = alpha


durbin = make()
