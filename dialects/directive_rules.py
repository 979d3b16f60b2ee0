"""Rules of directives, the same at levels 2 and 3. Each function says what is wrong, or None."""

from __future__ import annotations

from typing import get_args

from pom.ir.directives import ArrayDirectives, LoopDirectives, Partition, PartitionKind

MAX_DIRECTIVE = 1 << 31
"""Bound of every number in a directive; the tools read 32-bit numbers."""


def loop_problem(directives: LoopDirectives) -> str | None:
    """What is wrong with the directives of a loop."""
    ii, unroll = directives.pipeline_ii, directives.unroll
    if ii is not None and not 1 <= ii < MAX_DIRECTIVE:
        return f"an initiation interval of {ii}"
    if ii is not None and directives.pipeline_off:
        return "the loop is both pipelined and kept from it"
    if not 0 <= unroll < MAX_DIRECTIVE:
        return f"an unroll factor of {unroll}"
    return None


def array_problem(directives: ArrayDirectives, shape: tuple[int, ...]) -> str | None:
    """What is wrong with the directives of an array of `shape`."""
    for what, parts in (("partition", directives.partitions), ("reshape", directives.reshapes)):
        dims = [p.dim for p in parts]
        if len(set(dims)) < len(dims) or (0 in dims and len(dims) > 1):
            return f"a dim has two directives {what}"
        for part in parts:
            if problem := partition_problem(part, shape):
                return f"{what}: {problem}"
    latency, depth = directives.storage_latency, directives.stream_depth
    if latency is not None and not 0 <= latency < MAX_DIRECTIVE:
        return f"a storage latency of {latency}"
    if depth is not None and not 1 <= depth < MAX_DIRECTIVE:
        return f"a stream of depth {depth}"
    if list(directives.interface_options) != sorted(directives.interface_options):
        return "the options of the interface are not sorted"
    return None


def partition_problem(partition: Partition, shape: tuple[int, ...]) -> str | None:
    """What is wrong with one partition of an array of `shape`."""
    dim, kind, factor = partition.dim, partition.kind, partition.factor
    if not 0 <= dim <= len(shape) or not shape:
        return f"there is no dim {dim} among {len(shape)}"
    if kind not in get_args(PartitionKind):
        return f"unknown kind {kind!r}"
    if kind == "complete":
        return None if factor == 0 else f"complete with a factor of {factor}"
    extent = min(shape) if dim == 0 else shape[dim - 1]
    if not 1 <= factor <= extent:
        return f"a {kind} factor of {factor} for {extent} elements"
    return None
