"""gemm (PolyBench/C 4.2): C := alpha A B + beta C."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (20, 25, 30), "small": (60, 70, 80), "medium": (200, 220, 240)}


def make(size="medium", dtype=pom.f64, name="gemm"):
    ni, nj, nk = SIZES[size]

    @pom.kernel(name=name)
    def gemm(alpha: dtype, beta: dtype, C: dtype[ni, nj], A: dtype[ni, nk], B: dtype[nk, nj]):
        for i in pom.loop("lp1", 0, ni):
            for j in pom.loop("lp2", 0, nj):
                C[i, j] *= beta
            for k in pom.loop("lp3", 0, nk):
                for j in pom.loop("lp4", 0, nj):
                    C[i, j] += alpha * A[i, k] * B[k, j]

    return gemm


gemm = make()
