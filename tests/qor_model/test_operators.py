"""The operator library: measured rows, rules for any width, other clocks and devices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pom import devices
from pom.errors import PomError
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import F16, F32, F64, I32, OpKind, ScalarKind, ScalarType
from pom.qor_model.schedule_result import OperatorKey

ARITHMETIC = [
    kind
    for kind in OpKind
    if kind not in (OpKind.CALL, OpKind.CONST, OpKind.INDEX, OpKind.LOAD, OpKind.STORE)
]
BITWISE = {OpKind.AND, OpKind.OR, OpKind.XOR, OpKind.NOT, OpKind.SHL, OpKind.SHR, OpKind.REM}


def _library(name: str = "xczu9eg", clock_ns: float | None = 10.0) -> OperatorLibrary:
    return OperatorLibrary.for_device(devices.load(name), clock_ns)


def _int(width: int) -> ScalarType:
    return ScalarType(ScalarKind.INT, width, width)


@pytest.mark.parametrize(
    ("device", "kind", "dtype", "stages", "dsp"),
    [
        ("xczu9eg", OpKind.ADD, F32, 4, 2),
        ("xczu9eg", OpKind.MUL, F32, 3, 3),
        ("xc7z020", OpKind.ADD, F32, 5, 2),
        ("xc7z020", OpKind.MUL, F32, 4, 3),
        ("xc7z020", OpKind.ADD, F64, 7, 3),
        ("xc7z020", OpKind.MUL, F64, 7, 11),
        ("xc7z020", OpKind.DIV, F64, 59, 0),
        ("xc7z020", OpKind.SQRT, F64, 57, 0),
    ],
)
def test_measured_operators(
    device: str, kind: OpKind, dtype: ScalarType, stages: int, dsp: int
) -> None:
    found = _library(device).lookup(kind, dtype)
    assert (found.stages, found.dsp) == (stages, dsp)
    assert found.latency == stages - 1
    assert not found.extrapolated
    assert found.source


@pytest.mark.parametrize("device", ["xc7z020", "xczu9eg", "xcu280"])
@pytest.mark.parametrize("kind", [OpKind.DIV, OpKind.SQRT])
def test_dividers_and_roots_need_area_although_the_tool_reports_none(
    device: str, kind: OpKind
) -> None:
    """The labels have no more area than the other operators take (hlsfactory_polybench.csv, trisolv)."""
    chip = devices.load(device)
    reported = OperatorLibrary.for_device(chip, as_reported=True)
    built = OperatorLibrary.for_device(chip)
    areas = [built.lookup(kind, dtype) for dtype in (F16, F32, F64)]
    assert [reported.lookup(kind, dtype).lut for dtype in (F16, F32, F64)] == [0, 0, 0]
    assert 0 < areas[0].lut < areas[1].lut < areas[2].lut
    assert all(area.ff > 0 and area.area_assumed and "subtractors" in area.source for area in areas)
    assert built.lookup(OpKind.ADD, F32) == reported.lookup(OpKind.ADD, F32)


@pytest.mark.parametrize("device", ["xc7z020", "xczu9eg", "xcu280", "xc7v585t"])
@pytest.mark.parametrize("dtype", [F16, F32, F64], ids=str)
def test_every_float_operation_exists_in_every_library(device: str, dtype: ScalarType) -> None:
    library = _library(device, None)
    for kind in ARITHMETIC:
        if kind not in BITWISE:
            assert library.lookup(kind, dtype).stages >= 1, kind


@given(width=st.integers(1, 1024), kind=st.sampled_from(ARITHMETIC))
def test_integers_of_any_width(width: int, kind: OpKind) -> None:
    if kind in (OpKind.RSQRT, OpKind.POW, OpKind.SIN, OpKind.COS, OpKind.TANH):
        return
    found = _library().lookup(kind, _int(width))
    assert found.stages >= 1
    assert min(found.dsp, found.lut, found.ff, found.delay_ns) >= 0


@given(width=st.integers(2, 256))
def test_a_wider_operator_is_never_cheaper(width: int) -> None:
    library = _library("xc7z020")
    for kind in (OpKind.ADD, OpKind.CMP, OpKind.DIV):
        narrow, wide = library.lookup(kind, _int(width)), library.lookup(kind, _int(width + 1))
        assert (narrow.lut, narrow.stages) <= (wide.lut, wide.stages)
    narrow, wide = (library.lookup(OpKind.MUL, _int(w)) for w in (width, width + 1))
    assert narrow.dsp <= wide.dsp


def test_integer_multipliers_have_the_stages_of_the_generated_modules() -> None:
    """mul_32s_32s_48_2_1, mul_64s_32s_64_5_1 and sdiv_48ns_32s_32_52_1 on xc7z020 at 10 ns."""
    library = _library("xc7z020")
    assert library.lookup(OpKind.MUL, _int(48), "", (I32, I32)).stages == 2
    assert library.lookup(OpKind.MUL, _int(64), "", (_int(64), I32)).stages == 5
    assert library.lookup(OpKind.DIV, I32, "", (_int(48), I32)).stages == 52


def test_a_root_of_fixed_point_takes_a_stage_a_bit() -> None:
    """24 bits in 23 stages: gramschmidt in fixed point (hlsfactory_polybench.csv)."""
    library = _library("xc7z020")
    operand = ScalarType(ScalarKind.FIXED, 32, 16)
    found = library.lookup(OpKind.SQRT, ScalarType(ScalarKind.FIXED, 24, 8), "", (operand,))
    assert (found.stages, found.dsp) == (23, 0)
    one = library.lookup(OpKind.SQRT, ScalarType(ScalarKind.FIXED, 1, 1), "", (operand,))
    assert one.stages == 1


def test_another_clock_or_device_is_marked_extrapolated() -> None:
    slow, fast = _library(), _library(clock_ns=5.0)
    assert not slow.extrapolated
    assert fast.extrapolated
    assert fast.lookup(OpKind.ADD, F32).stages >= slow.lookup(OpKind.ADD, F32).stages
    assert fast.lookup(OpKind.ADD, F32).extrapolated
    assert _library("xcu250", None).lookup(OpKind.DIV, F32).extrapolated


def test_measured_stages_with_assumed_area_are_told_apart() -> None:
    """The xcu280 is measured at its own clock, of single precision sums and products only."""
    library = _library("xcu280", None)
    assert not library.extrapolated
    product, quotient = library.lookup(OpKind.MUL, F32), library.lookup(OpKind.DIV, F32)
    assert (product.extrapolated, product.area_assumed) == (False, True)
    assert quotient.extrapolated
    assert library.origin == "virtexuplus -2 at 3.33 ns, Vitis HLS 2023.2"
    assert not _library().lookup(OpKind.ADD, F32).area_assumed


@pytest.mark.parametrize("name", devices.available())
def test_every_row_says_where_its_numbers_come_from(name: str) -> None:
    """A row is taken from a label file's columns, or it says that it is assumed."""
    library = _library(name, None)
    for kind, dtype in ((OpKind.ADD, F32), (OpKind.DIV, F32), (OpKind.ADD, F64), (OpKind.EXP, F32)):
        found = library.lookup(kind, dtype)
        is_measured = not found.extrapolated
        assert ("column" in found.source or "cycles" in found.source) or not is_measured
        assert "assumed" in found.source or (is_measured and not found.area_assumed)


def test_implementations_can_be_chosen_and_unknown_ones_are_refused() -> None:
    library = _library()
    assert library.lookup(OpKind.ADD, F32, "fabric").dsp == 0
    assert library.lookup(OpKind.MUL, F32, "medium_dsp").dsp == 1
    assert library.lookup(OpKind.MUL, F32, "meddsp").dsp == 1
    assert library.lookup(OpKind.MUL, F32, "fulldsp").dsp == 2
    assert library.lookup(OpKind.SUB, F16, "fulldsp").dsp == 2
    with pytest.raises(PomError, match="POM-Q011") as caught:
        library.lookup(OpKind.ADD, F32, "gold")
    assert "full_dsp" in str(caught.value)
    with pytest.raises(PomError, match="POM-Q010"):
        _library(clock_ns=-1.0)


def test_timing_is_what_the_scheduler_needs() -> None:
    timing = _library().timing(OperatorKey(OpKind.ADD, F32))
    assert timing.latency_cycles == 3
    assert timing.is_shared
    assert not _library().timing(OperatorKey(OpKind.ADD, I32)).is_shared
