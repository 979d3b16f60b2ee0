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
    default_ram, local_ram : str
        Memory type of an argument and of a local array without a storage directive.
    unsafe_math : bool
        Floating-point sums may be rebalanced into trees.
    bus_latency : int
        Cycles that the tool assumes between a bus request and the answer (m_axi_latency).
    operator_patience : int
        Cycles that an operation of a pipeline waits for a shared operator before the tool adds
        another one.
    switch_banks : int
        From so many candidate banks on, a store that selects its bank takes a state behind a loop.
    bank_mux_ns : float
        Delay of selecting among the registers of a completely split dimension.
    call_input_ns : float
        Delay that a value needs to have left to enter a pipelined loop in the same cycle.
    pipelines_switched_sums : bool
        A loop that adds to elements whose bank it chooses at run time is pipelined. Vivado HLS
        2018 does not see how far apart two accesses of one element are then: it unrolls what is
        inside, but runs one iteration after the other. What it does pipeline starts as early as
        inputs and ports allow.
    loads_pass_switches : bool
        In a body that is not pipelined, loads move in front of the first store that chooses its
        bank whenever their own choice covers all split dimensions; otherwise (Vivado HLS 2018)
        only past stores whose bank the loop does not change.
    straight_operators : int
        Operations of one kind that may begin in one cycle of the code around loops; 0 for no
        limit.
    resource_constants : str
        Tool version whose constants turn counts into LUTs and flip-flops, if it is not the one
        that the operators were measured with.

    Notes
    -----
    `operator_patience`, `switch_banks`, `bank_mux_ns` and `call_input_ns` are thresholds found on
    hgnn_designs.csv (Vitis HLS 2022.1, 10 ns); `pom.qor_model.refit` finds them again with one
    kernel left out.
    """

    pipeline_loops: int = 0
    flatten_imperfect: bool = False
    shortens_self_recurrence: bool = False
    matrix_store_gap: int = 1
    default_ram: str = "ram_2p"
    local_ram: str = "ram_t2p"
    unsafe_math: bool = False
    bus_latency: int = 64
    operator_patience: int = 8
    switch_banks: int = 8
    bank_mux_ns: float = 2.0
    call_input_ns: float = 1.0
    pipelines_switched_sums: bool = True
    loads_pass_switches: bool = True
    straight_operators: int = 0
    resource_constants: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work one estimate may take; a design that takes more is refused.

    It is counted in operations and not in seconds, so that an answer does not depend on the
    machine or on what else runs there. A search with little time sets it low: on a machine of
    2024 an operation of a body takes 10 to 40 us altogether, and 2 us more for every further
    placement while an interval is looked for.

    Parameters
    ----------
    operations : int
        Of one loop body after unrolling; the tool gives up at bodies of the default too.
    placements : int
        Operations placed while one body's interval is looked for.
    """

    operations: int = 20_000
    placements: int = 20_000_000


DEFAULT_EFFORT = Effort()
DIRECTIVES_ONLY = ToolSettings(default_ram="ram_s2p", shortens_self_recurrence=True)
VITIS_DEFAULTS = ToolSettings(
    pipeline_loops=64, flatten_imperfect=True, matrix_store_gap=0, default_ram="ram_t2p"
)
UNOPTIMISED = ToolSettings()
VIVADO_2018 = ToolSettings(
    default_ram="ram_1p",
    pipelines_switched_sums=False,
    loads_pass_switches=False,
    resource_constants="2018.2",
    straight_operators=6,
)
SETTINGS = {
    "directives": DIRECTIVES_ONLY,
    "vitis": VITIS_DEFAULTS,
    "none": UNOPTIMISED,
}
