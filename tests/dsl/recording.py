"""Kernels from source text, in files of their own, so that errors have places."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pom.dsl.kernel import KernelFunction
from pom.dsl.load import load_kernel
from pom.errors import PomError

_numbers = itertools.count()


def record(folder: Path, text: str, kernel: str | None = None) -> KernelFunction:
    """The kernel of a file that holds `text` after ``import pom``."""
    path = folder / f"kernel_{next(_numbers)}.py"
    path.write_text("import pom\n" + text)
    return load_kernel(f"{path}:{kernel}" if kernel else path)


def refusal(folder: Path, text: str) -> PomError:
    """The error that recording `text` raises."""
    with pytest.raises(PomError) as caught:
        record(folder, text)
    return caught.value


def pointed_at(error: PomError) -> str:
    """The text above the caret."""
    place = error.location
    assert place is not None
    line = place.source_line
    if place.end_column > place.column:
        return line[place.column : place.end_column]
    return line[place.column :]
