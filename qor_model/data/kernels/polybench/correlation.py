"""correlation (PolyBench/C 4.2)."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (28, 32), "small": (80, 100), "medium": (240, 260)}


def make(size="medium", dtype=pom.f64, name="correlation"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def correlation(
        float_n: dtype, data: dtype[n, m], corr: dtype[m, m], mean: dtype[m], stddev: dtype[m]
    ):
        for j in pom.loop("lp1", 0, m):
            mean[j] = 0
            for i in pom.loop("lp2", 0, n):
                mean[j] += data[i, j]
            mean[j] /= float_n
        for j in pom.loop("lp3", 0, m):
            stddev[j] = 0
            for i in pom.loop("lp4", 0, n):
                stddev[j] += (data[i, j] - mean[j]) * (data[i, j] - mean[j])
            stddev[j] /= float_n
            stddev[j] = pom.sqrt(stddev[j])
            stddev[j] = pom.select(stddev[j] <= 0.1, 1.0, stddev[j])
        for i in pom.loop("lp5", 0, n):
            for j in pom.loop("lp6", 0, m):
                data[i, j] -= mean[j]
                data[i, j] /= pom.sqrt(float_n) * stddev[j]
        for i in pom.loop("lp7", 0, m - 1):
            corr[i, i] = 1
            for j in pom.loop("lp8", i + 1, m):
                corr[i, j] = 0
                for k in pom.loop("lp9", 0, n):
                    corr[i, j] += data[k, i] * data[k, j]
                corr[j, i] = corr[i, j]
        corr[m - 1, m - 1] = 1

    return correlation


correlation = make()
