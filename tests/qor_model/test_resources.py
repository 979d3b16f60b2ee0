"""Resources counted from schedules: sharing, memories, multiplexers, properties, labels."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom import devices
from pom.cli.qor import KernelFiles
from pom.qor_model.evaluate import Evaluation, evaluate
from pom.qor_model.labels import LabelFile, read_labels
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    F32,
    Access,
    Array,
    Design,
    Interface,
    LoopDirectives,
    OpKind,
    Partition,
    PartitionKind,
    Storage,
)
from pom.qor_model.resources import ResourceModel, ResourceReport
from pom.qor_model.resources_address import signed_digits
from pom.qor_model.resources_body import bank_words, nested_muxes, unresolved_banks
from pom.qor_model.resources_constants import bank_mux_lut, load_constants, mux_lut
from pom.qor_model.resources_memory import block_rams, memory_cost
from pom.qor_model.resources_routed import estimate_routed
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.labels_data import KERNELS, labels
from tests.qor_model.regions import array, design, dot_row, iv, loop, scale_row

LANES = (1, 2, 4, 8, 16, 32)


@cache
def _library(part: str = "xczu9eg", clock_ns: float = 10.0) -> OperatorLibrary:
    return OperatorLibrary.for_device(devices.load(part), clock_ns, as_reported=True)


def _map_design() -> Design:
    nest = loop("i", 64, loop("j", 64, *scale_row()))
    return design(nest, arrays=(array("C", 64, 64),))


def _dot_design() -> Design:
    nest = loop("i", 64, loop("j", 64, *dot_row()))
    return design(nest, arrays=(array("A", 64, 64), array("x", 64), array("tmp", 64)))


def _estimate(
    what: Design, loops: dict[str, LoopDirectives], partitions: dict[str, tuple[Partition, ...]]
) -> ResourceReport:
    result = LatencyModel(what, _library(), DIRECTIVES_ONLY).estimate(loops, partitions)
    return ResourceModel(_library()).estimate(what, result, partitions)


def _cyclic(dim: int, factor: int) -> tuple[Partition, ...]:
    return (Partition(dim, PartitionKind.CYCLIC, factor),) if factor > 1 else ()


def _pipelined(unroll: int) -> dict[str, LoopDirectives]:
    return {
        "i": LoopDirectives(False, None, 1, False),
        "j": LoopDirectives(True, 1, unroll, False),
    }


@pytest.mark.parametrize("lanes", LANES)
def test_a_pipelined_map_has_one_multiplier_a_lane(lanes: int) -> None:
    found = _estimate(_map_design(), _pipelined(lanes), {"C": _cyclic(1, lanes)})
    assert found.total.dsp == 3 * lanes


@pytest.mark.parametrize("lanes", LANES)
def test_without_banks_the_lanes_share_one_multiplier(lanes: int) -> None:
    assert _estimate(_map_design(), _pipelined(lanes), {}).total.dsp == 3


@given(st.sampled_from(LANES), st.sampled_from(LANES), st.booleans())
@settings(max_examples=30, deadline=None)
def test_more_lanes_never_need_less(first: int, second: int, is_map: bool) -> None:
    fewer, more = sorted((first, second))
    what = _map_design() if is_map else _dot_design()

    def at(lanes: int) -> ResourceReport:
        parts = {"C": _cyclic(1, lanes), "A": _cyclic(1, lanes), "x": _cyclic(0, lanes)}
        return _estimate(what, _pipelined(lanes), parts)

    small, large = at(fewer).total, at(more).total
    assert small.dsp <= large.dsp
    assert small.lut <= large.lut
    assert small.ff <= large.ff


def test_the_same_design_gives_the_same_report() -> None:
    first, second = (_estimate(_dot_design(), _pipelined(4), {}) for _ in range(2))
    assert first.total == second.total
    assert first.lut_by_cause == second.lut_by_cause


def test_causes_add_up() -> None:
    found = _estimate(_dot_design(), _pipelined(4), {"A": _cyclic(1, 4), "x": _cyclic(0, 4)})
    assert round(sum(v for _, v in found.lut_by_cause)) == found.total.lut
    assert round(sum(v for _, v in found.ff_by_cause)) == found.total.ff
    assert {str(key.kind) for key, _ in found.operators} >= {"add", "mul"}
    assert found.unmeasured == ()


def test_operators_that_were_not_measured_are_named() -> None:
    result = LatencyModel(_dot_design(), _library("xcu280", 3.33)).estimate()
    report = ResourceModel(_library("xcu280", 3.33)).estimate(_dot_design(), result)
    assert report.unmeasured == ("add f32 (area only)", "mul f32 (area only)")
    assert report.extrapolated


def _local(*shape: int, parts: tuple[Partition, ...] = (), impl: str = "") -> Array:
    return Array("t", shape, F32, parts, (), Storage("", impl), Interface(), is_argument=False)


@pytest.mark.parametrize(
    ("what", "bram_18k"),
    [
        (_local(64, 64), 8),
        (_local(64), 1),
        (_local(64, parts=_cyclic(0, 2)), 2),
        (_local(64, parts=_cyclic(0, 4)), 0),
        (_local(64, 64, parts=_cyclic(1, 64)), 64),
    ],
)
def test_block_rams_of_local_arrays(what: Array, bram_18k: int) -> None:
    """As the tool reports them for the buffers of ml4accel_postroute.csv."""
    assert memory_cost(what, _library().memory).bram_18k == bram_18k


def test_arguments_cost_no_memory_and_storage_can_be_bound() -> None:
    memory = _library().memory
    assert memory_cost(array("A", 64, 64), memory).bram_18k == 0
    assert memory_cost(_local(4096, impl="uram"), memory).uram == 1
    lutram = memory_cost(_local(4096, impl="lutram"), memory)
    assert (lutram.bram_18k, lutram.uram) == (0, 0)
    assert lutram.lut > 0
    complete = _local(8, parts=(Partition(0, PartitionKind.COMPLETE, 0),))
    assert memory_cost(complete, memory).ff == 8 * 32


@given(st.integers(1, 1 << 16), st.integers(1, 128))
def test_block_rams_hold_the_bits(words: int, width: int) -> None:
    assert block_rams(words, width) * 18432 >= words * min(width, 1 << 30)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 16))
def test_bank_of_an_access_is_resolved_exactly_when_the_stride_says_so(
    factor: int, stride: int, coef: int
) -> None:
    what = Array("A", (64,), F32, (Partition(0, PartitionKind.CYCLIC, factor),))
    access = Access("A", (iv("i", 3, coef),))
    (found,) = unresolved_banks(access, what, {"i": stride})
    reached = {(coef * stride * n + 3) % min(factor, 64) for n in range(factor)}
    assert found == len(reached)


def test_nested_muxes_select_the_last_dimension_first() -> None:
    assert nested_muxes((2, 64)) == [2, 64, 64]
    assert nested_muxes((1, 4)) == [4]
    assert sum(bank_mux_lut(n) for n in nested_muxes((2, 64))) == 9 + 2 * 273


def test_multiplexer_table() -> None:
    assert [round(mux_lut(n)) for n in (1, 2, 4, 8)] == [0, 10, 21, 42]
    assert [round(mux_lut(n)) for n in (12, 16, 32, 64)] == [65, 68, 137, 273]
    costs = [mux_lut(n) for n in range(2, 80)]
    assert costs == sorted(costs)


@given(st.integers(1, 1 << 20))
def test_signed_digits_are_as_few_as_they_can_be(value: int) -> None:
    found = signed_digits(value)
    assert 1 <= found <= math.ceil((value.bit_length() + 1) / 2)
    assert (found == 1) == (value & (value - 1) == 0)
    assert signed_digits(2 * value) == found


def test_signed_digits_of_row_lengths() -> None:
    assert [signed_digits(n) for n in (240, 120, 60, 190, 220, 400)] == [2, 2, 2, 3, 3, 3]


def test_bank_words_cover_the_array() -> None:
    what = array("A", 60, 50, d1=8, d2=4)
    assert bank_words(what) == math.ceil(60 / 8) * math.ceil(50 / 4)


def test_the_routed_estimate_is_below_synthesis_in_lut_and_keeps_dsp() -> None:
    synthesis = _estimate(_map_design(), _pipelined(8), {"C": _cyclic(1, 8)}).total
    routed = estimate_routed(synthesis)
    assert routed.routed_dsp == synthesis.dsp
    assert 0 < routed.routed_lut < synthesis.lut
    assert 0 < routed.routed_ff < synthesis.ff
    assert routed.routed_dynamic_power_mw > 0


def test_constants_are_found_by_tool_version() -> None:
    old, new = load_constants("Vitis HLS 2022.1"), load_constants("Vitis HLS 2023.1")
    assert old != new
    assert load_constants("Vitis HLS 2024.2") == new
    first = load_constants("Vivado HLS 2018.3")
    assert first.is_dual_port_narrow
    assert not old.is_dual_port_narrow
    assert load_constants("Vivado HLS 2016.4") == first
    assert min(*old.lut, *old.ff, *new.lut, *new.ff) >= 0


def _measured(name: str, folder: str, step: int) -> Evaluation:
    file = read_labels(labels(name))
    chosen = LabelFile(file.kind, file.labels[::step])
    return evaluate(chosen, KernelFiles(KERNELS / folder), _library)


def test_measured_designs() -> None:
    found = _measured("hgnn_designs.csv", "hgnn", 11)
    dsp, lut, ff = (found.statistics(m) for m in ("dsp", "lut", "ff"))
    assert dsp is not None
    assert lut is not None
    assert ff is not None
    assert dsp.exact >= 95.0
    assert dsp.mape <= 2.0
    assert lut.mape <= 5.0
    assert ff.mape <= 5.0


def test_measured_defaults_of_the_tool() -> None:
    found = _measured("hlsfactory_polybench.csv", "polybench", 1)
    lut, ff = found.statistics("lut"), found.statistics("ff")
    assert lut is not None
    assert ff is not None
    assert lut.mape <= 15.0
    assert ff.mape <= 15.0


def test_kinds_are_what_the_report_names() -> None:
    found = _estimate(_map_design(), _pipelined(1), {})
    assert [key.kind for key, _ in found.operators] == [OpKind.MUL]
