"""Numbers that tell which rows of a nest are alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pom.dse.bounds import Candidates
from pom.dse.nests import Nest


def shapes_of(nest: Nest, candidates: Candidates) -> NDArray[np.int64]:
    """A number per choice of factors, the same for all orders."""
    code = np.zeros(len(candidates.bound), dtype=np.int64)
    for loop in nest.band:
        column = candidates.factors[:, candidates.order.index(loop.name)]
        code = code * (loop.extent + 1) + column
    return code


def unrolled_loops(number: int, candidates: Candidates) -> NDArray[np.int64]:
    """A number per order and set of loops with several lanes."""
    code = np.full(len(candidates.bound), number, dtype=np.int64)
    for column in range(candidates.factors.shape[1]):
        code = code * 2 + (candidates.factors[:, column] > 1)
    return code


def kinds_of(nest: Nest, number: int, candidates: Candidates) -> NDArray[np.int64]:
    """A number per way of unrolling: per loop, how often the factor doubles, and if a rest is left."""
    extents = np.array([nest.loop(name).extent for name in candidates.order], dtype=np.int64)
    factors = candidates.factors
    digit = 2 * np.log2(factors).astype(np.int64) + (extents % factors != 0)
    digit = np.where(factors >= extents, 31, digit)
    code = np.full(len(factors), number, dtype=np.int64)
    for column in range(factors.shape[1]):
        code = code * 32 + digit[:, column]
    return code
