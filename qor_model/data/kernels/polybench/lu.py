"""lu (PolyBench/C 4.2): A = L U in place, without pivoting."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (40,), "small": (120,), "medium": (400,)}


def make(size="medium", dtype=pom.f64, name="lu"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def lu(A: dtype[n, n]):
        for i in pom.loop("lp1", 0, n):
            for j in pom.loop("lp2", 0, i):
                for k in pom.loop("lp3", 0, j):
                    A[i, j] -= A[i, k] * A[k, j]
                A[i, j] /= A[j, j]
            for j in pom.loop("lp4", i, n):
                for k in pom.loop("lp5", 0, i):
                    A[i, j] -= A[i, k] * A[k, j]

    return lu


lu = make()
