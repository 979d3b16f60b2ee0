"""How many integer points a domain has: exactly, or at least so many."""

from __future__ import annotations

from functools import lru_cache

import islpy as isl
import numpy as np
from numpy.typing import NDArray

from pom.ir.poly import PolyStatement
from pom.passes.isl_build import domain

WORK_LIMIT = 6_000_000
"""Most values of the outer dims that are enumerated."""

_SET = isl.dim_type.set


@lru_cache(maxsize=1024)
def count_instances(statement: PolyStatement) -> tuple[float, bool]:
    """Instances of a statement, and whether the number is exact; else there are at least so many."""
    return count_points(domain(statement))


def count_points(instances: isl.Set) -> tuple[float, bool]:
    """Points of a bounded set, and whether the number is exact; else there are at least so many.

    Notes
    -----
    The outer dims are enumerated, for each of their values the extent of the innermost dim is the
    difference of its tightest bounds, and these are added up. Beyond the work limit, or with
    existentially quantified dims, only the part that was counted counts, or a single point.
    """
    if instances.is_empty():
        return 0.0, True
    if instances.is_box():
        count = 1.0
        for dim in range(instances.n_dim()):
            low, high = _span(instances, dim)
            count *= high - low + 1
        return count, True
    total, is_exact = 0.0, True
    for part in instances.make_disjoint().get_basic_sets():
        counted, exact = _count_convex(part)
        total, is_exact = total + counted, is_exact and exact
    return max(total, 1.0), is_exact


def _span(domain: isl.Set, dim: int) -> tuple[int, int]:
    return domain.dim_min_val(dim).to_python(), domain.dim_max_val(dim).to_python()


def _count_convex(part: isl.BasicSet) -> tuple[float, bool]:
    dims = part.dim(_SET)
    if part.dim(isl.dim_type.div) or dims == 0:
        return 1.0, dims == 0
    rows, constants, is_equality = _constraints(part, dims)
    outer = [_span(isl.Set.from_basic_set(part), dim) for dim in range(dims - 1)]
    extents = [high - low + 1 for low, high in outer]
    inner = int(np.prod(extents[1:], dtype=np.int64)) if dims > 1 else 1
    if dims == 1:
        return float(_innermost(np.zeros((1, 0), np.int64), rows, constants, is_equality)), True
    if inner > WORK_LIMIT:
        return 1.0, False
    rest = np.indices(extents[1:]).reshape(dims - 2, inner).T
    rest = rest + np.array([low for low, _ in outer[1:]], dtype=np.int64)
    total, visited = 0, 0
    for value in range(outer[0][0], outer[0][1] + 1):
        if visited + inner > WORK_LIMIT:
            return float(max(total, 1)), False
        visited += inner
        points = np.column_stack((np.full(inner, value, dtype=np.int64), rest))
        total += _innermost(points, rows, constants, is_equality)
    return float(total), True


def _constraints(
    part: isl.BasicSet, dims: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[bool]]:
    rows, constants, is_equality = [], [], []
    for constraint in part.get_constraints():
        rows.append([constraint.get_coefficient_val(_SET, dim).to_python() for dim in range(dims)])
        constants.append(constraint.get_constant_val().to_python())
        is_equality.append(constraint.is_equality())
    return (
        np.array(rows, dtype=np.int64).reshape(-1, dims),
        np.array(constants, dtype=np.int64),
        is_equality,
    )


def _innermost(
    points: NDArray[np.int64],
    rows: NDArray[np.int64],
    constants: NDArray[np.int64],
    is_equality: list[bool],
) -> int:
    """Values of the last dim, added up over values of the others."""
    count = len(points)
    low = np.full(count, np.iinfo(np.int64).min // 4)
    high = np.full(count, np.iinfo(np.int64).max // 4)
    holds = np.ones(count, dtype=bool)
    for row, constant, equal in zip(rows, constants, is_equality, strict=True):
        value = points @ row[:-1] + constant
        last = int(row[-1])
        for sign in (1, -1) if equal else (1,):
            if last == 0:
                holds &= sign * value >= 0
            elif sign * last > 0:
                low = np.maximum(low, -((sign * value) // abs(last)))
            else:
                high = np.minimum(high, (sign * value) // abs(last))
    return int(np.where(holds, np.maximum(high - low + 1, 0), 0).sum())
