"""syr2k as in the ML4Accel data set: inputs are copied in, the result is copied out."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def syr2k(
    alpha: pom.f32,
    beta: pom.f32,
    A: pom.f32[N, N],
    B: pom.f32[N, N],
    C: pom.f32[N, N],
    D_out: pom.f32[N, N],
):
    buff_A0 = pom.array("buff_A0", pom.f32[N, N])
    buff_A1 = pom.array("buff_A1", pom.f32[N, N])
    buff_B0 = pom.array("buff_B0", pom.f32[N, N])
    buff_C = pom.array("buff_C", pom.f32[N, N])
    buff_D = pom.array("buff_D", pom.f32[N, N])
    tmp1 = pom.array("tmp1", pom.f32[N, N])
    tmp2 = pom.array("tmp2", pom.f32[N, N])
    for i in pom.loop("lprd_1", 0, N):
        for j in pom.loop("lprd_2", 0, N):
            buff_A0[i, j] = A[i, j]
            buff_A1[i, j] = A[i, j]
            buff_B0[i, j] = B[i, j]
            buff_C[i, j] = C[i, j]
            tmp1[i, j] = 0
            tmp2[i, j] = 0
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            for k in pom.loop("lp3", 0, N):
                tmp1[i, j] += alpha * buff_A0[i, k] * buff_B0[j, k]
    for i in pom.loop("lp4", 0, N):
        for j in pom.loop("lp5", 0, N):
            for k in pom.loop("lp6", 0, N):
                tmp2[i, j] += alpha * buff_B0[i, k] * buff_A1[j, k]
    for i in pom.loop("lp7", 0, N):
        for j in pom.loop("lp8", 0, N):
            buff_D[i, j] = tmp1[i, j] + tmp2[i, j] + beta * buff_C[i, j]
    for i in pom.loop("lpwr_1", 0, N):
        for j in pom.loop("lpwr_2", 0, N):
            with pom.when(j > i):
                D_out[i, j] = 0
            with pom.when(j <= i):
                D_out[i, j] = buff_D[i, j]
