"""syrk as in the ML4Accel data set: inputs are copied in, the result is copied out."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def syrk(alpha: pom.f32, beta: pom.f32, A: pom.f32[N, N], B: pom.f32[N, N], C_out: pom.f32[N, N]):
    buff_A0 = pom.array("buff_A0", pom.f32[N, N])
    buff_A1 = pom.array("buff_A1", pom.f32[N, N])
    buff_B = pom.array("buff_B", pom.f32[N, N])
    buff_C = pom.array("buff_C", pom.f32[N, N])
    for i in pom.loop("lprd_1", 0, N):
        for j in pom.loop("lprd_2", 0, N):
            buff_A0[i, j] = A[i, j]
            buff_A1[i, j] = A[i, j]
            buff_B[i, j] = B[i, j]
            buff_C[i, j] = 0
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            for k in pom.loop("lp3", 0, N):
                buff_C[i, j] += alpha * buff_A0[i, k] * buff_A1[j, k]
    for i in pom.loop("lp4", 0, N):
        for j in pom.loop("lp5", 0, N):
            buff_C[i, j] += beta * buff_B[i, j]
    for i in pom.loop("lpwr_1", 0, N):
        for j in pom.loop("lpwr_2", 0, N):
            with pom.when(j > i):
                C_out[i, j] = 0
            with pom.when(j <= i):
                C_out[i, j] = buff_C[i, j]
