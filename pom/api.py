"""From a kernel or a schedule to a design: every step, checked.

The steps are: graph → poly (`graph_to_poly`), the schedule's primitives, poly → affine + hls
(`poly_to_affine`), the verifier of level 3, translation validation, and text.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pom import devices
from pom.devices import Device
from pom.errors import PomError

if TYPE_CHECKING:
    import numpy as np
    from mlir.ir import Module

    from pom.dsl.kernel import KernelFunction
    from pom.ir.graph import Kernel
    from pom.ir.poly import PolyProgram
    from pom.schedule import Schedule

_SHORTEST_CLOCK_NS = 0.1
_LONGEST_CLOCK_NS = 1000.0

Emit = Literal["graph", "poly", "affine", "hlscpp"]


class Design:
    """A kernel with a schedule, lowered and validated for a device.

    Attributes
    ----------
    kernel : pom.ir.graph.Kernel
        Level 1.
    program : pom.ir.poly.PolyProgram
        Level 2, transformed.
    module : mlir.ir.Module
        Level 3. Do not edit it: everything else is made from it.
    device : pom.devices.Device
    clock_ns : float
    timing : list of (step, seconds)

    Notes
    -----
    Calling the design runs it through the JIT on numpy arrays.
    """

    def __init__(
        self,
        schedule: Schedule,
        device: Device,
        clock_ns: float,
    ) -> None:
        from pom.dialects.hls import verify_affine
        from pom.passes.lowering import lower

        self.schedule = schedule
        self.kernel: Kernel = schedule.kernel
        self.program: PolyProgram = schedule.program
        self.device = device
        self.clock_ns = clock_ns
        self.timing: list[tuple[str, float]] = []
        start = time.perf_counter()
        self.module: Module = lower(self.program, schedule.reference_program)
        start = self._mark("to affine and validate", start)
        verify_affine(self.module)
        self._mark("verify", start)

    def _mark(self, step: str, start: float) -> float:
        now = time.perf_counter()
        self.timing.append((step, now - start))
        return now

    @property
    def name(self) -> str:
        return self.kernel.name

    @cached_property
    def cpp(self) -> str:
        """HLS C++ of the kernel."""
        from pom.codegen.hlscpp import emit

        start = time.perf_counter()
        text = emit(self.module)
        self._mark("emit C++", start)
        return text

    def text(self, emit: Emit | str) -> str:
        """The design at one level.

        Parameters
        ----------
        emit : {"graph", "poly", "affine", "hlscpp"}
        """
        match emit:
            case "graph":
                from pom.dialects import graph

                return str(graph.to_mlir(self.kernel))
            case "poly":
                from pom.dialects import poly

                return str(poly.to_mlir(self.program))
            case "affine":
                return str(self.module)
            case "hlscpp":
                return self.cpp
        raise ValueError(f"unknown level {emit!r}")

    def write_project(self, path: Path) -> None:
        """Write the C++, a self-checking testbench with its data, and the Vitis configuration."""
        from pom.codegen.project import write_design

        write_design(self, path)

    @cached_property
    def _jit(self) -> Any:
        from pom.runtime.jit import JitFunction

        return JitFunction(self.module, self.name)

    def __call__(self, *positional: Any, **named: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Run the design on numpy arrays and scalars; returns the arrays that it writes.

        The arguments are those of the kernel, by position or by name, and are not changed.
        """
        from pom.runtime.arguments import bind

        arguments: Mapping[str, Any] = bind(self.kernel, positional, named)
        result: dict[str, np.ndarray[Any, Any]] = self._jit(arguments)
        return result


def build(
    kernel: KernelFunction | Schedule,
    target: str | Device = "xczu9eg",
    clock_ns: float | None = None,
) -> Design:
    """Lower a kernel, or a kernel with a schedule, and validate the result.

    Parameters
    ----------
    kernel : KernelFunction or Schedule
    target : str or Device
        A name that ``pom devices`` lists.
    clock_ns : float, optional
        Clock period; the device's default without it.

    Raises
    ------
    PomError
        POM-U104 for the clock; the device is unknown; or the result does not pass validation.
    """
    from pom.schedule import Schedule, schedule

    if clock_ns is not None and (
        isinstance(clock_ns, bool)
        or not isinstance(clock_ns, int | float)
        or not _SHORTEST_CLOCK_NS <= clock_ns <= _LONGEST_CLOCK_NS
    ):
        raise PomError(
            "POM-U104",
            f"the clock period must be a number of ns from {_SHORTEST_CLOCK_NS} to "
            f"{_LONGEST_CLOCK_NS}, not {clock_ns!r}",
            hint="leave it out for the default of the device",
        )
    device = target if isinstance(target, Device) else devices.load(target)
    chosen = kernel if isinstance(kernel, Schedule) else schedule(kernel)
    return Design(chosen, device, device.clock_ns if clock_ns is None else clock_ns)
