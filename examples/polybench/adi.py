"""adi (PolyBench/C 4.2): alternating-direction implicit solver of the heat equation."""

import pom

SIZES = {"mini": (20, 20), "small": (40, 60), "medium": (100, 200), "large": (500, 1000)}


def _coefficients(steps, n):
    mul1 = 2.0 * (1.0 / steps) / (1.0 / n * (1.0 / n))
    mul2 = 1.0 * (1.0 / steps) / (1.0 / n * (1.0 / n))
    return -mul1 / 2.0, 1.0 + mul1, -mul2 / 2.0, 1.0 + mul2


def make(size="medium", dtype=pom.f32, name="adi"):
    steps, n = SIZES[size]
    a, b, d, e = _coefficients(steps, n)
    c, f = a, d

    @pom.kernel(name=name)
    def adi(u: dtype[n, n], v: dtype[n, n], p: dtype[n, n], q: dtype[n, n]):
        for _ in pom.loop("t", 1, steps + 1):
            for i in pom.loop("i", 1, n - 1):
                v[0, i] = 1
                p[i, 0] = 0
                q[i, 0] = v[0, i]
                for j in pom.loop("j", 1, n - 1):
                    p[i, j] = -c / (a * p[i, j - 1] + b)
                    q[i, j] = (
                        -d * u[j, i - 1] + (1 + 2 * d) * u[j, i] - f * u[j, i + 1] - a * q[i, j - 1]
                    ) / (a * p[i, j - 1] + b)
                v[n - 1, i] = 1
                # PolyBench counts j down from n - 2 to 1.
                for back in pom.loop("back", 0, n - 2):
                    j = n - 2 - back
                    v[j, i] = p[i, j] * v[j + 1, i] + q[i, j]
            for i in pom.loop("i", 1, n - 1):
                u[i, 0] = 1
                p[i, 0] = 0
                q[i, 0] = u[i, 0]
                for j in pom.loop("j", 1, n - 1):
                    p[i, j] = -f / (d * p[i, j - 1] + e)
                    q[i, j] = (
                        -a * v[i - 1, j] + (1 + 2 * a) * v[i, j] - c * v[i + 1, j] - d * q[i, j - 1]
                    ) / (d * p[i, j - 1] + e)
                u[i, n - 1] = 1
                for back in pom.loop("back", 0, n - 2):
                    j = n - 2 - back
                    u[i, j] = p[i, j] * u[i, j + 1] + q[i, j]

    return adi


def _sweep(old, new, p, q, outer, inner):
    """One implicit sweep: `new` from `old` along the first axis of `old`, row by row."""
    a, b = inner
    d, two_d = outer
    n = old.shape[0]
    middle = slice(1, -1)
    new[0, middle] = 1
    p[middle, 0] = 0
    q[middle, 0] = 1
    for j in range(1, n - 1):
        below = a * p[middle, j - 1] + b
        right = -d * old[j, :-2] + two_d * old[j, middle] - d * old[j, 2:]
        q[middle, j] = (right - a * q[middle, j - 1]) / below
        p[middle, j] = -a / below
    new[n - 1, middle] = 1
    for j in range(n - 2, 0, -1):
        new[j, middle] = p[middle, j] * new[j + 1, middle] + q[middle, j]


def reference(u, v, p, q, steps):
    number = u.dtype.type
    a, b, d, e = _coefficients(steps, u.shape[0])
    columns = (number(d), number(1 + 2 * d)), (number(a), number(b))
    rows = (number(a), number(1 + 2 * a)), (number(d), number(e))
    for _ in range(steps):
        _sweep(u, v, p, q, *columns)
        _sweep(v.T, u.T, p, q, *rows)


adi = make()
