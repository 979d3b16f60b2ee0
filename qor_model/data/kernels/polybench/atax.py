"""atax (PolyBench/C 4.2): y := A' A x."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (38, 42), "small": (116, 124), "medium": (390, 410)}


def make(size="medium", dtype=pom.f64, name="atax"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def atax(A: dtype[m, n], x: dtype[n], y: dtype[n], tmp: dtype[m]):
        for i in pom.loop("lp1", 0, n):
            y[i] = 0
        for i in pom.loop("lp2", 0, m):
            tmp[i] = 0
            for j in pom.loop("lp3", 0, n):
                tmp[i] = tmp[i] + A[i, j] * x[j]
            for j in pom.loop("lp4", 0, n):
                y[j] = y[j] + A[i, j] * tmp[i]

    return atax


atax = make()
