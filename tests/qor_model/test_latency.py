"""Latency by scheduling: the mechanisms one by one, on xczu9eg at 10 ns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pom import devices
from pom.errors import PomError
from pom.qor_model.latency import LatencyModel, estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    F32,
    INDEX,
    Affine,
    Array,
    Block,
    Design,
    Function,
    If,
    Interface,
    Loop,
    LoopDirectives,
    Op,
    OpKind,
    Partition,
    PartitionKind,
    Storage,
)
from pom.qor_model.schedule_result import DesignResult, LimitKind, LoopResult
from pom.qor_model.settings import DIRECTIVES_ONLY, VITIS_DEFAULTS, Effort
from tests.qor_model.regions import (
    array,
    compute,
    design,
    dot_row,
    iv,
    load,
    loop,
    scale_row,
    store,
)

OFF = LoopDirectives(False)
PIPELINED = LoopDirectives(True)
LIBRARY = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)


def _run(item: Design) -> DesignResult:
    return estimate_latency(item, LIBRARY, DIRECTIVES_ONLY)


def _leaf(result: DesignResult) -> LoopResult:
    return next(item for item in result.all_loops() if not item.children)


def _map(inner: LoopDirectives, outer: LoopDirectives = OFF, **split: int) -> Design:
    nest = loop("i", 64, loop("j", 64, *scale_row(), directives=inner), directives=outer)
    return design(nest, arrays=(array("C", 64, 64, **split),))


def _dot(inner: LoopDirectives) -> Design:
    nest = loop("i", 64, loop("j", 64, *dot_row(), directives=inner), directives=OFF)
    return design(nest, arrays=(array("A", 64, 64), array("x", 64), array("tmp", 64)))


def test_an_iteration_is_load_multiply_store() -> None:
    """Two states for the load, three for the multiplication, one for the store."""
    result = _run(_map(OFF))
    assert _leaf(result).iteration_latency == 6
    assert result.latency_cycles == 64 * (1 + 64 * 6 + 1) + 1


def test_a_pipelined_map_starts_every_cycle_and_is_flattened() -> None:
    leaf = _leaf(_run(_map(PIPELINED, LoopDirectives(False, flatten=None))))
    assert (leaf.names, leaf.ii, leaf.trip_count) == (("i", "j"), 1, 4096)


def _through_a_scalar(*, is_guarded: bool) -> LoopResult:
    """``t = x[j]; C[i, j] = t * C[i, j]``, the first under a guard on j or not."""
    value = load("x", iv("j"))
    kept = [value, store(value, "t")]
    other, element = load("t"), load("C", iv("i"), iv("j"))
    product = compute(OpKind.MUL, other, element)
    rest = Block((other, element, product, store(product, "C", iv("i"), iv("j"))))
    first = If((iv("j", -5),), (Block(tuple(kept)),)) if is_guarded else Block(tuple(kept))
    inner = replace(loop("j", 64, directives=PIPELINED), body=(first, rest))
    nest = loop("i", 64, inner, directives=LoopDirectives(False, flatten=None))
    arrays = (array("C", 64, 64), array("x", 64), array("t"))
    return _leaf(_run(design(nest, arrays=arrays)))


def test_a_scalar_that_every_iteration_writes_first_is_not_kept_across_them() -> None:
    assert _through_a_scalar(is_guarded=False).names == ("i", "j")
    assert _through_a_scalar(is_guarded=True).names == ("j",)


def test_flattening_can_be_switched_off() -> None:
    off = LoopDirectives(True, flatten=False)
    assert _leaf(_run(_map(off))).names == ("j",)


def test_ports_limit_an_unrolled_pipeline() -> None:
    leaf = _leaf(_run(_map(LoopDirectives(True, unroll=8))))
    assert (leaf.ii, leaf.limit.kind, leaf.limit.subject) == (8, LimitKind.PORTS, "C")
    split = _leaf(_run(_map(LoopDirectives(True, unroll=8), d2=8)))
    assert split.ii == 1


def test_too_few_banks_keep_updates_in_order() -> None:
    """With 1 < banks < copies the tool cannot tell the elements of a bank apart."""
    leaf = _leaf(_run(_map(LoopDirectives(True, unroll=4), d2=2)))
    assert (leaf.ii, leaf.iteration_latency) == (2, 12)


@pytest.mark.parametrize(("unroll", "ii"), [(1, 3), (2, 8), (4, 16)])
def test_a_float_sum_is_limited_by_its_recurrence(unroll: int, ii: int) -> None:
    leaf = _leaf(_run(_dot(LoopDirectives(True, unroll=unroll))))
    assert (leaf.ii, leaf.limit.kind, leaf.limit.subject) == (ii, LimitKind.RECURRENCE, "tmp")


def test_a_requested_interval_is_kept() -> None:
    leaf = _leaf(_run(_map(LoopDirectives(True, ii=5))))
    assert (leaf.ii, leaf.limit.kind) == (5, LimitKind.REQUESTED)


def test_the_accumulator_is_loaded_before_and_stored_behind_the_loop() -> None:
    result = _run(_dot(OFF))
    assert result.latency_cycles == 64 * (2 + 64 * 9 + 1) + 1


def test_outer_copies_run_one_after_the_other() -> None:
    result = _run(_map(OFF, LoopDirectives(False, unroll=2), d1=2))
    assert result.latency_cycles == 32 * (1 + 2 * (64 * 6 + 1)) + 1


def test_functions_run_one_after_the_other() -> None:
    nests = []
    for number in range(2):
        body = loop("i", 64, loop("j", 64, *scale_row(), directives=OFF), directives=OFF)
        nests.append(Function(f"f{number}", (array("C", 64, 64),), (body,)))
    calls = Block(tuple(Op(-1 - n, OpKind.CALL, INDEX, callee=f"f{n}") for n in range(2)))
    item = Design("top", (*nests, Function("top", (), (calls,))))
    assert _run(item).latency_cycles == 2 * (64 * (64 * 6 + 2) + 2) + 1


def test_recursion_is_refused() -> None:
    call = Op(1, OpKind.CALL, INDEX, callee="top")
    with pytest.raises(PomError, match="POM-Q003"):
        _run(Design("top", (Function("top", (), (Block((call,)),)),)))


def test_a_body_that_no_tool_would_take_is_refused() -> None:
    with pytest.raises(PomError, match="POM-Q006"):
        _run(_cube())


def test_a_body_beyond_the_work_allowed_is_refused() -> None:
    item = _map(LoopDirectives(True, unroll=8))
    with pytest.raises(PomError, match="POM-Q006"):
        estimate_latency(item, LIBRARY, DIRECTIVES_ONLY, Effort(operations=20))


def _cube() -> Design:
    old = load("C", iv("i"), iv("j"))
    new = compute(OpKind.MUL, old, scalars=("0:beta",))
    body = [old, new, store(new, "C", iv("i"), iv("j"))]
    inner = loop("i", 128, loop("j", 128, *body))
    nest = loop("k", 8, inner, directives=PIPELINED)
    return design(nest, arrays=(array("C", 128, 128),))


def test_a_triangle_counts_its_mean_row() -> None:
    inner = Loop("j", (Affine((), 0),), (iv("i"),), (Block(tuple(scale_row())),), directives=OFF)
    nest = loop("i", 64, inner, directives=OFF)
    leaf = _leaf(_run(design(nest, arrays=(array("C", 64, 64),))))
    assert (leaf.trip_count, leaf.trip_count_min, leaf.trip_count_max) == (31, 0, 63)


def test_loops_that_vary_around_a_pipeline_count_their_mean() -> None:
    """for h: for i in 0..h: for r in 0..16: for j: tmp[i] += …"""
    row = loop("r", 16, loop("j", 64, *dot_row(), directives=PIPELINED), directives=OFF)
    varying = Loop("i", (Affine((), 0),), (iv("h"),), (row,), directives=OFF)
    arrays = (array("tmp", 64), array("A", 64, 64), array("x", 64))
    result = _run(design(loop("h", 64, varying, directives=OFF), arrays=arrays))
    fixed = _run(
        design(loop("h", 64, loop("i", 31, row, directives=OFF), directives=OFF), arrays=arrays)
    )
    assert result.latency_cycles == pytest.approx(fixed.latency_cycles, rel=0.01)
    (rows,) = result.function("top").loops[0].children
    assert (rows.trip_count, rows.trip_count_min, rows.trip_count_max) == (31 * 16, 0, 63 * 16)


def test_a_guard_that_is_decided_by_unrolling_costs_nothing() -> None:
    rows = scale_row()
    guarded = If((iv("j", -64),), (Block(tuple(rows)),))
    inner = loop("j", 64, guarded, directives=LoopDirectives(unroll=0))
    nest = loop("i", 64, inner, directives=PIPELINED)
    result = _run(design(nest, arrays=(array("C", 64, 64),)))
    assert _leaf(result).schedules[0].ops == ()


def test_a_data_dependent_subscript_is_kept_in_order() -> None:
    old = load("h", None)
    one = compute(OpKind.ADD, old, scalars=("1:#1.0",))
    body = loop("i", 64, old, one, store(one, "h", None), directives=PIPELINED)
    leaf = _leaf(_run(design(body, arrays=(array("h", 64),))))
    assert leaf.ii == 2 + 4 + 1
    assert leaf.limit.kind is LimitKind.RECURRENCE


def test_arrays_on_a_bus_wait_for_it_and_share_it() -> None:
    bus = Interface("m_axi", "gmem", latency=20)
    arrays = tuple(Array(n, (64,), F32, interface=bus) for n in "abc")
    first, second = load("a", iv("i")), load("b", iv("i"))
    total = compute(OpKind.ADD, first, second)
    body = loop("i", 64, first, second, total, store(total, "c", iv("i")), directives=PIPELINED)
    leaf = _leaf(_run(design(body, arrays=arrays)))
    assert (leaf.ii, leaf.limit.kind, leaf.limit.subject) == (2, LimitKind.PORTS, "m_axi gmem")
    assert leaf.iteration_latency >= 2 * 20


def test_a_storage_latency_is_kept() -> None:
    slow = Array("C", (64, 64), F32, storage=Storage(latency=3))
    nest = loop("i", 64, loop("j", 64, *scale_row(), directives=OFF), directives=OFF)
    assert _leaf(_run(design(nest, arrays=(slow,)))).iteration_latency == 6 + 2


def test_directives_change_without_building_again() -> None:
    model = LatencyModel(_map(OFF), LIBRARY, DIRECTIVES_ONLY)
    slow = model.estimate()
    fast = model.estimate(
        {"j": LoopDirectives(True, unroll=4)},
        {"C": (Partition(1, PartitionKind.CYCLIC, 4),)},
    )
    assert fast.latency_cycles == _run(_map(LoopDirectives(True, unroll=4), d2=4)).latency_cycles
    assert model.estimate() == slow


def test_the_defaults_pipeline_innermost_loops_and_unroll_small_ones() -> None:
    small = loop("i", 100, loop("j", 16, *dot_row()))
    arrays: tuple[Array, ...] = (array("A", 100, 16), array("x", 16), array("tmp", 100))
    result = estimate_latency(design(small, arrays=arrays), LIBRARY, VITIS_DEFAULTS)
    assert [(item.names, item.is_pipelined) for item in result.all_loops()] == [(("i",), True)]
    large = loop("i", 100, loop("j", 64, *dot_row()))
    arrays = (array("A", 100, 64), array("x", 64), array("tmp", 100))
    result = estimate_latency(design(large, arrays=arrays), LIBRARY, VITIS_DEFAULTS)
    assert [item.names for item in result.all_loops() if item.is_pipelined] == [("j",)]
