"""doitgen (PolyBench/C 4.2): A[r, q, :] := A[r, q, :] C4 for every r and q."""

import numpy as np

import pom

SIZES = {
    "mini": (8, 10, 12),
    "small": (20, 25, 30),
    "medium": (40, 50, 60),
    "large": (140, 150, 160),
}


def make(size="medium", dtype=pom.f32, name="doitgen"):
    nq, nr, np_ = SIZES[size]

    @pom.kernel(name=name)
    def doitgen(A: dtype[nr, nq, np_], C4: dtype[np_, np_]):
        total = pom.array("total", dtype[np_])
        for r in pom.loop("r", 0, nr):
            for q in pom.loop("q", 0, nq):
                for p in pom.loop("p", 0, np_):
                    total[p] = 0
                    for s in pom.loop("s", 0, np_):
                        total[p] += A[r, q, s] * C4[s, p]
                for p in pom.loop("p", 0, np_):
                    A[r, q, p] = total[p]

    return doitgen


def reference(A, C4):
    total = np.zeros_like(A)
    for s in range(C4.shape[0]):
        total += A[:, :, s, None] * C4[s]
    A[:] = total


doitgen = make()
