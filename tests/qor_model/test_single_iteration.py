"""A loop that its copies replace: every bank is known, whatever the trip count."""

from __future__ import annotations

from pom import devices
from pom.qor_model.banks import stride_of_copies
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives, OpKind, Partition, PartitionKind
from pom.qor_model.resources import ResourceModel
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.regions import array, compute, design, iv, load, loop, store

LIBRARY = OperatorLibrary.for_device(devices.load("xczu9eg"))


def test_the_step_leaves_the_bank_only_where_all_copies_are_there() -> None:
    arrays = (array("A", 64, d1=4), array("B", 64, d1=3))
    assert stride_of_copies(loop("i", 62), 62, arrays) == 72
    assert stride_of_copies(loop("i", 62), 31, arrays) == 31
    assert stride_of_copies(loop("i", 64), 1, arrays) == 1


def test_a_stencil_of_62_points_in_64_registers_selects_no_bank() -> None:
    left, right = load("A", iv("i")), load("A", iv("i", 2))
    total = compute(OpKind.ADD, left, right)
    nest = loop("i", 62, left, right, total, store(total, "B", iv("i", 1)))
    item = design(nest, arrays=(array("A", 64), array("B", 64)))
    model = LatencyModel(item, LIBRARY, DIRECTIVES_ONLY)
    whole = {name: (Partition(0, PartitionKind.COMPLETE, 64),) for name in ("A", "B")}
    loops = {"i": LoopDirectives(True, None, 62)}
    result = model.estimate(loops, whole)
    report = ResourceModel(LIBRARY).estimate(model.with_directives(loops, whole), result)
    assert result.all_loops()[0].ii == 1
    assert dict(report.lut_by_cause)["bank_muxes"] == 0.0
    adders = [n for key, n in report.operators if key.kind is OpKind.ADD and key.dtype.is_float]
    assert adders == [62]
