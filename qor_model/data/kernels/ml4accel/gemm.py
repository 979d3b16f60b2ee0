"""gemm as in the ML4Accel data set: inputs are copied in, the result is copied out."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def gemm(
    alpha: pom.f32,
    beta: pom.f32,
    A: pom.f32[N, N],
    B: pom.f32[N, N],
    C: pom.f32[N, N],
    C_out: pom.f32[N, N],
):
    buff_A = pom.array("buff_A", pom.f32[N, N])
    buff_B = pom.array("buff_B", pom.f32[N, N])
    buff_C = pom.array("buff_C", pom.f32[N, N])
    tmp1 = pom.array("tmp1", pom.f32[N, N])
    for i in pom.loop("lprd_1", 0, N):
        for j in pom.loop("lprd_2", 0, N):
            buff_A[i, j] = A[i, j]
            buff_B[i, j] = B[i, j]
            buff_C[i, j] = C[i, j]
            tmp1[i, j] = 0
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            for k in pom.loop("lp3", 0, N):
                tmp1[i, j] = alpha * buff_A[i, k] * buff_B[k, j] + tmp1[i, j]
    for i in pom.loop("lp4", 0, N):
        for j in pom.loop("lp5", 0, N):
            buff_C[i, j] = beta * buff_C[i, j] + tmp1[i, j]
    for i in pom.loop("lpwr_1", 0, N):
        for j in pom.loop("lpwr_2", 0, N):
            C_out[i, j] = buff_C[i, j]
