"""correlation (PolyBench/C 4.2): correlation matrix of M attributes over N points."""

import numpy as np

import pom

SIZES = {"mini": (28, 32), "small": (80, 100), "medium": (240, 260), "large": (1200, 1400)}
EPS = 0.1


def make(size="medium", dtype=pom.f32, name="correlation"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def correlation(
        float_n: dtype, data: dtype[n, m], corr: dtype[m, m], mean: dtype[m], stddev: dtype[m]
    ):
        for j in pom.loop("j", 0, m):
            mean[j] = 0
            for i in pom.loop("i", 0, n):
                mean[j] += data[i, j]
            mean[j] /= float_n
        for j in pom.loop("j", 0, m):
            stddev[j] = 0
            for i in pom.loop("i", 0, n):
                stddev[j] += (data[i, j] - mean[j]) * (data[i, j] - mean[j])
            stddev[j] /= float_n
            stddev[j] = pom.sqrt(stddev[j])
            # Attributes that hardly vary would be divided by almost nothing.
            stddev[j] = pom.select(stddev[j] <= EPS, 1, stddev[j])
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, m):
                data[i, j] -= mean[j]
                data[i, j] /= pom.sqrt(float_n) * stddev[j]
        for i in pom.loop("i", 0, m - 1):
            corr[i, i] = 1
            for j in pom.loop("j", i + 1, m):
                corr[i, j] = 0
                for k in pom.loop("k", 0, n):
                    corr[i, j] += data[k, i] * data[k, j]
                corr[j, i] = corr[i, j]
        corr[m - 1, m - 1] = 1

    return correlation


def reference(float_n, data, corr, mean, stddev):
    n, m = data.shape
    one = data.dtype.type(1)
    mean[:] = 0
    stddev[:] = 0
    for i in range(n):
        mean += data[i]
    mean /= float_n
    for i in range(n):
        stddev += (data[i] - mean) * (data[i] - mean)
    stddev /= float_n
    stddev[:] = np.sqrt(stddev)
    stddev[:] = np.where(stddev <= data.dtype.type(EPS), one, stddev)
    data -= mean
    data /= np.sqrt(float_n) * stddev
    for i in range(m):
        row = 0 * data[0, i:]
        for k in range(n):
            row += data[k, i] * data[k, i:]
        corr[i, i:] = row
        corr[i:, i] = row
        corr[i, i] = 1


correlation = make()
