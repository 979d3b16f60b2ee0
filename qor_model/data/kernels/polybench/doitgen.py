"""doitgen (PolyBench/C 4.2): multi-resolution analysis."""

# mypy: ignore-errors
import pom

SIZES = {"mini": (8, 10, 12), "small": (20, 25, 30), "medium": (40, 50, 60)}


def make(size="medium", dtype=pom.f64, name="doitgen"):
    nq, nr, np = SIZES[size]

    @pom.kernel(name=name)
    def doitgen(A: dtype[nr, nq, np], C4: dtype[np, np], total: dtype[np]):
        for r in pom.loop("lp1", 0, nr):
            for q in pom.loop("lp2", 0, nq):
                for p in pom.loop("lp3", 0, np):
                    total[p] = 0
                    for s in pom.loop("lp4", 0, np):
                        total[p] += A[r, q, s] * C4[s, p]
                for p in pom.loop("lp5", 0, np):
                    A[r, q, p] = total[p]

    return doitgen


doitgen = make()
