"""Hardware directives, as values. They never change what is computed, only how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PartitionKind = Literal["cyclic", "block", "complete"]


@dataclass(frozen=True, slots=True)
class LoopDirectives:
    """Directives of one loop.

    Parameters
    ----------
    pipeline_ii : int, optional
        Requested initiation interval; None means no PIPELINE pragma.
    pipeline_off : bool
        ``#pragma HLS PIPELINE off``: keeps the tool from pipelining by itself.
    unroll : int
        Factor; 1 means not unrolled, 0 completely.
    flatten : bool, optional
        LOOP_FLATTEN, or LOOP_FLATTEN off; None leaves it to the tool.
    dependence_free : tuple of str
        Arrays for which absence of loop-carried dependences was *proved*.
    dataflow : bool
        The body's nests run overlapped.
    """

    pipeline_ii: int | None = None
    pipeline_off: bool = False
    unroll: int = 1
    flatten: bool | None = None
    dependence_free: tuple[str, ...] = ()
    dataflow: bool = False


@dataclass(frozen=True, slots=True)
class Partition:
    """``ARRAY_PARTITION``: `dim` counts from 1 as in Vitis, 0 is every dim; complete has factor 0."""

    dim: int
    kind: PartitionKind
    factor: int = 0


@dataclass(frozen=True, slots=True)
class ArrayDirectives:
    """Directives of one array."""

    partitions: tuple[Partition, ...] = ()
    reshapes: tuple[Partition, ...] = ()
    storage_type: str | None = None
    storage_impl: str | None = None
    storage_latency: int | None = None
    interface: str | None = None
    interface_options: tuple[tuple[str, str], ...] = ()
    stream_depth: int | None = None


@dataclass(frozen=True, slots=True)
class OpBinding:
    """``BIND_OP`` for every operation `op` (``fadd``, ``mul`` …) of a statement's result variable."""

    statement: str
    op: str
    impl: str
    latency: int | None = None


@dataclass(frozen=True, slots=True)
class FunctionDirectives:
    """Directives of the function that a kernel becomes."""

    dataflow: bool = False
    inline: bool | None = None
