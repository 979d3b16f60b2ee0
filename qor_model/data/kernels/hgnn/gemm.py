"""gemm as in the H-GNN data set: C := alpha A B + beta C."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def gemm(alpha: pom.f32, beta: pom.f32, A: pom.f32[N, N], B: pom.f32[N, N], C: pom.f32[N, N]):
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            C[i, j] = beta * C[i, j]
    for i in pom.loop("lp3", 0, N):
        for j in pom.loop("lp4", 0, N):
            for k in pom.loop("lp5", 0, N):
                C[i, j] += alpha * A[i, k] * B[k, j]
