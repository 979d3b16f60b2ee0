"""gesummv as in the H-GNN data set: y := alpha A x + beta B x."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def gesummv(
    alpha: pom.f32,
    beta: pom.f32,
    A: pom.f32[N, N],
    B: pom.f32[N, N],
    tmp: pom.f32[N],
    x: pom.f32[N],
    y: pom.f32[N],
):
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            tmp[i] += A[i, j] * x[j]
            y[i] += B[i, j] * x[j]
    for i in pom.loop("lp3", 0, N):
        y[i] = alpha * tmp[i] + beta * y[i]
