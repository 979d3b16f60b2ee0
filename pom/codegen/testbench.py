"""A self-checking testbench and its data files, for g++ and for Vitis csim and cosim.

The program reads ``data/<argument>.bin``, runs the kernel, compares every written array with
``data/<argument>.expected.bin``, prints PASS or the first difference, and returns 0 or 1. Given
two folders as arguments it reads from the first and writes ``<argument>.bin`` to the second
instead of comparing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from pom.codegen.hlscpp import Interface
from pom.codegen.hlscpp_names import C_LIBRARY, Scope
from pom.codegen.hlscpp_types import cpp_type
from pom.codegen.level3 import Parameter
from pom.errors import PomError
from pom.ir.types import FixedType, FloatType, IntType, ScalarType

SUPPORT_HEADER = "pom_testbench.h"
HALF_HEADER = "hls_half.h"


def support_file(name: str) -> str:
    """The text of a C++ file that POM ships (`SUPPORT_HEADER`, `HALF_HEADER`)."""
    return (resources.files("pom.codegen") / "include" / name).read_text(encoding="utf-8")


def element_bytes(type: ScalarType) -> int:
    """Bytes of an element in a data file."""
    if type.width <= 64:
        return next(n for n in (1, 2, 4, 8) if type.width <= 8 * n)
    return (type.width + 7) // 8


def to_bytes(values: Any, type: ScalarType) -> bytes:
    """Values (a scalar or an array as `pom.runtime.arrays` has them) as a data file's contents."""
    flat = np.asarray(values).reshape(-1)
    match type:
        case FloatType(width=w):
            return flat.astype(f"<f{w // 8}").tobytes()
        case IntType() | FixedType():
            size = element_bytes(type)
            if size <= 8 and size in (1, 2, 4, 8) and flat.dtype != object:
                return flat.astype(f"<{'i' if type.signed else 'u'}{size}").tobytes()
            return b"".join(int(v).to_bytes(size, "little", signed=type.signed) for v in flat)
    return flat.astype("u1").tobytes()


def from_bytes(data: bytes, type: ScalarType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The inverse of `to_bytes`, as an array of `shape`.

    Raises
    ------
    ValueError
        `data` has not the length that `shape` needs.
    """
    size = element_bytes(type)
    match type:
        case FloatType():
            flat = np.frombuffer(data, dtype=f"<f{size}")
        case IntType() | FixedType():
            if type.width <= 64:
                flat = np.frombuffer(data, dtype=f"<{'i' if type.signed else 'u'}{size}")
            else:
                numbers = [
                    int.from_bytes(data[k : k + size], "little", signed=type.signed)
                    for k in range(0, len(data), size)
                ]
                flat = np.empty(len(numbers), dtype=object)
                flat[:] = numbers
        case _:
            flat = np.frombuffer(data, dtype="u1").astype(np.bool_)
    return flat.astype(flat.dtype.newbyteorder("="), copy=True).reshape(shape)


def data_files(
    interface: Interface, inputs: Mapping[str, Any], expected: Mapping[str, Any] | None = None
) -> dict[str, bytes]:
    """The data files of one run by name.

    Parameters
    ----------
    inputs : mapping
        A value for every argument; an array that is only written may be missing (zeros).
    expected : mapping, optional
        Every array that the kernel writes, as it is after the run.
    """
    files = {}
    for parameter in interface.params:
        if parameter.name in inputs:
            files[f"{parameter.name}.bin"] = to_bytes(inputs[parameter.name], parameter.type)
        elif parameter.direction in ("out", "unused") and parameter.is_array:
            count = int(np.prod(parameter.shape or (1,)))
            files[f"{parameter.name}.bin"] = bytes(count * element_bytes(parameter.type))
        else:
            raise PomError("POM-C020", f"the testbench needs a value of '{parameter.name}'")
    for parameter in interface.params:
        if expected is None or not parameter.is_written:
            continue
        if parameter.name not in expected:
            raise PomError(
                "POM-C020", f"the testbench needs the expected values of '{parameter.name}'"
            )
        files[f"{parameter.name}.expected.bin"] = to_bytes(expected[parameter.name], parameter.type)
    return files


def emit_testbench(interface: Interface, *, header: str, max_ulps: int = 0) -> str:
    """The testbench's C++.

    Parameters
    ----------
    interface : Interface
    header : str
        The file that declares the kernel.
    max_ulps : int
        Largest accepted distance of a float, in numbers of its type. 0 is right where the
        simulation computes with the C library; the vendor's `exp`, `sin` … round differently.
    """
    needed = set(interface.headers)
    lines = [f"// Testbench of {interface.name}: PASS or the first difference; returns 0 or 1.", ""]
    lines += [f'#include "{header}"', ""]
    macros = (
        ("ap_int.h", "POM_HAS_AP_INT"),
        ("ap_fixed.h", "POM_HAS_AP_FIXED"),
        ("hls_half.h", "POM_HAS_HALF"),
    )
    lines += [f"#define {macro}" for name, macro in macros if name in needed]
    lines += [f'#include "{SUPPORT_HEADER}"', ""]
    scope = Scope({*C_LIBRARY, "argc", "argv", "data", "ok", "pom", "results", interface.name})
    pairs = [(p, scope.fresh(p.name)) for p in interface.params]
    lines.append("// Static: large arrays do not fit a stack.")
    for parameter, name in pairs:
        lines.append(f"static {cpp_type(parameter.type)} {name}{_dims(parameter)};")
    lines += ["", *_main(interface.name, pairs, max_ulps)]
    return "\n".join(lines) + "\n"


def _dims(parameter: Parameter) -> str:
    return "".join(f"[{n}]" for n in parameter.shape or ())


def _pointer(parameter: Parameter, name: str) -> str:
    return f"&{name}{'[0]' * len(parameter.shape or ())}"


def _main(kernel: str, pairs: list[tuple[Parameter, str]], max_ulps: int) -> list[str]:
    lines = ["int main(int argc, char **argv) {"]
    lines.append('    const std::string data = argc > 1 ? argv[1] : "data";')
    lines.append("    bool ok = true;")
    for parameter, name in pairs:
        count = int(np.prod(parameter.shape or (1,)))
        path = f'data + "/{parameter.name}.bin"'
        lines.append(f"    ok = pom::load({path}, {_pointer(parameter, name)}, {count}) && ok;")
    lines += ["    if (!ok)", "        return 1;", ""]
    lines.append(f"    {kernel}({', '.join(name for _, name in pairs)});")
    lines.append("")
    written = [(p, n) for p, n in pairs if p.is_written]
    lines.append("    if (argc > 2) {")
    lines.append("        const std::string results = argv[2];")
    for parameter, name in written:
        count = int(np.prod(parameter.shape or (1,)))
        path = f'results + "/{parameter.name}.bin"'
        lines.append(f"        ok = pom::save({path}, {_pointer(parameter, name)}, {count}) && ok;")
    lines += ["        return ok ? 0 : 1;", "    }", ""]
    for parameter, name in written:
        path = f'data + "/{parameter.name}.expected.bin"'
        shape = "{" + ", ".join(map(str, parameter.shape or ())) + "}"
        lines.append(
            f'    ok = pom::check("{parameter.name}", {path}, {_pointer(parameter, name)}, '
            f"{shape}, {max_ulps}) && ok;"
        )
    lines += ["    if (ok)", f'        std::printf("PASS: {kernel}\\n");']
    lines += ["    return ok ? 0 : 1;", "}"]
    return lines
