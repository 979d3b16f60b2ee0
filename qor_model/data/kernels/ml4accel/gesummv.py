"""gesummv as in the ML4Accel data set: inputs are copied in, the result is copied out."""

# mypy: ignore-errors
import pom

N = 64


@pom.kernel
def gesummv(
    alpha: pom.f32,
    beta: pom.f32,
    A: pom.f32[N, N],
    B: pom.f32[N, N],
    x: pom.f32[N],
    y_out: pom.f32[N],
):
    buff_A = pom.array("buff_A", pom.f32[N, N])
    buff_B = pom.array("buff_B", pom.f32[N, N])
    buff_x = pom.array("buff_x", pom.f32[N])
    buff_y = pom.array("buff_y", pom.f32[N])
    tmp1 = pom.array("tmp1", pom.f32[N])
    tmp2 = pom.array("tmp2", pom.f32[N])
    for i in pom.loop("lprd_1", 0, N):
        buff_x[i] = x[i]
        tmp1[i] = 0
        tmp2[i] = 0
        for j in pom.loop("lprd_2", 0, N):
            buff_A[i, j] = A[i, j]
            buff_B[i, j] = B[i, j]
    for i in pom.loop("lp1", 0, N):
        for j in pom.loop("lp2", 0, N):
            tmp1[i] += alpha * buff_A[i, j] * buff_x[j]
    for i in pom.loop("lp3", 0, N):
        for j in pom.loop("lp4", 0, N):
            tmp2[i] += beta * buff_B[i, j] * buff_x[j]
    for i in pom.loop("lp5", 0, N):
        buff_y[i] = tmp1[i] + tmp2[i]
    for i in pom.loop("lpwr_1", 0, N):
        y_out[i] = buff_y[i]
