"""The C library's mathematical functions, called as compiled C++ calls them.

The reference, the JIT and the compiled C++ use the same library, so that their results are equal
to the last bit. f16 goes by way of the f32 function and is rounded once more.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pom.ir.convert import narrow, numpy_float
from pom.ir.types import FloatType

ARITY = {
    **dict.fromkeys(
        ("sqrt", "exp", "exp2", "log", "log2", "log10", "sin", "cos", "tan", "tanh", "floor"), 1
    ),
    "ceil": 1,
    "pow": 2,
}
"""The functions, and how many operands each has."""


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(ctypes.util.find_library("m"))


@lru_cache(maxsize=64)
def function(name: str, width: int) -> Any:
    """The ctypes function for operands of `width` bits, 32 or 64."""
    c_type = ctypes.c_float if width == 32 else ctypes.c_double
    found = getattr(_library(), name + ("f" if width == 32 else ""))
    found.restype = c_type
    found.argtypes = [c_type] * ARITY[name]
    return found


def call(name: str, values: Sequence[Any], type: FloatType) -> Any:
    """``name(*values)`` in `type`.

    Parameters
    ----------
    name : str
        A key of `ARITY`.
    values : sequence of numpy.floating
        Values of `type`.
    type : FloatType
    """
    compute = function(name, max(type.width, 32))
    result = compute(*(float(v) for v in values))
    return narrow(result, type) if type.width == 16 else numpy_float(type)(result)
