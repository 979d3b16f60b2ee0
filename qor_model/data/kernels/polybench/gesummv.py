"""gesummv (PolyBench/C 4.2): y := alpha A x + beta B x."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (30,), "small": (90,), "medium": (250,)}


def make(size="medium", dtype=pom.f64, name="gesummv"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def gesummv(
        alpha: dtype,
        beta: dtype,
        A: dtype[n, n],
        B: dtype[n, n],
        tmp: dtype[n],
        x: dtype[n],
        y: dtype[n],
    ):
        for i in pom.loop("lp1", 0, n):
            tmp[i] = 0
            y[i] = 0
            for j in pom.loop("lp2", 0, n):
                tmp[i] = A[i, j] * x[j] + tmp[i]
                y[i] = B[i, j] * x[j] + y[i]
            y[i] = alpha * tmp[i] + beta * y[i]

    return gesummv


gesummv = make()
