"""Several emitted kernels in one C++ program: g++ costs more to start than to compile a kernel.

Each kernel comes with its own testbench, in a namespace; the first argument of the program says
whose turn it is. Headers stand in front, since they cannot be included in a namespace.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlir import ir

from pom.codegen.hlscpp import Interface, emit, interface
from pom.codegen.testbench import (
    HALF_HEADER,
    SUPPORT_HEADER,
    data_files,
    emit_testbench,
    from_bytes,
    support_file,
)
from pom.dialects.context import process_context
from pom.runtime.gpp import EXACT_FLAGS, WARNING_FLAGS, find_gpp, headers_folder
from tests.fuzz.execute import Expected, Failure

_HEADERS = {"ap_int.h": "POM_HAS_AP_INT", "ap_fixed.h": "POM_HAS_AP_FIXED", HALF_HEADER: "POM_HAS_HALF"}  # fmt: skip
_DIRECTIVE = re.compile(r"^#(include|define) .*\n", re.MULTILINE)
TIMEOUT_S = 300.0


def differences(
    texts: Mapping[str, str], exact: Mapping[str, bool], expected: Expected
) -> dict[str, Failure]:
    """What goes wrong with each function as C++; nothing for those that agree with the reference.

    Parameters
    ----------
    texts : mapping of str to str
        Level 3 of one function each, by the function's name.
    exact : mapping of str to bool
        Whether the result has to agree to the last bit.
    """
    if not texts or not expected.runs:
        return {}
    with tempfile.TemporaryDirectory(prefix="pom-fuzz-") as work:
        folder = Path(work)
        sources, ports = _emitted(texts)
        problem = _compiled(folder, sources)
        if problem is not None:
            if len(texts) == 1:
                return dict.fromkeys(texts, Failure("g++ refused", problem))
            found: dict[str, Failure] = {}
            for name, text in texts.items():
                found |= differences({name: text}, exact, expected)
            return found
        return {
            name: failure
            for number, (name, port) in enumerate(ports.items())
            if (failure := _run(folder, number, port, exact[name], expected)) is not None
        }


def _emitted(texts: Mapping[str, str]) -> tuple[str, dict[str, Interface]]:
    """One source file for all, and how each is called."""
    parts: list[str] = []
    used: set[str] = set()
    ports: dict[str, Interface] = {}
    for number, (name, text) in enumerate(texts.items()):
        context = process_context()
        with context:
            module = ir.Module.parse(text, context)
        port = ports[name] = interface(module)
        code = emit(module) + emit_testbench(port, header="none.h")
        used |= set(re.findall(r"#include <(.*?)>", code))
        code = _DIRECTIVE.sub("", code).replace("int main(", "int bench(")
        parts.append(f"namespace run{number} {{\n{code}\n}}\n")
    head = [f"#include <{h}>\n" for h in sorted(used)]
    head += [f"#define {macro}\n" for h, macro in _HEADERS.items() if h in used]
    calls = "".join(
        f"    if (turn == {k}) return run{k}::bench(argc - 1, argv + 1);\n"
        for k in range(len(parts))
    )
    main = (
        "int main(int argc, char **argv) {\n"
        f"    const int turn = std::atoi(argv[1]);\n{calls}    return 2;\n}}\n"
    )
    text = "".join([*head, "#include <cstdlib>\n", f'#include "{SUPPORT_HEADER}"\n', *parts, main])
    return text, ports


def _compiled(folder: Path, source: str) -> str | None:
    """Compile; the first complaint of g++, or None."""
    (folder / "all.cpp").write_text(source, encoding="utf-8")
    for header in (SUPPORT_HEADER, HALF_HEADER):
        (folder / header).write_text(support_file(header), encoding="utf-8")
    command = [find_gpp(), "-std=c++14", "-O0", *EXACT_FLAGS, *WARNING_FLAGS, "-I", str(folder)]
    command += ["-isystem", str(headers_folder()), str(folder / "all.cpp"), "-o", str(folder / "all")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    return (lines or done.stderr.splitlines())[0]


def _run(
    folder: Path, number: int, port: Interface, is_exact: bool, expected: Expected
) -> Failure | None:
    results: list[Mapping[str, Any]] = []
    for position, (case, _) in enumerate(expected.runs):
        data = folder / f"data{number}_{position}"
        out = folder / f"out{number}_{position}"
        data.mkdir()
        out.mkdir()
        for name, content in data_files(port, case.arguments).items():
            (data / name).write_bytes(content)
        command = [str(folder / "all"), str(number), str(data), str(out)]
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        if done.returncode:
            return Failure("g++ mismatch", f"the program ended with {done.returncode}")
        results.append(
            {
                p.name: from_bytes((out / f"{p.name}.bin").read_bytes(), p.type, p.shape or ())
                for p in port.params
                if p.is_written
            }
        )
    difference = expected.difference(results, is_exact)
    return Failure("g++ mismatch", difference) if difference else None
