"""trisolv (PolyBench/C 4.2): forward substitution."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,)}


def make(size="medium", dtype=pom.f64, name="trisolv"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def trisolv(L: dtype[n, n], x: dtype[n], b: dtype[n]):
        for i in pom.loop("lp1", 0, n):
            x[i] = b[i]
            for j in pom.loop("lp2", 0, i):
                x[i] -= L[i, j] * x[j]
            x[i] = x[i] / L[i, i]

    return trisolv


trisolv = make()
