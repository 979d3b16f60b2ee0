"""Comparing what two executions of a kernel gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from pom.ir.types import ArrayType, FixedType, FloatType
from pom.runtime.arrays import AnyArray


@dataclass(frozen=True, slots=True)
class Difference:
    """One element on which two executions differ.

    Parameters
    ----------
    array : str
    index : tuple of int
    expected, found : str
        As text that reads back exactly; fixed point as its value.
    size : float
        Absolute difference; infinite where only one of them is NaN or infinite.
    """

    array: str
    index: tuple[int, ...]
    expected: str
    found: str
    size: float

    def __str__(self) -> str:
        subscripts = ", ".join(map(str, self.index))
        return f"{self.array}[{subscripts}] is {self.found}, not {self.expected} (differs by {self.size:.3g})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two executions of one case.

    Parameters
    ----------
    elements : int
        Compared elements.
    differing : int
        Elements whose bits differ; all NaNs are equal.
    outside : int
        Elements that differ by more than is allowed. Nothing is allowed where executions have to
        agree to the last bit.
    not_finite : int
        Elements expected to be NaN or infinite.
    largest : Difference, optional
        The largest difference, allowed or not.
    """

    elements: int = 0
    differing: int = 0
    outside: int = 0
    not_finite: int = 0
    largest: Difference | None = None

    def __add__(self, other: Comparison) -> Comparison:
        largest = max(
            (c.largest for c in (self, other) if c.largest is not None),
            key=lambda d: d.size,
            default=None,
        )
        return Comparison(
            self.elements + other.elements,
            self.differing + other.differing,
            self.outside + other.outside,
            self.not_finite + other.not_finite,
            largest,
        )


def _sizes(expected: AnyArray, found: AnyArray, type: ArrayType) -> AnyArray:
    """Absolute differences as float64."""
    with np.errstate(all="ignore"):
        if isinstance(type.element, FloatType):
            sizes = np.abs(found.astype(np.float64) - expected.astype(np.float64))
            sizes[np.isnan(sizes)] = np.inf
            return sizes
        if expected.dtype.itemsize < 8 and not expected.dtype.hasobject:
            sizes = np.abs(found.astype(np.int64) - expected.astype(np.int64)).astype(np.float64)
        else:
            flat = zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True)
            sizes = np.array([_as_float(abs(int(a) - int(b))) for a, b in flat])
            sizes = sizes.reshape(expected.shape)
        if isinstance(type.element, FixedType):
            sizes = np.ldexp(sizes, -type.element.fraction_bits)
        return sizes


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(value: Any, type: ArrayType) -> str:
    if isinstance(type.element, FixedType):
        exact = int(value) * Fraction(2) ** -type.element.fraction_bits
        return str(float(exact)) if abs(type.element.fraction_bits) < 900 else str(exact)
    return str(value.item() if isinstance(value, np.generic) else value)


def compare(
    name: str,
    type: ArrayType,
    expected: AnyArray,
    found: AnyArray,
    allowed: AnyArray | None = None,
) -> Comparison:
    """Compare one array.

    Parameters
    ----------
    name : str
    type : ArrayType
    expected, found : ndarray
        As `pom.runtime.arrays` lays down.
    allowed : ndarray of float64, optional
        Allowed absolute differences; where it is not finite, an element is not compared. Without
        it the bits have to be equal: a NaN equals any NaN, and zeros have to have the same sign.
    """
    not_finite = 0
    if isinstance(type.element, FloatType):
        is_nan = np.isnan(expected)
        bits = f"uint{type.element.width}"
        differs = expected.view(bits) != found.view(bits)
        differs &= ~(is_nan & np.isnan(found))
        not_finite = int(np.count_nonzero(~np.isfinite(expected)))
    else:
        differs = np.asarray(expected != found, dtype=bool)
    if not differs.any():
        return Comparison(expected.size, not_finite=not_finite)
    sizes = np.where(differs, _sizes(expected, found, type), -1.0)
    is_outside = differs
    if allowed is not None:
        is_known = np.isfinite(allowed)
        is_outside = differs & is_known & (sizes > allowed)
        sizes = np.where(is_known, sizes, -1.0)
    chosen = np.where(is_outside, sizes, -1.0) if is_outside.any() else sizes
    place = np.unravel_index(int(np.argmax(chosen)), chosen.shape) if chosen.shape else ()
    index = tuple(int(k) for k in place)
    largest = Difference(
        name,
        index,
        _text(expected[index], type),
        _text(found[index], type),
        max(float(sizes[index]), 0.0),
    )
    return Comparison(
        expected.size,
        int(np.count_nonzero(differs)),
        int(np.count_nonzero(is_outside)),
        not_finite,
        largest,
    )


def compare_all(
    types: Mapping[str, ArrayType],
    expected: Mapping[str, AnyArray],
    found: Mapping[str, AnyArray],
    allowed: Mapping[str, AnyArray] | None = None,
) -> Comparison:
    """Compare every array of `expected`, contiguous copies of which are made where needed."""
    total = Comparison()
    for name, array in expected.items():
        total += compare(
            name,
            types[name],
            np.ascontiguousarray(array).reshape(types[name].shape),
            np.ascontiguousarray(found[name]).reshape(types[name].shape),
            None if allowed is None else allowed.get(name),
        )
    return total
