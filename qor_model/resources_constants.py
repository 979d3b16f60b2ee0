"""Constants that turn counted hardware into LUTs and flip-flops, and the vector of counts."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

LUT_TERMS = (
    "operators",
    "logic",
    "sequential_control",
    "pipelined_control",
    "counters",
    "address_adders",
    "address_offsets",
    "port_muxes",
    "shared_ports",
    "operand_muxes",
    "bank_muxes",
    "shift_registers",
    "memory",
    "pipelines",
    "shared_pipelines",
    "pipeline_stages",
    "functions",
    "loops",
    "run_time_banks",
    "shared_operators",
    "accumulators",
    "accesses",
    "port_controllers",
    "operator_controllers",
    "function_ports",
    "flattened",
)
FF_TERMS = (
    "operators",
    "sequential_control",
    "pipelined_control",
    "counters",
    "values",
    "sequential_carried",
    "pipelined_carried",
    "hoisted",
    "addresses",
    "shift_registers",
    "memory",
    "pipelines",
    "shared_pipelines",
    "pipeline_stages",
    "functions",
    "loops",
    "run_time_banks",
    "accesses",
    "port_controllers",
    "operator_controllers",
    "accumulators",
    "select_muxes",
    "register_elements",
    "chained_accumulators",
)


@dataclass(frozen=True, slots=True)
class CostConstants:
    """One coefficient per term; 1 means that the mechanism's own number is taken as it is.

    Attributes
    ----------
    lut, ff : tuple of float
        In the order of `LUT_TERMS` and `FF_TERMS`.
    source : str
        What they were fitted to.
    is_dual_port_narrow : bool
        A memory of which a body uses both ports in one cycle becomes a true dual-port one, whose
        words are narrower: 18 bits of a block RAM at most.
    orders_moving_stores : bool
        Iterations of a pipeline with a store that moves on to another bank hold no values of each
        other, so that none needs a shift register.
    shares_shift_registers : bool
        Loops that run one after the other share shift registers as they share other registers.
    """

    lut: tuple[float, ...]
    ff: tuple[float, ...]
    source: str
    is_dual_port_narrow: bool = False
    orders_moving_stores: bool = False
    shares_shift_registers: bool = False


@cache
def load_constants(tool: str = "") -> CostConstants:
    """Read the shipped constants.

    Parameters
    ----------
    tool : str
        Vendor tool with its version, as operator libraries name it (``Vitis HLS 2023.1``); the
        constants of the newest version that is not newer are taken, else those of the oldest.
    """
    folder = resources.files("pom.qor_model").joinpath("data", "resources")
    versions = sorted(f.name.removesuffix(".toml") for f in folder.iterdir())
    wanted = tool.split(" ")[-1]
    older = [version for version in versions if version <= wanted]
    path = folder.joinpath((older[-1] if older else versions[0]) + ".toml")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return CostConstants(
        lut=tuple(float(data["lut"].get(name, 0.0)) for name in LUT_TERMS),
        ff=tuple(float(data["ff"].get(name, 0.0)) for name in FF_TERMS),
        source=data["source"],
        is_dual_port_narrow=bool(data.get("is_dual_port_narrow", False)),
        orders_moving_stores=bool(data.get("orders_moving_stores", False)),
        shares_shift_registers=bool(data.get("shares_shift_registers", False)),
    )


def mux_lut(inputs: int) -> float:
    """LUTs of a multiplexer that the controller selects, as the tool's table prints them.

    2 inputs cost 9, 3 cost 14, 4 cost 20, 8 cost 43: the width does not enter. From 12 on it is
    the core behind memory banks.
    """
    if inputs < 2:
        return 0.0
    if inputs < _SMALLEST_CORE:
        return max(9.0, 5.45 * inputs - 1.2)
    return max(_BANK_MUX[16], _CORE_LUT_PER_INPUT * inputs)


_SMALLEST_CORE = 12
_CORE_LUT_PER_INPUT = 4.27
_BANK_MUX = {2: 9.0, 4: 20.0, 8: 43.0, 16: 65.0, 32: 137.0, 64: 273.0}


def bank_mux_lut(inputs: int) -> float:
    """LUTs of a multiplexer core behind memory banks (hgnn_inner_loops.csv, partition sweeps)."""
    found = _BANK_MUX.get(inputs)
    if found is not None:
        return found
    return mux_lut(inputs)
