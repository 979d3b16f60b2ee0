"""covariance (PolyBench/C 4.2): covariance matrix of M attributes over N points."""

import pom

SIZES = {"mini": (28, 32), "small": (80, 100), "medium": (240, 260), "large": (1200, 1400)}


def make(size="medium", dtype=pom.f32, name="covariance"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def covariance(float_n: dtype, data: dtype[n, m], cov: dtype[m, m], mean: dtype[m]):
        for j in pom.loop("j", 0, m):
            mean[j] = 0
            for i in pom.loop("i", 0, n):
                mean[j] += data[i, j]
            mean[j] /= float_n
        for i in pom.loop("i", 0, n):
            for j in pom.loop("j", 0, m):
                data[i, j] -= mean[j]
        for i in pom.loop("i", 0, m):
            for j in pom.loop("j", i, m):
                cov[i, j] = 0
                for k in pom.loop("k", 0, n):
                    cov[i, j] += data[k, i] * data[k, j]
                cov[i, j] /= float_n - 1
                cov[j, i] = cov[i, j]

    return covariance


def reference(float_n, data, cov, mean):
    n, m = data.shape
    mean[:] = 0
    for i in range(n):
        mean += data[i]
    mean /= float_n
    data -= mean
    for i in range(m):
        row = 0 * data[0, i:]
        for k in range(n):
            row += data[k, i] * data[k, i:]
        cov[i, i:] = row / (float_n - data.dtype.type(1))
        cov[i:, i] = cov[i, i:]


covariance = make()
