"""The report of an internal error."""

from __future__ import annotations

import platform
import shlex
import tempfile
import traceback
from importlib import metadata

from pom import __version__


def write_report(error: BaseException, arguments: list[str]) -> str:
    """Write a report file and return the text for the terminal."""
    lines = [
        f"pom {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: pom {shlex.join(arguments)}",
        *(f"{name} {_version(name)}" for name in ("islpy", "xtc-mlir-python-bindings", "torch")),
        "",
        *traceback.format_exception(error),
    ]
    summary = f"internal error: {type(error).__name__}: {error}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="pom-internal-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as report:
            report.write("\n".join(lines))
    except OSError:
        return f"{summary}\n" + "\n".join(lines)
    return (
        f"{summary}\nThis is a fault of POM, not of the input. Please attach {report.name} "
        "and the kernel to a report."
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
