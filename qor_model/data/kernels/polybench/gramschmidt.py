"""gramschmidt (PolyBench/C 4.2): QR decomposition."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (20, 30), "small": (60, 80), "medium": (200, 240)}


def make(size="medium", dtype=pom.f64, name="gramschmidt"):
    m, n = SIZES[size]

    @pom.kernel(name=name)
    def gramschmidt(A: dtype[m, n], R: dtype[n, n], Q: dtype[m, n]):
        nrm = pom.array("nrm", dtype[1])
        for k in pom.loop("lp1", 0, n):
            nrm[0] = 0
            for i in pom.loop("lp2", 0, m):
                nrm[0] += A[i, k] * A[i, k]
            R[k, k] = pom.sqrt(nrm[0])
            for i in pom.loop("lp3", 0, m):
                Q[i, k] = A[i, k] / R[k, k]
            for j in pom.loop("lp4", k + 1, n):
                R[k, j] = 0
                for i in pom.loop("lp5", 0, m):
                    R[k, j] += Q[i, k] * A[i, j]
                for i in pom.loop("lp6", 0, m):
                    A[i, j] = A[i, j] - Q[i, k] * R[k, j]

    return gramschmidt


gramschmidt = make()
