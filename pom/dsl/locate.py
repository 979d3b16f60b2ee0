"""Where in the user's source the running line stands: frame inspection, no text search."""

from __future__ import annotations

import linecache
import os
import sys
from types import CodeType, FrameType, TracebackType

from pom.ir.location import Location

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_CACHE_SIZE = 256

_Span = tuple[int | None, int | None, int | None, int | None]
_spans: dict[int, tuple[CodeType, list[_Span], dict[int, Location]]] = {}


def user_frame() -> FrameType | None:
    """The innermost running frame that is not part of POM."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def user_location() -> Location | None:
    """The user's expression that is being evaluated."""
    frame = user_frame()
    return None if frame is None else instruction_location(frame.f_code, frame.f_lasti)


def traceback_location(traceback: TracebackType | None, file: str | None = None) -> Location | None:
    """The innermost line of a traceback in `file`, or in anything that is not part of POM."""
    found: Location | None = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        name = code.co_filename
        if name == file if file is not None else not name.startswith(_PACKAGE):
            found = instruction_location(code, traceback.tb_lasti)
        traceback = traceback.tb_next
    return found


def instruction_location(code: CodeType, offset: int) -> Location:
    """The source span of the instruction at byte `offset` of `code`."""
    entry = _spans.get(id(code))
    if entry is None:
        if len(_spans) >= _CACHE_SIZE:
            _spans.clear()
        # The entry holds the code object, so that its id stays its own.
        entry = _spans[id(code)] = (code, list(code.co_positions()), {})
    _, spans, known = entry
    location = known.get(offset)
    if location is None:
        location = known[offset] = _location(code, spans[offset // 2])
    return location


def _location(code: CodeType, span: _Span) -> Location:
    line, end_line, column, end_column = span
    if line is None:
        return Location(code.co_filename, code.co_firstlineno)
    return span_location(code.co_filename, line, end_line, column, end_column)


def span_location(
    file: str, line: int, end_line: int | None, column: int | None, end_column: int | None
) -> Location:
    """A location from a span as Python gives it: columns in bytes, perhaps over several lines."""
    if column is None:
        return Location(file, line)
    text = linecache.getline(file, line)
    start = _characters(text, column)
    if end_line != line or end_column is None:
        return Location(file, line, start, start)
    return Location(file, line, start, _characters(text, end_column))


def _characters(text: str, offset: int) -> int:
    if text.isascii():
        return offset
    return len(text.encode()[:offset].decode(errors="ignore"))
