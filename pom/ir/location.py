"""Where in the user's source something was written."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A span on one line of a user's file.

    Parameters
    ----------
    file : str
        Path as Python knows it (``co_filename``).
    line : int
        1-based.
    column, end_column : int
        0-based, half open; ``end_column <= column`` means that only the line is known.
    """

    file: str
    line: int
    column: int = 0
    end_column: int = 0

    @property
    def short(self) -> str:
        """``gemm.py:14``: what a comment in generated code shows."""
        return f"{Path(self.file).name}:{self.line}"

    @property
    def source_line(self) -> str:
        """The text of the line, without its newline; empty where the file cannot be read."""
        return linecache.getline(self.file, self.line).rstrip("\n")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column + 1}"
