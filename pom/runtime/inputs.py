"""Inputs for checking a kernel: random ones and the ones where arithmetic goes wrong first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pom.ir.convert import MANTISSA_BITS, MAX_EXPONENT, numpy_float
from pom.ir.graph import Array, Kernel, Scalar
from pom.ir.types import BoolType, FixedType, FloatType, IntType, ScalarType
from pom.runtime.arrays import from_values, raw_range

Values = list[Any]


def edge_values(type: ScalarType) -> Values:
    """Values of `type` where arithmetic goes wrong first, in a fixed order.

    Floats: both zeros, ones, the least subnormal, the least normal, the greatest, neighbours of
    one, infinities, NaN. Integers and raw fixed point: zero, one, minus one, the extremes and
    their neighbours, alternating bits.
    """
    match type:
        case BoolType():
            return [False, True]
        case FloatType():
            return _edge_floats(type)
        case IntType() | FixedType():
            low, high = raw_range(type)
            middle = high // 3
            listed = [0, 1, -1, low, high, low + 1, high - 1, middle, middle + 1, high // 2]
            return list(dict.fromkeys(v for v in listed if low <= v <= high))


def _edge_floats(type: FloatType) -> Values:
    scalar = numpy_float(type)
    precision, top = MANTISSA_BITS[type.width], MAX_EXPONENT[type.width]
    tiny = 2.0 ** (3 - top)
    with np.errstate(all="ignore"):
        least = np.ldexp(1.0, 3 - top - precision)
        greatest = np.ldexp(2.0 - 2.0 ** (1 - precision), top - 1)
        listed = [0.0, -0.0, 1.0, -1.0, least, -least, tiny, -tiny, greatest, -greatest]
        listed += [1.0 + 2.0 ** (1 - precision), 1.0 - 2.0**-precision, 0.1, -2.5, 1e4, -3e4]
        listed += [np.inf, -np.inf, np.nan]
        return [scalar(v) for v in listed]


def random_values(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
    """`count` values of `type`: floats over some binary orders of magnitude, raw bits otherwise."""
    match type:
        case BoolType():
            return [bool(b) for b in rng.integers(0, 2, count)]
        case FloatType():
            scalar = numpy_float(type)
            spread = rng.standard_normal(count) * 2.0 ** rng.integers(-3, 4, count)
            return [scalar(v) for v in spread]
        case IntType() | FixedType():
            low, _ = raw_range(type)
            octets = (type.width + 7) // 8
            mask = (1 << type.width) - 1
            raw = rng.bytes(octets * count)
            whole = [
                int.from_bytes(raw[k * octets : (k + 1) * octets], "little") & mask
                for k in range(count)
            ]
            return [v + low for v in whole]


def _constant(position: int) -> Callable[[ScalarType, int, np.random.Generator], Values]:
    def fill(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
        edges = finite_edges(type)
        return [edges[position % len(edges)]] * count

    return fill


def finite_edges(type: ScalarType) -> Values:
    """The edge values without infinities and NaN."""
    edges = edge_values(type)
    return [v for v in edges if np.isfinite(v)] if isinstance(type, FloatType) else edges


def _mixed(choose: Callable[[ScalarType], Values]) -> Any:
    def fill(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
        edges = choose(type)
        return [edges[k] for k in rng.integers(0, len(edges), count)]

    return fill


def _small(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
    if isinstance(type, (FloatType, BoolType)):
        return random_values(type, count, rng)
    low, high = raw_range(type)
    return [int(v) for v in rng.integers(max(low, -9), min(high, 9), count, endpoint=True)]


def _zeros(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
    return [edge_values(type)[0]] * count


def _ones(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
    return [finite_edges(type)[1 if not isinstance(type, FloatType) else 2]] * count


KINDS: tuple[tuple[str, Any], ...] = (
    ("random", random_values),
    ("zeros", _zeros),
    ("ones", _ones),
    ("extremes", _mixed(lambda t: edge_values(t)[3:] or edge_values(t))),
    ("finite edges", _mixed(finite_edges)),
    ("all edges", _mixed(edge_values)),
    ("small", _small),
)
"""The kinds of input, in the order in which `cases` cycles through them."""


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments of one run. `kind` names how they were made."""

    kind: str
    arguments: dict[str, Any]


def make(kernel: Kernel, kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of one kind for `kernel`, in the representation of `pom.runtime.arrays`."""
    fill = dict(KINDS)[kind]
    arguments: dict[str, Any] = {}
    for param in kernel.params:
        if isinstance(param, Scalar):
            (arguments[param.name],) = fill(param.type, 1, rng)
        elif isinstance(param, Array):
            count = int(np.prod(param.type.shape, dtype=np.int64))
            arguments[param.name] = from_values(fill(param.type.element, count, rng), param.type)
    return arguments


def cases(kernel: Kernel, seed: int, count: int) -> Iterator[Case]:
    """`count` cases: random ones and edge cases in turn, the same for the same seed."""
    rng = np.random.default_rng(seed)
    for position in range(count):
        kind = KINDS[position % len(KINDS)][0]
        yield Case(kind, make(kernel, kind, rng))
