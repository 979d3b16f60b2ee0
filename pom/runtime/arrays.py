"""Arrays at the edge of a kernel: which numpy dtype holds which type, and how it is checked.

============================  ===================================================================
type                          numpy array
============================  ===================================================================
f16, f32, f64                 ``float16``, ``float32``, ``float64``
bool                          ``bool_``
int, uint up to 64 bits       the narrowest integer dtype of the same signedness that is wide enough
int, uint above 64 bits       ``object`` (Python ints)
fixed, ufixed                 the raw integers (value times ``2**fraction_bits``), held as an integer
                              of the same width and signedness
============================  ===================================================================

`encode` makes such an array from real numbers, `decode` turns it back into real numbers. Every
execution of a kernel (reference, JIT, compiled C++) takes and gives these arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from pom.errors import PomError
from pom.ir.convert import convert, numpy_float, rescale, wrap_bits
from pom.ir.graph import Array, Direction, Scalar
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType, ScalarType, f64

AnyArray = np.ndarray[Any, np.dtype[Any]]
Arguments = Mapping[str, Any]


def container(type: ScalarType) -> np.dtype[Any]:
    """The numpy dtype that holds values of `type`."""
    match type:
        case FloatType():
            return np.dtype(numpy_float(type))
        case BoolType():
            return np.dtype(np.bool_)
        case IntType() | FixedType():
            for width in (8, 16, 32, 64):
                if type.width <= width:
                    return np.dtype(f"{'' if type.signed else 'u'}int{width}")
            return np.dtype(object)


def raw_range(type: IntType | FixedType) -> tuple[int, int]:
    """The least and the greatest (raw) integer of `type`."""
    as_int = IntType(type.width, type.signed)
    return as_int.minimum, as_int.maximum


def encode(values: Any, type: ScalarType) -> AnyArray:
    """Real numbers as an array of `type`.

    Parameters
    ----------
    values : array_like
        Numbers: floats, ints, bools or Fractions.
    type : ScalarType

    Returns
    -------
    ndarray
        Of dtype ``container(type)``. A number that `type` does not have is converted as ``cast``
        does it: truncated and wrapped for integers and fixed point, rounded for floats.
    """
    source = np.asarray(values)
    if isinstance(type, FloatType):
        with np.errstate(all="ignore"):
            return source.astype(container(type))
    flat = [_encode_one(v, type) for v in source.ravel().tolist()]
    return _from_flat(flat, type, source.shape)


def _encode_one(value: Any, type: ScalarType) -> Any:
    if isinstance(value, float):
        return convert(np.float64(value), f64, type)
    if isinstance(type, BoolType):
        return bool(value)
    if isinstance(value, Fraction) and isinstance(type, FixedType):
        scaled = value * Fraction(2) ** type.fraction_bits
        return wrap_bits(scaled.numerator // scaled.denominator, type.width, type.signed)
    fraction = type.fraction_bits if isinstance(type, FixedType) else 0
    return wrap_bits(rescale(int(value), fraction), type.width, getattr(type, "signed", True))


def decode(array: AnyArray, type: ScalarType) -> AnyArray:
    """The real numbers in an array of `type`.

    Returns
    -------
    ndarray
        Fixed point as ``float64``, or as ``Fraction`` objects where 53 bits do not hold every
        value; anything else as it is.
    """
    if not isinstance(type, FixedType):
        return np.asarray(array)
    raws = np.asarray(array)
    if type.width <= 53 and abs(type.fraction_bits) < 900:
        return np.asarray(np.ldexp(raws.astype(np.float64), -type.fraction_bits))
    scale = Fraction(2) ** -type.fraction_bits
    result = np.empty(raws.shape, dtype=object)
    result.ravel()[:] = [int(v) * scale for v in raws.ravel().tolist()]
    return result


def _from_flat(flat: Sequence[Any], type: ScalarType, shape: tuple[int, ...]) -> AnyArray:
    array = np.empty(len(flat), dtype=container(type))
    array[:] = flat
    return array.reshape(shape)


def to_values(array: AnyArray, type: ScalarType) -> list[Any]:
    """The elements in row-major order as reference values (see `pom.ir.ops`)."""
    flat = array.reshape(-1)
    return list(flat) if isinstance(type, FloatType) else flat.tolist()


def from_values(values: Sequence[Any], type: ArrayType) -> AnyArray:
    """The inverse of `to_values`."""
    return _from_flat(values, type.element, type.shape)


def zeros(type: ArrayType) -> AnyArray:
    """An array of zeros."""
    if container(type.element).hasobject:
        return _from_flat([0] * int(np.prod(type.shape)), type.element, type.shape)
    return np.zeros(type.shape, dtype=container(type.element))


def _check_scalar(name: str, value: Any, type: ScalarType) -> Any:
    refused = PomError(
        "POM-R003",
        f"argument '{name}' is {value!r}, which is not a value of {type}",
        hint="fixed point is given as its raw integer, see pom.runtime.arrays.encode"
        if isinstance(type, FixedType)
        else None,
    )
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item() if value.dtype == object else value[()]
    match type:
        case FloatType():
            if isinstance(value, (bool, np.bool_)) or not isinstance(
                value, (int, float, np.integer, np.floating)
            ):
                raise refused
            with np.errstate(all="ignore"):
                return numpy_float(type)(value)
        case BoolType():
            if not isinstance(value, (bool, np.bool_)):
                raise refused
            return bool(value)
        case IntType() | FixedType():
            if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
                raise refused
            low, high = raw_range(type)
            if not low <= int(value) <= high:
                raise refused
            return int(value)


def _check_array(name: str, value: Any, type: ArrayType) -> AnyArray:
    if not isinstance(value, np.ndarray):
        raise PomError(
            "POM-R002",
            f"argument '{name}' is a {value.__class__.__name__}, not a numpy array",
            hint=f"it is {type}",
        )
    if value.shape != type.shape:
        raise PomError(
            "POM-R002", f"argument '{name}' has shape {value.shape}, not {type.shape}: it is {type}"
        )
    wanted = container(type.element)
    if value.dtype != wanted:
        hint = f"convert it with numpy: {name}.astype('{wanted}')"
        if isinstance(type.element, FixedType):
            hint = f"pom.runtime.arrays.encode({name}, {type.element}) makes the raw integers"
        raise PomError(
            "POM-R002",
            f"argument '{name}' has dtype {value.dtype}, not {wanted}: it is {type}",
            hint=hint,
        )
    if isinstance(type.element, (IntType, FixedType)) and value.size:
        _check_values(name, value, type.element)
    return value


def _check_values(name: str, value: AnyArray, type: IntType | FixedType) -> None:
    low, high = raw_range(type)
    if value.dtype == object:
        for item in value.reshape(-1).tolist():
            if not isinstance(item, int):
                raise PomError(
                    "POM-R003", f"argument '{name}' holds {item!r}, which is not a Python int"
                )
    if int(value.min()) < low or int(value.max()) > high:
        raise PomError(
            "POM-R003",
            f"argument '{name}' holds values from {value.min()} to {value.max()}, "
            f"outside {type}: {low} to {high}",
        )


def check_arguments(
    kernel: str,
    params: Iterable[Scalar | Array],
    directions: Mapping[str, Direction],
    arguments: Arguments,
) -> dict[str, Any]:
    """The arguments of one run, checked: an entry for every parameter, in order.

    Parameters
    ----------
    kernel : str
        Name, for the messages.
    params : iterable of Scalar or Array
    directions : mapping
        Direction of every array; one that is only written may be left out and starts as zeros.
    arguments : mapping

    Raises
    ------
    PomError
        POM-R001 for names that are missing or too many, POM-R002 for a wrong shape or dtype,
        POM-R003 for values that the type does not have.
    """
    params = tuple(params)
    unknown = sorted(set(arguments) - {p.name for p in params})
    if unknown:
        raise PomError("POM-R001", f"{kernel} has no argument {', '.join(map(repr, unknown))}")
    checked: dict[str, Any] = {}
    for param in params:
        if param.name in arguments:
            given = arguments[param.name]
            if isinstance(param, Scalar):
                checked[param.name] = _check_scalar(param.name, given, param.type)
            else:
                checked[param.name] = _check_array(param.name, given, param.type)
        elif isinstance(param, Array) and directions[param.name] in ("out", "unused"):
            checked[param.name] = zeros(param.type)
        else:
            raise PomError("POM-R001", f"{kernel} needs its argument '{param.name}'")
    return checked
