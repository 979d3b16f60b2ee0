"""floyd-warshall (PolyBench/C 4.2): shortest paths between all pairs."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (60,), "small": (180,), "medium": (500,)}


def make(size="medium", dtype=pom.int32, name="floyd_warshall"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def floyd_warshall(path: pom.int32[n, n]):
        for k in pom.loop("lp1", 0, n):
            for i in pom.loop("lp2", 0, n):
                for j in pom.loop("lp3", 0, n):
                    through = pom.cast(path[i, k] + path[k, j], pom.int32)
                    path[i, j] = pom.select(path[i, j] < through, path[i, j], through)

    return floyd_warshall


floyd_warshall = make()
