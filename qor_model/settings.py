"""Behaviour of the HLS tool that is not in the program: what it does by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """Switches of the tool, with the names of its settings.

    Parameters
    ----------
    pipeline_loops : int
        Loops are pipelined automatically, and inner loops with fewer iterations than this are
        unrolled into them; 0 switches automatic pipelining off.
    flatten_loops : bool
        Perfect nests above a pipelined loop are flattened unless that is switched off.
    default_ram : str
        Memory type of an argument or buffer without a storage directive.
    unsafe_math : bool
        Floating-point sums may be rebalanced into trees.
    """

    pipeline_loops: int = 0
    flatten_loops: bool = True
    default_ram: str = "ram_2p"
    unsafe_math: bool = False


DIRECTIVES_ONLY = ToolSettings(default_ram="ram_s2p")
VITIS_DEFAULTS = ToolSettings(pipeline_loops=64)
