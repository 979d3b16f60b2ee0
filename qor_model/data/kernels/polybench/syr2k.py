"""syr2k (PolyBench/C 4.2): symmetric rank-2k update, lower triangle."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240)}


def make(size="medium", dtype=pom.f64, name="syr2k"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def syr2k(alpha: dtype, beta: dtype, C: dtype[n, n], A: dtype[n, m], B: dtype[n, m]):
        for i in pom.loop("lp1", 0, n):
            for j in pom.loop("lp2", 0, i + 1):
                C[i, j] *= beta
            for k in pom.loop("lp3", 0, m):
                for j in pom.loop("lp4", 0, i + 1):
                    C[i, j] += A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k]

    return syr2k


syr2k = make()
