"""Attention of one head: scores, softmax by rows, weighted sum of the values."""

import numpy as np

import pom

SIZES = {"mini": (6, 4), "small": (16, 8), "medium": (64, 32), "large": (256, 64)}


def make(size="medium", dtype=pom.f32, name="attention"):
    n, d = SIZES[size]

    @pom.kernel(name=name)
    def attention(scale: dtype, q: dtype[n, d], k: dtype[n, d], v: dtype[n, d], out: dtype[n, d]):
        score = pom.array(dtype[n, n])
        most = pom.array(dtype[n])
        total = pom.array(dtype[n])
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, n):
                score[i, j] = 0
                for c in pom.loop("c", 0, d):
                    score[i, j] += q[i, c] * k[j, c]
        for i in pom.loop("i", 0, n):
            most[i] = score[i, 0]
            for j in pom.loop("j", 1, n):
                most[i] = pom.max(most[i], score[i, j])
        for i in pom.loop("i", 0, n):
            total[i] = 0
            for j in pom.loop("j", 0, n):
                score[i, j] = pom.exp(scale * (score[i, j] - most[i]))
                total[i] += score[i, j]
        for i in pom.loop("i", 0, n):
            for c in pom.loop("c", 0, d):
                out[i, c] = 0
                for j in pom.loop("j", 0, n):
                    out[i, c] += score[i, j] * v[j, c]
                out[i, c] = out[i, c] / total[i]

    return attention


def reference(scale, q, k, v, out):
    score = np.zeros((len(q), len(k)), dtype=q.dtype)
    for c in range(q.shape[1]):
        score += np.outer(q[:, c], k[:, c])
    exponents = scale * (score - score.max(axis=1, keepdims=True))
    # numpy's exp of 32 bits rounds more coarsely than that of the C library
    weights = np.exp(exponents.astype(np.float64)).astype(q.dtype)
    total = np.zeros(len(q), dtype=q.dtype)
    out[:] = 0
    for j in range(len(k)):
        total += weights[:, j]
        out += np.outer(weights[:, j], v[j])
    out /= total[:, None]


attention = make()
