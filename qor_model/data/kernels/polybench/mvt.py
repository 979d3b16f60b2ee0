"""mvt (PolyBench/C 4.2): x1 := x1 + A y1, x2 := x2 + A' y2."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,)}


def make(size="medium", dtype=pom.f64, name="mvt"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def mvt(x1: dtype[n], x2: dtype[n], y1: dtype[n], y2: dtype[n], A: dtype[n, n]):
        for i in pom.loop("lp1", 0, n):
            for j in pom.loop("lp2", 0, n):
                x1[i] = x1[i] + A[i, j] * y1[j]
        for i in pom.loop("lp3", 0, n):
            for j in pom.loop("lp4", 0, n):
                x2[i] = x2[i] + A[j, i] * y2[j]

    return mvt


mvt = make()
