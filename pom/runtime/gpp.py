"""The emitted C++, compiled with g++ and run through its testbench.

One program per kernel, any number of runs: the testbench reads a run's arguments from files and
writes the results to files, in a process of its own, so that a fault in it harms nobody.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import mlir.ir as mlir
import numpy as np

from pom.codegen.hlscpp import EmitOptions, emit, interface
from pom.codegen.project import header
from pom.codegen.testbench import (
    HALF_HEADER,
    SUPPORT_HEADER,
    data_files,
    emit_testbench,
    from_bytes,
    support_file,
)
from pom.errors import PomError

EXACT_FLAGS = ("-ffp-contract=off", "-fno-fast-math", "-frounding-math")
"""Every float operation rounds once, at run time: what the reference computes."""

WARNING_FLAGS = (
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-Wno-unused-label",
    "-Wno-unused-but-set-variable",
    "-Wno-uninitialized",
    "-Wno-maybe-uninitialized",
)
"""What generated code compiles with: pragmas and labels are the vendor's tool's, local arrays that
nothing reads are the user's, and inlined constructors of wide ``ap_int`` clear bits of words that
they then set."""

_REWRITTEN = re.compile(r"std::(pow|sin|cos)\(")
"""Calls that gcc replaces from -O1 on: ``pow(x, 2)`` by a product, ``sin`` with ``cos`` by one."""

_STACK = 'ulimit -s unlimited 2>/dev/null || ulimit -s "$(ulimit -H -s)"; exec "$0" "$@"'
"""Local arrays of a kernel live on the stack of the simulation."""


def find_gpp() -> str:
    """The path of g++.

    Raises
    ------
    PomError
        POM-R100: there is none.
    """
    found = shutil.which("g++")
    if found is None:
        raise PomError(
            "POM-R100",
            "g++ is not on the PATH, so the emitted C++ cannot be run",
            hint="apt-get install g++",
        )
    return found


def headers_folder() -> Path:
    """The folder of ap_int.h and ap_fixed.h, from the wheel of hls4ml (which is not imported).

    Raises
    ------
    PomError
        POM-R101: it is not installed.
    """
    try:
        found = Path(str(metadata.distribution("hls4ml").locate_file("hls4ml")))
    except metadata.PackageNotFoundError:
        found = Path()
    folder = found / "templates" / "vivado" / "ap_types"
    if not (folder / "ap_int.h").is_file():
        raise PomError(
            "POM-R101",
            "the simulation headers of ap_int and ap_fixed are not installed",
            hint="pip install --no-deps hls4ml==1.3.0, or pip install 'pom[check]'",
        )
    return folder


class CompiledKernel:
    """A level-3 module as a program.

    Parameters
    ----------
    module : mlir.ir.Module
        Level 3.
    top : str, optional
        The kernel.
    flags : sequence of str
        Further options of g++, such as `WARNING_FLAGS`.
    compile_timeout_s, timeout_s : float
        Limits of the compiler and of one run.

    Attributes
    ----------
    source : str
        The C++ that runs.

    Raises
    ------
    PomError
        POM-R100 or R101 for what is not installed, POM-R102 where g++ refuses the C++.
    """

    def __init__(
        self,
        module: mlir.Module,
        top: str | None = None,
        *,
        flags: Sequence[str] = (),
        compile_timeout_s: float = 300.0,
        timeout_s: float = 120.0,
    ) -> None:
        self.interface = interface(module, top=top)
        self.timeout_s = timeout_s
        name = self.interface.name
        self.source = emit(module, top=top, options=EmitOptions(header=f"{name}.h"))
        self._folder = Path(tempfile.mkdtemp(prefix="pom-gpp-"))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._folder, True)
        texts = {
            f"{name}.h": header(self.interface),
            f"{name}.cpp": self.source,
            f"{name}_tb.cpp": emit_testbench(self.interface, header=f"{name}.h"),
            SUPPORT_HEADER: support_file(SUPPORT_HEADER),
        }
        text = "".join(texts.values())
        level = "-O0" if _REWRITTEN.search(self.source) else "-O1"
        flags = ["-std=c++14", level, *EXACT_FLAGS, *flags]
        if "<hls_half.h>" in text:
            texts[HALF_HEADER] = support_file(HALF_HEADER)
            flags += ["-I", str(self._folder)]
        if "<ap_int.h>" in text or "<ap_fixed.h>" in text:
            flags += ["-isystem", str(headers_folder())]
        for file, content in texts.items():
            (self._folder / file).write_text(content, encoding="utf-8")
        self._program = self._folder / f"{name}_tb"
        sources = [str(self._folder / f"{name}.cpp"), str(self._folder / f"{name}_tb.cpp")]
        self._compile([find_gpp(), *flags, *sources, "-o", str(self._program)], compile_timeout_s)

    def _compile(self, command: list[str], timeout_s: float) -> None:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise PomError("POM-R102", f"g++ did not end within {timeout_s:g} s") from error
        if done.returncode:
            lines = tuple(line for line in done.stderr.splitlines() if "error" in line)[:5]
            raise PomError(
                "POM-R102",
                f"g++ refuses the C++ of {self.interface.name}",
                hint="this is a fault of POM: please report it with the kernel",
                notes=lines or tuple(done.stderr.splitlines()[:5]),
            )

    def __call__(self, arguments: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Run on `arguments` (as `pom.runtime.arrays` has them), which are not changed.

        Returns
        -------
        dict
            Every array that the kernel writes, by name.

        Raises
        ------
        PomError
            POM-R103: the program crashed or ran too long.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as work:
            data, results = Path(work) / "data", Path(work) / "results"
            results.mkdir()
            self._write(data, data_files(self.interface, arguments))
            self._run([str(data), str(results)])
            return {
                p.name: from_bytes((results / f"{p.name}.bin").read_bytes(), p.type, p.shape or ())
                for p in self.interface.params
                if p.is_written
            }

    def check(self, arguments: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
        """Let the testbench compare: None where it passes, else its first complaint."""
        with tempfile.TemporaryDirectory(dir=self._folder) as work:
            data = Path(work) / "data"
            self._write(data, data_files(self.interface, arguments, expected))
            done = self._run([str(data)], may_fail=True)
            lines = done.stdout.splitlines()
        if done.returncode == 0 and lines == [f"PASS: {self.interface.name}"]:
            return None
        return lines[0] if lines else "the testbench said nothing"

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def _run(
        self, arguments: list[str], may_fail: bool = False
    ) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", _STACK, str(self._program), *arguments]
        name = self.interface.name
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=self.timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise PomError(
                "POM-R103", f"the C++ of {name} did not end within {self.timeout_s:g} s"
            ) from error
        if done.returncode < 0 or (done.returncode and not may_fail):
            raise PomError(
                "POM-R103",
                f"the C++ of {name} ended with code {done.returncode}",
                hint="a division by zero, or a data-dependent subscript out of bounds, ends it",
                notes=tuple((done.stdout + done.stderr).splitlines()[:5]),
            )
        return done
