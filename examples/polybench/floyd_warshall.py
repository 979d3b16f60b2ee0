"""floyd-warshall (PolyBench/C 4.2): all shortest paths, on integers as PolyBench has it."""

import numpy as np

import pom

SIZES = {"mini": (60,), "small": (180,), "medium": (500,), "large": (2800,)}


def make(size="medium", dtype=pom.int32, name="floyd_warshall"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def floyd_warshall(path: dtype[n, n]):
        for k in pom.loop("k", 0, n):
            for i in pom.loop("i", 0, n):
                for j in pom.loop("j", 0, n):
                    path[i, j] = pom.select(
                        path[i, j] < path[i, k] + path[k, j],
                        path[i, j],
                        path[i, k] + path[k, j],
                    )

    return floyd_warshall


def make_floyd_warshall_f32(size="medium"):
    return make(size, pom.f32, "floyd_warshall_f32")


def reference(path):
    n = path.shape[0]
    for k in range(n):
        for i in range(n):
            through = path[i, k] + path[k]
            path[i] = np.where(path[i] < through, path[i], through)


floyd_warshall = make()
floyd_warshall_f32 = make_floyd_warshall_f32()
