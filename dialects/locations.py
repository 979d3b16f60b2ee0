"""Source locations: `pom.ir.location.Location` ↔ MLIR locations.

The columns of a `Location` are 0-based and half open, those of MLIR are 1-based; a span is written
as MLIR's ``"file":line:start to :end`` with the end as it is in `Location` plus one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pom.ir.location import Location

if TYPE_CHECKING:
    from mlir.ir import Location as MlirLocation


def to_mlir_location(location: Location | None) -> MlirLocation:
    """The MLIR location of `location` in the current context."""
    from mlir.ir import Location as MlirLocation

    if location is None:
        return MlirLocation.unknown()
    start, end = location.column + 1, location.end_column + 1
    if end <= start:
        return MlirLocation.file(location.file, location.line, start)
    return MlirLocation.file(location.file, location.line, start, location.line, end)


def from_mlir_location(location: MlirLocation) -> Location | None:
    """The user's place inside an MLIR location: the first file in it, if there is one."""
    if location.is_a_file():
        start = max(location.start_col - 1, 0)
        end = location.end_col - 1
        same_line = location.start_line == location.end_line
        return Location(
            location.filename,
            location.start_line,
            start,
            end if same_line and end > start else 0,
        )
    if location.is_a_name():
        return from_mlir_location(location.child_loc)
    if location.is_a_callsite():
        return from_mlir_location(location.callee) or from_mlir_location(location.caller)
    if location.is_a_fused():
        return next(
            (found for part in location.locations if (found := from_mlir_location(part))), None
        )
    return None
