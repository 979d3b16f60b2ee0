"""Checks that the directives of arrays share."""

from __future__ import annotations

from difflib import get_close_matches

from pom.errors import PomError
from pom.ir.directives import Partition, PartitionKind
from pom.ir.graph import Array
from pom.ir.poly import PolyProgram

KINDS: tuple[PartitionKind, ...] = ("cyclic", "block", "complete")


def require_array(program: PolyProgram, array: str) -> Array:
    """The array called `array`; POM-S020 where there is none."""
    arrays = program.arrays
    if array not in arrays:
        names = list(arrays)
        if any(p.name == array for p in program.params):
            raise PomError(
                "POM-S020",
                f"{array!r} is a scalar argument of {program.name!r}, not an array",
                hint=f"its arrays are {', '.join(map(repr, names))}",
            )
        close = get_close_matches(array, names, 1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        raise PomError(
            "POM-S020",
            f"there is no array {array!r} in {program.name!r}",
            hint=f"its arrays are {', '.join(map(repr, names))}{guess}",
        )
    return arrays[array]


def is_argument(program: PolyProgram, array: str) -> bool:
    """Whether `array` is an argument of the kernel."""
    return any(p.name == array for p in program.params)


def partition_of(array: Array, dim: int, kind: str, factor: int) -> Partition:
    """The validated partition of a dim of `array`.

    Raises
    ------
    PomError
        POM-S021 (dim), S022 (factor), S023 (kind).
    """
    rank = array.type.rank
    if not isinstance(dim, int) or isinstance(dim, bool) or not 0 <= dim <= rank or rank == 0:
        raise PomError(
            "POM-S021",
            f"{array.name!r} has {rank} dims: there is no dim {dim!r}",
            hint=f"dims count from 1 to {rank}; 0 means all of them"
            if rank
            else "a scalar needs no partitioning",
        )
    if kind not in KINDS:
        raise PomError(
            "POM-S023",
            f"unknown kind of partition: {kind!r}",
            hint=f"use {', '.join(map(repr, KINDS))}",
        )
    if kind == "complete":
        if factor != 0:
            raise PomError(
                "POM-S022",
                f"a complete partition of {array.name!r} takes no factor, not {factor!r}",
                hint="leave the factor out, or use kind='cyclic'",
            )
        return Partition(dim, "complete")
    extent = min(array.type.shape) if dim == 0 else array.type.shape[dim - 1]
    if not isinstance(factor, int) or isinstance(factor, bool) or not 2 <= factor <= extent:
        raise PomError(
            "POM-S022",
            f"the {kind} factor of dim {dim} of {array.name!r} must be an integer from 2 to "
            f"{extent}, not {factor!r}",
            hint=f"the dim has {extent} elements"
            + ("" if extent > 1 else ": there is nothing to partition"),
        )
    return Partition(dim, kind, factor)


def replaced(existing: tuple[Partition, ...], new: Partition) -> tuple[Partition, ...]:
    """`existing` with `new` for its dim; a partition of all dims and one of a dim exclude another."""
    kept = [p for p in existing if p.dim != new.dim and p.dim != 0 and new.dim != 0]
    return tuple(sorted([*kept, new], key=lambda p: p.dim))


def overlap(first: tuple[Partition, ...], second: tuple[Partition, ...]) -> int | None:
    """A dim that both touch, or None."""
    for a in first:
        for b in second:
            if a.dim == b.dim or 0 in (a.dim, b.dim):
                return a.dim or b.dim
    return None
