"""POM: kernels written in Python become checked FPGA accelerators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_ROOT = Path(__file__).resolve().parent.parent
if (_ROOT / "pyproject.toml").is_file():
    # In a checkout the sub-packages pom.dialects, pom.passes, pom.qor_model and pom.dse are the
    # top-level folders beside this one.
    __path__.append(str(_ROOT))

_EXPORTS: dict[str, str] = {
    # public name: module that defines it, imported when the name is first used
    **dict.fromkeys(("kernel", "KernelFunction"), "pom.dsl.kernel"),
    "load_kernel": "pom.dsl.load",
    **dict.fromkeys(("loop", "var", "vars", "when"), "pom.dsl.loops"),
    "array": "pom.dsl.arrays",
    "compute": "pom.dsl.statements",
    **dict.fromkeys(("abs", "cast", "max", "min", "select"), "pom.dsl.functions"),
    **dict.fromkeys(
        ("bool", "f16", "f32", "f64", "fixed", "int_", "ufixed", "uint_"), "pom.dsl.types"
    ),
    **dict.fromkeys(("int8", "int16", "int32", "int64"), "pom.dsl.types"),
    **dict.fromkeys(("uint8", "uint16", "uint32", "uint64"), "pom.dsl.types"),
    "PomError": "pom.errors",
    "Location": "pom.ir.location",
    **dict.fromkeys(("Schedule", "schedule"), "pom.schedule"),
    **dict.fromkeys(("Design", "build"), "pom.api"),
    "auto_dse": "pom.exploration.run",
}


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(f"module 'pom' has no attribute {name!r}")
    from pom.dsl.exports import resolve

    value = resolve(name, _EXPORTS)
    if name != "schedule":  # also the name of a module, which an import would put here
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    from pom.dsl.exports import public_names

    return sorted({*globals(), *public_names(_EXPORTS)})


if TYPE_CHECKING:
    from pom.api import Design as Design
    from pom.api import build as build
    from pom.dsl.arrays import array as array
    from pom.dsl.functions import abs as abs
    from pom.dsl.functions import cast as cast
    from pom.dsl.functions import ceil as ceil
    from pom.dsl.functions import cos as cos
    from pom.dsl.functions import exp as exp
    from pom.dsl.functions import exp2 as exp2
    from pom.dsl.functions import floor as floor
    from pom.dsl.functions import log as log
    from pom.dsl.functions import log2 as log2
    from pom.dsl.functions import log10 as log10
    from pom.dsl.functions import max as max
    from pom.dsl.functions import min as min
    from pom.dsl.functions import pow as pow
    from pom.dsl.functions import select as select
    from pom.dsl.functions import sin as sin
    from pom.dsl.functions import sqrt as sqrt
    from pom.dsl.functions import tan as tan
    from pom.dsl.functions import tanh as tanh
    from pom.dsl.kernel import KernelFunction as KernelFunction
    from pom.dsl.kernel import kernel as kernel
    from pom.dsl.load import load_kernel as load_kernel
    from pom.dsl.loops import loop as loop
    from pom.dsl.loops import var as var
    from pom.dsl.loops import vars as vars
    from pom.dsl.loops import when as when
    from pom.dsl.statements import compute as compute
    from pom.dsl.types import bool as bool
    from pom.dsl.types import f16 as f16
    from pom.dsl.types import f32 as f32
    from pom.dsl.types import f64 as f64
    from pom.dsl.types import fixed as fixed
    from pom.dsl.types import int8 as int8
    from pom.dsl.types import int16 as int16
    from pom.dsl.types import int32 as int32
    from pom.dsl.types import int64 as int64
    from pom.dsl.types import int_ as int_
    from pom.dsl.types import ufixed as ufixed
    from pom.dsl.types import uint8 as uint8
    from pom.dsl.types import uint16 as uint16
    from pom.dsl.types import uint32 as uint32
    from pom.dsl.types import uint64 as uint64
    from pom.dsl.types import uint_ as uint_
    from pom.errors import PomError as PomError
    from pom.exploration.run import auto_dse as auto_dse
    from pom.ir.location import Location as Location
    from pom.schedule import Schedule as Schedule
