"""A Vitis HLS project on disk: kernel, testbench, data, and scripts for both launchers.

The folder is written under a temporary name beside its place and renamed, so that it is complete
or not there.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import mlir.ir as mlir
import numpy as np

from pom.codegen.hlscpp import EmitOptions, Interface, emit, interface
from pom.codegen.hlscpp_names import identifier
from pom.codegen.testbench import SUPPORT_HEADER, data_files, emit_testbench, support_file
from pom.devices import Device
from pom.errors import PomError
from pom.ir.graph import Kernel

MARKER = ".pom-project"
"""A file in every project: a folder with it may be written again."""

TESTBENCH_ELEMENTS = 8_000_000
TESTBENCH_INSTANCES = 200_000_000
"""Array elements and statement instances of a kernel up to which its project has a testbench."""

VENDOR_ULPS = 4
"""Accepted distance where the vendor's mathematical functions differ from the C library's."""

_VENDOR_MATH = ("math.exp", "math.log", "math.sin", "math.cos", "math.tan", "math.pow")


@dataclass(frozen=True, slots=True)
class ProjectTarget:
    """What the scripts ask the tool for.

    Parameters
    ----------
    part : str
        ``xc7z020-clg400-1``
    clock_ns : float
    """

    part: str
    clock_ns: float


def project_files(
    module: mlir.Module,
    target: ProjectTarget,
    *,
    top: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    expected: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Every file of a project by its path in it.

    Parameters
    ----------
    inputs, expected : mapping, optional
        One run's arguments and results, for the testbench; without them it is left out.
    """
    kernel = interface(module, top=top)
    name = kernel.name
    has_testbench = inputs is not None and expected is not None
    texts = {
        f"{name}.cpp": emit(module, top=top, options=EmitOptions(header=f"{name}.h")),
        f"{name}.h": header(kernel),
        "hls_config.cfg": _config(name, target, has_testbench),
        "run_hls.tcl": _tcl(name, target, has_testbench),
        "README.md": _readme(kernel, target, has_testbench),
        MARKER: "A project that POM wrote. It may be written again.\n",
    }
    files: dict[str, bytes] = {}
    if inputs is not None and expected is not None:
        texts[f"{name}_tb.cpp"] = emit_testbench(
            kernel, header=f"{name}.h", max_ulps=VENDOR_ULPS if uses_vendor_math(module) else 0
        )
        texts[SUPPORT_HEADER] = support_file(SUPPORT_HEADER)
        for file, content in data_files(kernel, inputs, expected).items():
            files[f"data/{file}"] = content
    files.update({file: text.encode() for file, text in texts.items()})
    return dict(sorted(files.items()))


def uses_vendor_math(module: mlir.Module) -> bool:
    """Whether a function occurs that the vendor's library rounds in its own way."""
    text = str(module)
    return any(name in text for name in _VENDOR_MATH)


def header(kernel: Interface) -> str:
    """The kernel's header file."""
    guard = f"{identifier(kernel.name).upper()}_H"
    prototype = kernel.prototype
    included = "".join(f"#include <{h}>\n" for h in kernel.headers)
    parts = [f"#ifndef {guard}\n#define {guard}\n", included, f"{prototype};\n", "#endif\n"]
    return "\n".join(p for p in parts if p)


