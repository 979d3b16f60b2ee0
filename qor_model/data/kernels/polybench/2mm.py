"""2mm (PolyBench/C 4.2): D := alpha A B C + beta D."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (16, 18, 22, 24), "small": (40, 50, 70, 80), "medium": (180, 190, 210, 220)}


def make(size="medium", dtype=pom.f64, name="k2mm"):
    ni, nj, nk, nl = SIZES[size]

    @pom.kernel(name=name)
    def k2mm(
        alpha: dtype,
        beta: dtype,
        tmp: dtype[ni, nj],
        A: dtype[ni, nk],
        B: dtype[nk, nj],
        C: dtype[nj, nl],
        D: dtype[ni, nl],
    ):
        for i in pom.loop("lp1", 0, ni):
            for j in pom.loop("lp2", 0, nj):
                tmp[i, j] = 0
                for k in pom.loop("lp3", 0, nk):
                    tmp[i, j] += alpha * A[i, k] * B[k, j]
        for i in pom.loop("lp4", 0, ni):
            for j in pom.loop("lp5", 0, nl):
                D[i, j] *= beta
                for k in pom.loop("lp6", 0, nj):
                    D[i, j] += tmp[i, k] * C[k, j]

    return k2mm


k2mm = make()
