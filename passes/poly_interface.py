"""Choose the port that an argument becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.array_directives import is_argument, require_array
from pom.passes.base import PolyPass
from pom.passes.fifo_order import why_not_fifo

OPTIONS: dict[str, tuple[str, ...]] = {
    "m_axi": (
        "bundle",
        "offset",
        "depth",
        "latency",
        "max_read_burst_length",
        "max_write_burst_length",
        "num_read_outstanding",
        "num_write_outstanding",
        "max_widen_bitwidth",
    ),
    "s_axilite": ("bundle", "offset"),
    "axis": ("register", "register_mode", "depth"),
    "ap_memory": ("storage_type", "latency", "depth"),
    "bram": ("storage_type", "latency", "depth"),
    "ap_fifo": ("depth", "register"),
}
"""Port protocols for arrays, with their options (UG1399, interface)."""


@dataclass(frozen=True)
class Interface(PolyPass):
    """An array argument becomes a port with a protocol.

    ::

        void f(float A[64])    →        #pragma HLS INTERFACE m_axi port=A bundle=gmem0

    Parameters
    ----------
    array : str
    mode : str
        ``m_axi``, ``s_axilite``, ``axis``, ``ap_memory``, ``bram`` or ``ap_fifo``. The streaming
        ones need every element to be touched once, in order of its address.
    options : tuple of str
        ``name=value`` each.
    """

    name: ClassVar[str] = "poly-interface"
    summary: ClassVar[str] = "choose the port that an array argument becomes"
    array: str
    mode: str
    options: tuple[str, ...] = ()

    def run(self, program: PolyProgram) -> PolyProgram:
        require_array(program, self.array)
        if not is_argument(program, self.array):
            raise PomError(
                "POM-S027",
                f"{self.array!r} is a local array and has no port",
                hint="stream() and bind_storage() say how a local array is built",
            )
        if self.mode not in OPTIONS:
            raise PomError(
                "POM-S027",
                f"unknown port protocol {self.mode!r}",
                hint=f"use one of {', '.join(OPTIONS)}",
            )
        pairs = tuple(sorted(self._option(text) for text in self.options))
        directives = program.directives_of(self.array)
        if self.mode == "m_axi" and (directives.partitions or directives.reshapes):
            raise PomError(
                "POM-S026",
                f"{self.array!r} is partitioned or reshaped and cannot be an m_axi port",
                hint="use ap_memory, or copy it into a local array and partition that",
            )
        if self.mode in ("axis", "ap_fifo"):
            reason = why_not_fifo(program, self.array)
            if reason:
                raise PomError(
                    "POM-S028",
                    f"{self.array!r} cannot be an {self.mode} port: {reason}",
                    hint="use m_axi or ap_memory, or reorder the loops so that the elements are "
                    "touched in order of their addresses",
                )
        return program.with_array(
            self.array, replace(directives, interface=self.mode, interface_options=pairs)
        )

    def _option(self, text: str) -> tuple[str, str]:
        key, separator, value = text.partition("=")
        is_known = separator and key in OPTIONS[self.mode]
        if is_known and not value.isidentifier() | value.isdigit():
            raise PomError(
                "POM-S027",
                f"the value of {key} must be a name or a number, not {value!r}",
                hint=f"for example {key}={'gmem0' if key == 'bundle' else '16'}",
            )
        if not is_known:
            raise PomError(
                "POM-S027",
                f"{text!r} is not an option of {self.mode}",
                hint=f"its options are {', '.join(OPTIONS[self.mode])}",
            )
        return key, value
