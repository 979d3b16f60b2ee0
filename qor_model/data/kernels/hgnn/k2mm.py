"""2mm as in the H-GNN data set: D := alpha A B C + beta D."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def k2mm(
    alpha: pom.f32,
    beta: pom.f32,
    tmp: pom.f32[N, N],
    A: pom.f32[N, N],
    B: pom.f32[N, N],
    C: pom.f32[N, N],
    D: pom.f32[N, N],
):
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            for k in pom.loop("lp3", 0, N):
                tmp[i, j] += alpha * A[i, k] * B[k, j]
    for i in pom.loop("lp4", 0, N):
        for j in pom.loop("lp5", 0, N):
            D[i, j] *= beta
            for k in pom.loop("lp6", 0, N):
                D[i, j] += tmp[i, k] * C[k, j]
