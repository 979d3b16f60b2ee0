"""Choose the memory that an array becomes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.array_directives import is_argument, require_array
from pom.passes.base import PolyPass
from pom.passes.isl_build import directions

STORAGE: dict[str, tuple[str, ...]] = {
    "fifo": ("auto", "bram", "lutram", "uram", "srl", "memory"),
    "ram_1p": ("auto", "bram", "lutram", "uram"),
    "ram_1wnr": ("auto", "bram", "lutram", "uram"),
    "ram_2p": ("auto", "bram", "lutram", "uram"),
    "ram_s2p": ("auto", "bram", "bram_ecc", "lutram", "uram", "uram_ecc"),
    "ram_t2p": ("auto", "bram", "uram"),
    "rom_1p": ("auto", "bram", "lutram", "uram"),
    "rom_2p": ("auto", "bram", "lutram", "uram"),
    "rom_np": ("auto", "bram", "lutram"),
}
"""Implementations that Vitis has for each memory type (UG1399, bind_storage)."""

_LONGEST_LATENCY = 100


@dataclass(frozen=True)
class BindStorage(PolyPass):
    """An array becomes a memory of a type, in a kind of block.

    ::

        float A[64];           →        float A[64];
                                        #pragma HLS BIND_STORAGE variable=A type=ram_t2p impl=bram

    Parameters
    ----------
    array : str
    type : str
        ``fifo``, ``ram_1p``, ``ram_1wnr``, ``ram_2p``, ``ram_s2p``, ``ram_t2p``, ``rom_1p``, …
    impl : str
        ``auto``, ``bram``, ``lutram``, ``uram``, …: what Vitis has for the type.
    latency : int
        Cycles of an access; 0 leaves it to the tool.
    """

    name: ClassVar[str] = "poly-bind-storage"
    summary: ClassVar[str] = "choose the memory that an array becomes"
    array: str
    type: str = "ram_2p"
    impl: str = "auto"
    latency: int = 0

    def run(self, program: PolyProgram) -> PolyProgram:
        if require_array(program, self.array).type.rank == 0:
            raise PomError(
                "POM-S025",
                f"{self.array!r} is a scalar: it becomes registers, not a memory",
                hint="leave the directive out",
            )
        if self.type not in STORAGE:
            raise PomError(
                "POM-S025",
                f"unknown memory type {self.type!r}",
                hint=f"use one of {', '.join(STORAGE)}",
            )
        if self.impl not in STORAGE[self.type]:
            raise PomError(
                "POM-S025",
                f"there is no {self.type} in {self.impl!r}",
                hint=f"{self.type} can be {', '.join(STORAGE[self.type])}",
            )
        latency = self.latency
        if not isinstance(latency, int) or not 0 <= latency <= _LONGEST_LATENCY:
            raise PomError(
                "POM-S025",
                f"the latency of a memory is 0 to {_LONGEST_LATENCY} cycles, not {latency!r}",
                hint="0 leaves it to the tool",
            )
        if self.type.startswith("rom") and self.array in directions(program)[1]:
            raise PomError(
                "POM-S025",
                f"{self.array!r} is written and cannot be a {self.type}",
                hint="use a ram type, for example 'ram_2p'",
            )
        if self.type == "fifo" and program.directives_of(self.array).stream_depth is None:
            raise PomError(
                "POM-S025",
                f"{self.array!r} is not a stream and cannot be a fifo, which has no addresses",
                hint="use a ram type"
                if is_argument(program, self.array)
                else f"make it one first: s.array({self.array!r}).stream(); or use a ram type",
            )
        directives = replace(
            program.directives_of(self.array),
            storage_type=self.type,
            storage_impl=self.impl,
            storage_latency=latency or None,
        )
        return program.with_array(self.array, directives)
