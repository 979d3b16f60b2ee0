"""Accesses that cannot share a bank are no recurrence."""

from __future__ import annotations

import pom
from pom import devices
from pom.passes.poly_to_affine import poly_to_affine
from pom.qor_model.from_affine import design_from_affine
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary


@pom.kernel
def wedge(A: pom.f32[64, 64], b: pom.f32[64]):
    for k in pom.loop("k", 0, 64):
        for i in pom.loop("i", 0, 64):
            for j in pom.loop("j", 0, i + 1):
                A[i, j] += b[k] * b[i]


def interval(banks: int) -> int:
    """Of the columns of two rows at a time; their number differs from pair to pair."""
    s = pom.schedule(wedge)
    s["S0"].split("i", 2, remainder="guard").reorder("k", "i0", "j", "i1").pipeline("j")
    if banks > 1:
        s.array("A").partition(1, "cyclic", banks)
    found = design_from_affine(poly_to_affine(s.program))
    library = OperatorLibrary.for_device(devices.load("xczu9eg"))
    ii = estimate_latency(found, library).all_loops()[-1].ii
    assert ii is not None
    return ii


def test_rows_in_banks_of_their_own_do_not_wait_for_each_other() -> None:
    # in one memory the tool cannot tell the next column of one row from the other row
    assert interval(1) > 4
    assert interval(2) == 1
