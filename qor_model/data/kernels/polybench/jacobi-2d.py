"""jacobi-2d (PolyBench/C 4.2)."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (20, 30), "small": (40, 90), "medium": (100, 250)}


def make(size="medium", dtype=pom.f64, name="jacobi_2d"):
    tsteps, n = SIZES[size]

    @pom.kernel(name=name)
    def jacobi_2d(A: dtype[n, n], B: dtype[n, n]):
        for _ in pom.loop("lp1", 0, tsteps):
            for i in pom.loop("lp2", 1, n - 1):
                for j in pom.loop("lp3", 1, n - 1):
                    B[i, j] = 0.2 * (
                        A[i, j] + A[i, j - 1] + A[i, j + 1] + A[i + 1, j] + A[i - 1, j]
                    )
            for i in pom.loop("lp4", 1, n - 1):
                for j in pom.loop("lp5", 1, n - 1):
                    A[i, j] = 0.2 * (
                        B[i, j] + B[i, j - 1] + B[i, j + 1] + B[i + 1, j] + B[i - 1, j]
                    )

    return jacobi_2d


jacobi_2d = make()
