"""How many integer points a domain has: exactly, or at least so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import islpy as isl
import numpy as np
from numpy.typing import NDArray

from pom.ir.poly import PolyStatement
from pom.passes.isl_build import domain

WORK_LIMIT = 6_000_000
"""Most values of the outer dims that are enumerated."""

AT_ONCE = 1 << 17
"""Values of the outer dims that are looked at together."""

_SET = isl.dim_type.set


@dataclass(frozen=True, slots=True)
class _Row:
    """A constraint: ``coefficients . point + constant >= 0``, or ``== 0``."""

    coefficients: tuple[int, ...]
    constant: int
    is_equality: bool


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
    spans = tuple(_span(isl.Set.from_basic_set(part), dim) for dim in range(dims - 1))
    return _count_rows(_constraints(part, dims), spans)


@lru_cache(maxsize=1024)
def _count_rows(rows: tuple[_Row, ...], spans: tuple[tuple[int, int], ...]) -> tuple[float, bool]:
    """Points within constraints, with the outer dims in `spans`."""
    if not spans:
        return float(_innermost(rows, [], 1)), True
    (first, last), *inner = [(low, high + 1) for low, high in spans]
    size = prod(high - low for low, high in inner)
    most = WORK_LIMIT // size
    is_exact = last - first <= most
    last = min(last, first + most)
    at_once = max(AT_ONCE // size, 1)
    total = 0
    for start in range(first, last, at_once):
        ends = [(start, min(start + at_once, last)), *inner]
        values = np.ix_(*(np.arange(low, high, dtype=np.int64) for low, high in ends))
        total += _innermost(rows, values, prod(high - low for low, high in ends))
    return float(total if is_exact else max(total, 1)), is_exact


def _constraints(part: isl.BasicSet, dims: int) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            tuple(c.get_coefficient_val(_SET, dim).to_python() for dim in range(dims)),
            c.get_constant_val().to_python(),
            c.is_equality(),
        )
        for c in part.get_constraints()
    )


def _innermost(rows: Sequence[_Row], values: Sequence[NDArray[np.int64]], points: int) -> int:
    """Values of the last dim, added up over a grid of values of the others, which broadcast."""
    low: NDArray[np.int64] = np.array(np.iinfo(np.int64).min // 4)
    high: NDArray[np.int64] = np.array(np.iinfo(np.int64).max // 4)
    holds: NDArray[np.bool_] = np.array(True)
    for row in rows:
        *outer, last = row.coefficients
        value = np.array(row.constant, dtype=np.int64)
        for coefficient, axis in zip(outer, values, strict=True):
            if coefficient:
                value = value + coefficient * axis
        for sign in (1, -1) if row.is_equality else (1,):
            if last == 0:
                holds = holds & (sign * value >= 0)
            elif sign * last > 0:
                low = np.maximum(low, -((sign * value) // abs(last)))
            else:
                high = np.minimum(high, (sign * value) // abs(last))
    found = np.where(holds, np.maximum(high - low + 1, 0), 0)
    # what depends on some of the dims only is the same for all values of the others
    return int(found.sum()) * (points // max(found.size, 1))
