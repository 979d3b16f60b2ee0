"""Vivado HLS 2018: what it does with banks that are chosen at run time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from pom import devices
from pom.cli.qor import KernelFiles
from pom.qor_model.evaluate import evaluate, every_array, resource_model
from pom.qor_model.labels import LabelFile, read_labels
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives, Partition, PartitionKind
from pom.qor_model.resources import Resources
from pom.qor_model.resources_memory import block_rams
from pom.qor_model.schedule_result import DesignResult, LoopResult
from pom.qor_model.settings import DIRECTIVES_ONLY, VIVADO_2018, ToolSettings
from tests.qor_model.labels_data import KERNELS, labels


def _library(part: str, clock_ns: float) -> OperatorLibrary:
    name = next(n for n in devices.available() if part.startswith(n))
    return OperatorLibrary.for_device(devices.load(name), clock_ns)


@cache
def _model(kernel: str, settings: ToolSettings) -> LatencyModel:
    design = KernelFiles(KERNELS / "ml4accel").design(kernel, "", "")
    return LatencyModel(design, _library("xczu9eg", 10.0), settings)


def _scheduled(
    kernel: str,
    factor: int,
    settings: ToolSettings = VIVADO_2018,
    dims: tuple[int, ...] = (-1,),
    **loops: tuple[bool, int],
) -> tuple[DesignResult, Resources]:
    """Some dims of every array in `factor` banks; loops as (pipelined, unroll)."""
    model = _model(kernel, settings)
    wanted = {name: LoopDirectives(p, None, u) for name, (p, u) in loops.items()}
    banks = tuple(Partition(dim, PartitionKind.CYCLIC, factor) for dim in dims)
    split = every_array(model.design, banks if factor > 1 else ())
    result = model.estimate(wanted, split)
    made = resource_model(model.library, settings)
    return result, made.estimate(model.with_directives(wanted, split), result).total


def _counts(kernel: str, factor: int, **loops: tuple[bool, int]) -> Mapping[str, float]:
    """Counted flip-flops by mechanism."""
    model = _model(kernel, VIVADO_2018)
    wanted = {name: LoopDirectives(p, None, u) for name, (p, u) in loops.items()}
    split = every_array(model.design, (Partition(-1, PartitionKind.CYCLIC, factor),))
    result = model.estimate(wanted, split)
    counter = resource_model(model.library, VIVADO_2018)
    return counter.count(model.with_directives(wanted, split), result).ff


def _loop(result: DesignResult, name: str) -> LoopResult:
    todo = [loop for function in result.functions for loop in function.loops]
    while todo:
        loop = todo.pop()
        if name in loop.names:
            return _loop_below(loop, name)
        todo += loop.children
    raise AssertionError(name)


def _loop_below(loop: LoopResult, name: str) -> LoopResult:
    return next((child for child in loop.children if name in child.names), loop)


def test_a_sum_in_a_bank_that_the_loop_chooses_is_not_pipelined() -> None:
    chosen, _ = _scheduled("k3mm", 2, lp2=(True, 1))
    known, _ = _scheduled("k3mm", 2, lp2=(True, 2))
    newer, _ = _scheduled("k3mm", 2, DIRECTIVES_ONLY, lp2=(True, 1))
    assert _loop(chosen, "lp2").ii is None
    assert _loop(known, "lp2").ii == 32
    assert _loop(newer, "lp2").ii == 32


def test_the_operators_of_such_a_loop_follow_the_ports() -> None:
    """(3 multipliers + 2 for the adders: DSP of the labels io2_l2p1n1 and io2_l2p2n1)."""
    assert _scheduled("k3mm", 2, lp2=(True, 1), lp5=(True, 1), lp8=(True, 1))[1].dsp == 8
    assert _scheduled("k3mm", 2, lp2=(True, 2), lp5=(True, 2), lp8=(True, 2))[1].dsp == 20


@pytest.mark.parametrize(("factor", "dsp"), [(1, 5), (2, 10), (4, 5), (8, 5)])
def test_copies_that_choose_their_bank_wait_for_each_other(factor: int, dsp: int) -> None:
    """Two copies of an update need two operators of each kind only if their banks are known."""
    unroll = 2 if factor > 1 else 1
    assert _scheduled("gemm", factor, lp5=(False, unroll))[1].dsp == dsp


def test_a_map_that_chooses_its_bank_is_pipelined() -> None:
    result, total = _scheduled("gemm", 4, lp5=(True, 2))
    assert _loop(result, "lp5").ii == 1
    assert total.dsp == 10


def test_a_memory_whose_two_ports_are_busy_takes_more_blocks() -> None:
    assert block_rams(512, 32) == 1
    assert block_rams(512, 32, is_dual_port=True) == 2
    assert block_rams(1024, 32, is_dual_port=True) == block_rams(1024, 32)
    # x has 64 words of 32 bits; with i pipelined around j, two of them are read per cycle.
    single = _scheduled("atax", 1)[1].bram_18k
    assert _scheduled("atax", 1, lp1=(True, 1))[1].bram_18k == single + 1


@pytest.mark.parametrize(("unroll", "more"), [(1, 0), (2, 0), (4, 0), (8, 8)])
def test_a_store_that_moves_among_banks_leaves_the_other_port_to_nobody(
    unroll: int, more: int
) -> None:
    """C = beta C + tmp1 in 8 banks of 512 words (labels io8_l2n1n1_l4n1p1 to l4n1p8)."""
    sequential = _scheduled("gemm", 8)[1].bram_18k
    assert _scheduled("gemm", 8, lp5=(True, unroll))[1].bram_18k == sequential + more


def test_code_in_front_of_a_pipeline_loads_as_early_as_ports_allow() -> None:
    """alpha A[i][k] is computed in front of the pipeline of j, from 8 x 8 banks of A.

    Both ports of these are used at once, as are those of B in the pipeline (labels
    io8_l2n1n1_l4n1n1_d1d2: 256 blocks, io8_l2p8n1_l4n1n1_d1d2: 384).
    """
    assert _scheduled("gemm", 8, dims=(0, 1))[1].bram_18k == 256
    assert _scheduled("gemm", 8, dims=(0, 1), lp2=(True, 8))[1].bram_18k == 384


def test_small_memories_that_are_read_and_written_at_once_are_blocks() -> None:
    """y has 4 banks of 16 words; x is only read twice at once (labels io4_l1p4n1 and l3n1p4)."""
    plain = _scheduled("atax", 4)[1].bram_18k
    assert _scheduled("atax", 4, lp4=(True, 2))[1].bram_18k == plain
    assert _scheduled("atax", 4, lp4=(True, 4))[1].bram_18k == plain + 8
    assert _scheduled("atax", 4, lp1=(True, 4))[1].bram_18k == plain


def test_pipelines_that_move_among_banks_need_no_shift_registers() -> None:
    """Flip-flops of the labels io8_l1p8n1_l3n1n1 (55,981) and, for the map, of 4n1p8 over 4n1p4."""
    known = _counts("atax", 8, lp1=(True, 8))
    assert known["shift_registers"] > 10_000
    assert _counts("gemm", 8, lp5=(True, 4))["shift_registers"] == 0
    assert _counts("gemm", 8, lp5=(True, 8))["shift_registers"] > 0


def test_nests_share_shift_registers() -> None:
    one = _counts("gesummv", 4, lp1=(True, 4))["shift_registers"]
    both = _counts("gesummv", 4, lp1=(True, 4), lp3=(True, 4))["shift_registers"]
    assert 0 < one <= both < 1.1 * one


def test_the_rules_reproduce_the_measured_designs() -> None:
    file = read_labels(labels("ml4accel_postroute.csv"))
    found = evaluate(
        LabelFile(file.kind, file.labels[::61]), KernelFiles(KERNELS / "ml4accel"), _library
    )
    dsp, lut, ff = (found.statistics(name) for name in ("dsp", "lut", "ff"))
    assert dsp is not None
    assert dsp.exact > 70
    assert dsp.mape < 15
    assert lut is not None
    assert lut.mape < 20
    assert ff is not None
    assert ff.mape < 30
