"""3mm as in the H-GNN data set: G := (A B) (C D)."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def k3mm(
    A: pom.f32[N, N],
    B: pom.f32[N, N],
    C: pom.f32[N, N],
    D: pom.f32[N, N],
    E: pom.f32[N, N],
    F: pom.f32[N, N],
    G: pom.f32[N, N],
):
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            for k in pom.loop("lp3", 0, N):
                E[i, j] += A[i, k] * B[k, j]
                F[i, j] += C[i, k] * D[k, j]
    for i in pom.loop("lp4", 0, N):
        for j in pom.loop("lp5", 0, N):
            for k in pom.loop("lp6", 0, N):
                G[i, j] += E[i, k] * F[k, j]
