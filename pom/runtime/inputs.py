"""Inputs for checking a kernel: random ones and the ones where arithmetic goes wrong first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pom.ir.affine import Affine
from pom.ir.convert import MANTISSA_BITS, MAX_EXPONENT, numpy_float
from pom.ir.expr import Access, Apply, Argument, Expr, Load, walk
from pom.ir.graph import Array, Assign, Kernel
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType
from pom.runtime.arrays import AnyArray, container, from_values, raw_range, to_values

Values = list[Any]
Shape = tuple[int, ...]
Fill = Callable[[ScalarType, Shape, np.random.Generator], AnyArray]


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
    least_normal = 2.0 ** (3 - top)
    with np.errstate(all="ignore"):
        least = np.ldexp(1.0, 3 - top - (precision - 1))
        greatest = np.ldexp(2.0 - 2.0 ** (1 - precision), top - 1)
        listed = [0.0, -0.0, 1.0, -1.0, least, -least, least_normal, -least_normal]
        listed += [greatest, -greatest, 1.0 + 2.0 ** (1 - precision), 1.0 - 2.0**-precision]
        listed += [0.1, -2.5, 1e4, -3e4, np.inf, -np.inf, np.nan]
        return [scalar(v) for v in listed]


def finite_edges(type: ScalarType) -> Values:
    """The edge values without infinities and NaN."""
    edges = edge_values(type)
    return [v for v in edges if np.isfinite(v)] if isinstance(type, FloatType) else edges


def random_array(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    """Floats over some binary orders of magnitude; uniform bits otherwise."""
    count = math.prod(shape)
    match type:
        case BoolType():
            return rng.integers(0, 2, shape).astype(np.bool_)
        case FloatType():
            spread = rng.standard_normal(shape) * 2.0 ** rng.integers(-3, 4, shape)
            return np.asarray(spread).astype(container(type))
        case IntType() | FixedType():
            low, high = raw_range(type)
            if type.width <= 64:
                return rng.integers(low, high, shape, container(type), endpoint=True)
            octets, mask = (type.width + 7) // 8, (1 << type.width) - 1
            raw = rng.bytes(octets * count)
            starts = range(0, len(raw), octets)
            whole = [int.from_bytes(raw[k : k + octets], "little") & mask for k in starts]
            return from_values([v + low for v in whole], ArrayType(type, shape))


def random_values(type: ScalarType, count: int, rng: np.random.Generator) -> Values:
    """`count` random reference values of `type`."""
    return to_values(random_array(type, (count,), rng), type)


def _pick(values: Values, type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    table = from_values(values, ArrayType(type, (len(values),)))
    return np.asarray(table[rng.integers(0, len(values), shape)])


def _zeros(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    return _pick(edge_values(type)[:1], type, shape, rng)


def _ones(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    position = 2 if isinstance(type, FloatType) else 1
    return _pick(edge_values(type)[position : position + 1], type, shape, rng)


def _extremes(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    if isinstance(type, FloatType):
        top = finite_edges(type)
        return _pick([max(top), min(top)], type, shape, rng)
    if isinstance(type, BoolType):
        return _ones(type, shape, rng)
    return _pick(list(raw_range(type)), type, shape, rng)


def _finite_edges(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    return _pick(finite_edges(type), type, shape, rng)


def _all_edges(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    return _pick(edge_values(type), type, shape, rng)


def _small(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    if isinstance(type, (FloatType, BoolType)):
        return random_array(type, shape, rng)
    low, high = raw_range(type)
    values = list(range(max(low, -9), min(high, 9) + 1))
    return _pick([v for v in values if v], type, shape, rng)


def _dominant(type: ScalarType, shape: Shape, rng: np.random.Generator) -> AnyArray:
    """Symmetric and diagonally dominant where square: what factorizations and solvers accept."""
    if not isinstance(type, FloatType):
        return _small(type, shape, rng)
    values = np.asarray(rng.uniform(0.25, 1.0, shape))
    if len(shape) == 2 and shape[0] == shape[1]:
        values = (values + values.T) / 2
        values[np.diag_indices(shape[0])] += shape[0]
    return values.astype(container(type))


KINDS: dict[str, Fill] = {
    "random": random_array,
    "dominant": _dominant,
    "zeros": _zeros,
    "ones": _ones,
    "extremes": _extremes,
    "finite edges": _finite_edges,
    "all edges": _all_edges,
    "small": _small,
}
"""The kinds of input, in the order in which `cases` goes through them."""

ORDINARY = ("random", "dominant", "zeros", "ones", "small")
"""Kinds that neither overflow nor underflow where the kernel does not."""


def subscript_limits(kernel: Kernel) -> dict[str, int]:
    """Arrays and scalars whose values are subscripts, with the least extent that they index."""
    limits: dict[str, int] = {}
    arrays = kernel.arrays

    def note(access: Access) -> None:
        for subscript, extent in zip(
            access.subscripts, arrays[access.array].type.shape, strict=True
        ):
            if not isinstance(subscript, Affine) and (name := _source(subscript)):
                limits[name] = min(extent, limits.get(name, extent))

    for statement, _ in kernel.statements():
        if isinstance(statement, Assign):
            note(statement.target)
            for access in statement.reads:
                note(access)
    return limits


def _source(subscript: Expr) -> str | None:
    """The array or scalar that a subscript is, casts aside."""
    while isinstance(subscript, Apply) and subscript.op == "cast":
        (subscript,) = subscript.operands
    match subscript:
        case Load(access=access):
            return access.array
        case Argument(name=name):
            return name
    named = [e for e in walk(subscript) if isinstance(e, (Load, Argument))]
    return _source(named[0]) if len(named) == 1 else None


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments of one run. `kind` names how they were made."""

    kind: str
    arguments: dict[str, Any]


def make(kernel: Kernel, kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of one kind for `kernel`, in the representation of `pom.runtime.arrays`.

    What the kernel uses as a subscript lies within the extents, whatever the kind.
    """
    fill = KINDS[kind]
    limits = subscript_limits(kernel)
    arguments: dict[str, Any] = {}
    for param in kernel.params:
        is_array = isinstance(param, Array)
        type = param.type.element if isinstance(param, Array) else param.type
        shape = param.type.shape if isinstance(param, Array) else (1,)
        if param.name in limits and isinstance(type, IntType):
            top = min(limits[param.name] - 1, type.maximum)
            array = _pick([0, top, *rng.integers(0, top, 62, endpoint=True)], type, shape, rng)
        else:
            array = fill(type, shape, rng)
        arguments[param.name] = array if is_array else array[0]
    return arguments


def cases(kernel: Kernel, seed: int, count: int, ordinary: bool = False) -> Iterator[Case]:
    """`count` cases: random ones and edge cases in turn, the same for the same seed.

    Parameters
    ----------
    kernel : Kernel
    seed, count : int
    ordinary : bool
        Leave out the kinds that overflow and underflow.
    """
    rng = np.random.default_rng(seed)
    kinds = ORDINARY if ordinary else tuple(KINDS)
    for position in range(count):
        kind = kinds[position % len(kinds)]
        yield Case(kind, make(kernel, kind, rng))