def write_project(
    path: Path,
    module: mlir.Module,
    target: ProjectTarget,
    *,
    top: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    expected: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Write a project into the folder `path`.

    Parameters
    ----------
    path : Path
        A new or empty folder, or one that holds an earlier project.
    module, top
        Level 3 and its kernel.
    target : ProjectTarget
    inputs, expected : mapping, optional
        One run's arguments and results by name, for the testbench.

    Returns
    -------
    tuple of Path
        The files written, sorted.

    Raises
    ------
    PomError
        POM-C030: the folder holds something else; POM-C031: the system refuses to write.
    """
    _refuse_foreign(path)
    files = project_files(module, target, top=top, inputs=inputs, expected=expected)
    with _replacing(path) as temporary:
        for name, content in files.items():
            place = temporary / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return tuple(path / name for name in files)


class Design(Protocol):
    """What `write_design` needs of a `pom.api.Design`."""

    kernel: Kernel
    module: mlir.Module
    device: Device
    clock_ns: float

    def __call__(self, **named: Any) -> Mapping[str, Any]: ...


def write_design(design: Design, path: Path, seed: int = 0) -> tuple[Path, ...]:
    """Write a design's project, with one random run (of `seed`) for the testbench.

    The expected values are those of the JIT, which `pom check` compares with the reference. A kernel
    whose run would take minutes, in C simulation hours, gets a project without a testbench.
    """
    from pom.runtime.inputs import make
    from pom.runtime.work import count_instances

    target = ProjectTarget(design.device.part, design.clock_ns)
    elements = sum(math.prod(a.type.shape) for a in design.kernel.arrays.values())
    if elements > TESTBENCH_ELEMENTS or count_instances(design.kernel, TESTBENCH_INSTANCES) is None:
        return write_project(path, design.module, target)
    inputs = make(design.kernel, "random", np.random.default_rng(seed))
    return write_project(path, design.module, target, inputs=inputs, expected=design(**inputs))


def _refuse_foreign(path: Path) -> None:
    try:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise PomError("POM-C030", f"{str(path)!r} is not a folder", hint="name a new folder")
        if path.is_dir() and any(path.iterdir()) and not (path / MARKER).is_file():
            raise PomError(
                "POM-C030",
                f"the folder {str(path)!r} holds files that are not a project of POM",
                hint="name a new or an empty folder",
            )
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> PomError:
    reason = error.strerror or str(error)
    return PomError(
        "POM-C031",
        f"cannot write the project {str(path)!r}: {reason}",
        hint="choose a place that can be written and has room",
    )


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new folder beside `path` that takes its place when the block ends well."""
    path = path.absolute()
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        _swap(temporary, path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, path: Path) -> None:
    """`temporary` in the place of `path`; what was there survives a failure."""
    if not path.exists():
        temporary.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(old)
        try:
            temporary.rename(path)
        except BaseException:
            old.rename(path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _config(name: str, target: ProjectTarget, has_testbench: bool) -> str:
    lines = [
        f"part={target.part}",
        "",
        "[hls]",
        f"clock={target.clock_ns:g}ns",
        f"syn.top={name}",
        f"syn.file={name}.cpp",
        f"syn.file={name}.h",
    ]
    if has_testbench:
        lines += [f"tb.file={name}_tb.cpp", f"tb.file={SUPPORT_HEADER}", "tb.file=data"]
    return "\n".join([*lines, "package.output.format=ip_catalog"]) + "\n"


def _tcl(name: str, target: ProjectTarget, has_testbench: bool) -> str:
    lines = [
        f"open_project -reset {name}_hls",
        f"set_top {name}",
        f"add_files {{{name}.cpp {name}.h}}",
    ]
    if has_testbench:
        lines.append(f"add_files -tb {{{name}_tb.cpp {SUPPORT_HEADER} data}}")
    lines += [
        "open_solution -reset solution -flow_target vivado",
        f"set_part {target.part}",
        f"create_clock -period {target.clock_ns:g} -name default",
    ]
    if has_testbench:
        lines.append("csim_design")
    lines.append("csynth_design")
    if has_testbench:
        lines.append("cosim_design")
    return "\n".join([*lines, "export_design -format ip_catalog", "exit"]) + "\n"


def _readme(kernel: Interface, target: ProjectTarget, has_testbench: bool) -> str:
    name = kernel.name
    new = [f"v++ -c --mode hls --config hls_config.cfg --work_dir {name}_hls"]
    if has_testbench:
        new = [
            f"vitis-run --mode hls --csim --config hls_config.cfg --work_dir {name}_hls",
            *new,
            f"vitis-run --mode hls --cosim --config hls_config.cfg --work_dir {name}_hls",
        ]
    parts = [
        f"# {name}\n\nHLS C++ generated by POM for {target.part} at {target.clock_ns:g} ns.\n",
        "With Vitis 2023.1 or later:\n\n" + "".join(f"    {c}\n" for c in new),
        "With vitis_hls (up to 2024.2):\n\n    vitis_hls -f run_hls.tcl\n",
    ]
    if has_testbench and "hls_half.h" not in kernel.headers:
        parts.append(
            "Without either, with g++ and the simulation headers of ap_int and ap_fixed in AP:\n\n"
            f"    g++ -std=c++14 -ffp-contract=off -I AP {name}.cpp {name}_tb.cpp -o {name}_tb\n"
            f"    ./{name}_tb\n"
        )
    if not has_testbench:
        parts.append("There is no testbench: no run was given, or it is too large to simulate.\n")
    else:
        parts.append(
            "`data/` holds one run: the arguments, and the arrays that the kernel writes as they\n"
            "must be after it.\n"
        )
    return "\n".join(parts)
