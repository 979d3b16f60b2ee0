"""Registers of values: the increments per lane are those of hgnn_designs.csv."""

from __future__ import annotations

from functools import cache

import pytest

from pom import devices
from pom.cli.qor import KernelFiles
from pom.qor_model.evaluate import outline_nests
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Design, LoopDirectives, Partition, PartitionKind
from pom.qor_model.resources import ResourceModel
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.labels_data import KERNELS

LIBRARY = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)


@cache
def _design(kernel: str) -> Design:
    return outline_nests(KernelFiles(KERNELS / "hgnn").design(kernel, "", "f32"))


def _values(
    kernel: str, nest: int, directives: dict[str, tuple[bool, int]], **splits: tuple[int, ...]
) -> int:
    """Bits of registers in one nest; loops are (pipelined, copies), splits one factor a dimension."""
    design = _design(kernel)
    loops = {n: LoopDirectives(p, 1 if p else None, u, False) for n, (p, u) in directives.items()}
    parts = {
        name: tuple(Partition(d, PartitionKind.CYCLIC, f) for d, f in enumerate(factors) if f > 1)
        for name, factors in splits.items()
    }
    model = LatencyModel(design, LIBRARY, DIRECTIVES_ONLY)
    result = model.estimate(loops, parts)
    chosen = model.with_directives(loops, parts)
    timing = result.functions[nest]
    counts = ResourceModel(LIBRARY).count_function(chosen.function(timing.name), timing)
    return round(counts.ff["values"])


def _gemm(lanes: int, copies: int = 1, is_pipelined: bool = True) -> int:
    directives = {"lp3": (False, 1), "lp4": (False, copies), "lp5": (is_pipelined, lanes)}
    return _values("gemm", 1, directives, A=(1, lanes), B=(lanes, copies))


def _k3mm(lanes: int) -> int:
    directives = {"lp1": (False, 1), "lp2": (False, 1), "lp3": (True, lanes)}
    across, along = (1, lanes), (lanes, 1)
    return _values("k3mm", 0, directives, A=across, B=along, C=across, D=along)


def _atax(lanes: int) -> int:
    directives = {"lp1": (False, 1), "lp2": (True, lanes)}
    return _values("atax", 0, directives, A=(1, lanes), x=(lanes,))


def test_products_that_wait_for_one_operator_share_registers() -> None:
    """The chain takes a product every 4 cycles.

    One multiplier makes a product a cycle in atax (three quarters of them wait at once), every
    other cycle in gemm and k3mm (a half); every load has a register.
    """
    assert _atax(8) - _atax(4) == 4 * (2 * 32 + 24)
    assert _gemm(16) - _gemm(8) == pytest.approx(8 * (2 * 32 + 16), abs=32)
    assert _k3mm(8) - _k3mm(4) == 4 * (4 * 32 + 2 * 16)


def test_copies_of_a_loop_share_registers_of_the_banks_that_they_share() -> None:
    """Two copies of gemm's sum read the same A and different banks of B."""
    alone, both = (
        _gemm(16, copies, is_pipelined=False) - _gemm(8, copies, is_pipelined=False)
        for copies in (1, 2)
    )
    assert both - alone == 8 * 32


def test_copies_of_a_pipeline_share_no_registers() -> None:
    assert _gemm(8, copies=2) == 2 * _gemm(8)
