"""What a design is compared with: the kernel as written, without a single pragma."""

from __future__ import annotations

from dataclasses import dataclass

from pom.devices import Device
from pom.ir.graph import Kernel
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.settings import UNOPTIMISED, VITIS_DEFAULTS


@dataclass(frozen=True, slots=True)
class Baseline:
    """A design to compare with.

    Parameters
    ----------
    name : str
        What it is, in words.
    latency_cycles : float
    """

    name: str
    latency_cycles: float


def baselines(kernel: Kernel, device: Device, clock_ns: float) -> tuple[Baseline, Baseline]:
    """The kernel as written without pragmas: nothing pipelined, and with what Vitis does by itself.

    The first is what published speed-ups are over.
    """
    design = design_from_affine(poly_to_affine(graph_to_poly(kernel)))
    library = OperatorLibrary.for_device(device, clock_ns)
    return (
        Baseline(
            "the design without pragmas, nothing pipelined",
            estimate_latency(design, library, UNOPTIMISED).latency_cycles,
        ),
        Baseline(
            "the design without pragmas as Vitis pipelines it by default",
            estimate_latency(design, library, VITIS_DEFAULTS).latency_cycles,
        ),
    )
