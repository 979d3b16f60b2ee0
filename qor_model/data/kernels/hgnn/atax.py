"""atax as in the H-GNN data set: y := A' (A x)."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def atax(A: pom.f32[N, N], x: pom.f32[N], y: pom.f32[N], tmp: pom.f32[N]):
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            tmp[i] = tmp[i] + A[i, j] * x[j]
    for i in pom.loop("lp3", 0, N):
        for j in pom.loop("lp4", 0, N):
            y[j] = y[j] + A[i, j] * tmp[i]
