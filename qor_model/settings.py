"""Behaviour of the HLS tool that is not in the program: what it does by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """Switches of the tool, with the names of its settings where it has them.

    Parameters
    ----------
    pipeline_loops : int
        Innermost loops are pipelined automatically, and those with fewer iterations than this
        are unrolled into a pipelined parent; 0 switches automatic pipelining off.
    flatten_imperfect : bool
        Nests with initialisation before and arithmetic behind the inner loop are flattened too
        (Vitis HLS 2023).
    shortens_self_recurrence : bool
        An operator that feeds only itself may restart one cycle early (Vitis HLS 2022.1 on
        UltraScale+: a float sum reaches II = stages - 1).
    matrix_store_gap : int
        Cycles from a store to a load of the same element of an array with several dimensions
        (0: they may share a cycle).
    default_ram : str
        Memory type of an argument or buffer without a storage directive.
    unsafe_math : bool
        Floating-point sums may be rebalanced into trees.
    """

    pipeline_loops: int = 0
    flatten_imperfect: bool = False
    shortens_self_recurrence: bool = False
    matrix_store_gap: int = 1
    default_ram: str = "ram_2p"
    unsafe_math: bool = False


DIRECTIVES_ONLY = ToolSettings(default_ram="ram_s2p", shortens_self_recurrence=True)
VITIS_DEFAULTS = ToolSettings(
    pipeline_loops=64, flatten_imperfect=True, matrix_store_gap=0, default_ram="ram_t2p"
)
UNOPTIMISED = ToolSettings()
SETTINGS = {
    "directives": DIRECTIVES_ONLY,
    "vitis": VITIS_DEFAULTS,
    "none": UNOPTIMISED,
}
