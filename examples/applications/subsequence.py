"""Length of the longest common subsequence of two sequences, a dynamic program."""

import pom

SIZES = {"mini": (9, 12), "small": (50, 61), "medium": (250, 300), "large": (1000, 1200)}


def make(size="medium", dtype=pom.int16, name="subsequence"):
    n, m = SIZES[size]

    @pom.kernel(name=name)
    def subsequence(a: pom.int8[n], b: pom.int8[m], length: dtype[n + 1, m + 1]):
        for i in pom.loop("i", 0, n + 1):
            length[i, 0] = 0
        for j in pom.loop("j", 1, m + 1):
            length[0, j] = 0
        for i in pom.loop("i", 1, n + 1):
            for j in pom.loop("j", 1, m + 1):
                length[i, j] = pom.select(
                    a[i - 1] == b[j - 1],
                    length[i - 1, j - 1] + 1,
                    pom.max(length[i - 1, j], length[i, j - 1]),
                )

    return subsequence


def reference(a, b, length):
    length[0] = 0
    length[:, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            skipped = max(length[i, j + 1], length[i + 1, j])
            length[i + 1, j + 1] = length[i, j] + 1 if a[i] == b[j] else skipped


subsequence = make()
