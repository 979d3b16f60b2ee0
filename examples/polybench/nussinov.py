"""nussinov (PolyBench/C 4.2): RNA folding by dynamic programming, on integers."""

import pom

SIZES = {"mini": (60,), "small": (180,), "medium": (500,), "large": (2500,)}


def make(size="medium", dtype=pom.int32, name="nussinov"):
    (n,) = SIZES[size]

    @pom.kernel(name=name)
    def nussinov(seq: pom.uint_(2)[n], table: dtype[n, n]):
        # PolyBench counts i down from n - 1. Its tests of j - 1 >= 0 always hold here. In C a sum
        # of scores is as wide as a score before it is compared.
        for up in pom.loop("up", 0, n):
            i = n - 1 - up
            for j in pom.loop("j", i + 1, n):
                table[i, j] = pom.max(table[i, j], table[i, j - 1])
                with pom.when(i + 1 < n):
                    table[i, j] = pom.max(table[i, j], table[i + 1, j])
                    with pom.when(i < j - 1):
                        pair = pom.select(seq[i] + seq[j] == 3, pom.cast(1, dtype), 0)
                        score = pom.cast(table[i + 1, j - 1] + pair, dtype)
                        table[i, j] = pom.max(table[i, j], score)
                    with pom.when(i >= j - 1):
                        table[i, j] = pom.max(table[i, j], table[i + 1, j - 1])
                for k in pom.loop("k", i + 1, j):
                    score = pom.cast(table[i, k] + table[k + 1, j], dtype)
                    table[i, j] = pom.max(table[i, j], score)

    return nussinov


def reference(seq, table):
    n = seq.shape[0]
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            best = max(table[i, j], table[i, j - 1])
            if i + 1 < n:
                best = max(best, table[i + 1, j])
                pair = int(i < j - 1 and int(seq[i]) + int(seq[j]) == 3)
                best = max(best, table[i + 1, j - 1] + pair)
            for k in range(i + 1, j):
                best = max(best, table[i, k] + table[k + 1, j])
            table[i, j] = best


nussinov = make()
