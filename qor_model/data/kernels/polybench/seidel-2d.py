"""seidel-2d (PolyBench/C 4.2)."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (20, 40), "small": (40, 120), "medium": (100, 400)}


def make(size="medium", dtype=pom.f64, name="seidel_2d"):
    tsteps, n = SIZES[size]

    @pom.kernel(name=name)
    def seidel_2d(A: dtype[n, n]):
        for _ in pom.loop("lp1", 0, tsteps):
            for i in pom.loop("lp2", 1, n - 1):
                for j in pom.loop("lp3", 1, n - 1):
                    A[i, j] = (
                        A[i - 1, j - 1]
                        + A[i - 1, j]
                        + A[i - 1, j + 1]
                        + A[i, j - 1]
                        + A[i, j]
                        + A[i, j + 1]
                        + A[i + 1, j - 1]
                        + A[i + 1, j]
                        + A[i + 1, j + 1]
                    ) / 9.0

    return seidel_2d


seidel_2d = make()
