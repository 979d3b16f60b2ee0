"""Run a finding again, from the values that its reproducer spells out."""

from __future__ import annotations

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_after import After
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_bind_op import BindOp
from pom.passes.poly_bind_storage import BindStorage
from pom.passes.poly_buffer_at import BufferAt
from pom.passes.poly_dataflow import Dataflow
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_double_buffer import DoubleBuffer
from pom.passes.poly_flatten import Flatten
from pom.passes.poly_guard import Guard
from pom.passes.poly_inline import Inline
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_interface import Interface
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_peel import Peel
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_reshape import Reshape
from pom.passes.poly_reuse_at import ReuseAt
from pom.passes.poly_reverse import Reverse
from pom.passes.poly_scalar_promotion import ScalarPromotion
from pom.passes.poly_shift import Shift
from pom.passes.poly_skew import Skew
from pom.passes.poly_split import Split
from pom.passes.poly_stream import Stream
from pom.passes.poly_tile import Tile
from pom.passes.poly_unroll import Unroll
from pom.passes.reductions import relaxed_statements
from pom.schedule import Schedule
from tests.fuzz.analysis import wrong_dependence
from tests.fuzz.enumerate import enumerated
from tests.fuzz.execute import Failure, expectations, failure_of, lowered_text, run_jit
from tests.fuzz.schedules import rewrites_of

INPUTS = 8
ILLEGAL = "POM-S001"
"""The code of a refusal because of a dependence."""


def reproduce(
    kernel: Kernel,
    primitives: tuple[PolyPass, ...],
    fast_math: bool = False,
    refused: PolyPass | None = None,
    with_cpp: bool = False,
) -> Failure | None:
    """What goes wrong when `primitives` are applied to `kernel` and the result is run.

    Primitives that are refused are left out, except `refused`, which is the subject then: it has to
    be refused although no order of dependent instances changes.
    """
    s = Schedule(kernel, fast_math)
    anchor = s.program
    for primitive in primitives:
        before = s.program
        try:
            s.apply(primitive)
        except PomError:
            continue
        except Exception as error:  # whatever it is, it is the failure
            return failure_of(error)
        if s.program.statements != before.statements:
            anchor = s.program
        elif s.program.schedule != before.schedule:
            judge = enumerated(anchor, relaxed_statements(anchor, fast_math))
            reversal = judge.reversal(s.program)
            if reversal is not None:
                return Failure("wrongly accepted", str(reversal))
    wrong = wrong_dependence(anchor, relaxed_statements(anchor, fast_math))
    if wrong is not None:
        return wrong
    if refused is not None:
        return _false_refusal(s, anchor, refused)
    try:
        text = lowered_text(s, "k0")
        expected = expectations(kernel, 0, INPUTS)
        results = run_jit({"k0": text}, expected)
    except Exception as error:  # whatever it is, it is the failure
        return failure_of(error)
    if not results:
        return None
    difference = expected.difference(results["k0"], s.is_exact)
    if difference:
        return Failure("mismatch", difference)
    if with_cpp:
        from tests.fuzz.cpp import differences

        return differences({"k0": text}, {"k0": s.is_exact}, expected).get("k0")
    return None


def _false_refusal(s: Schedule, anchor: PolyProgram, refused: PolyPass) -> Failure | None:
    """The failure, where `refused` is refused although an order it may mean is legal."""
    try:
        s.apply(refused)
    except PomError as error:
        if error.code != ILLEGAL:
            return None
        judge = enumerated(anchor, relaxed_statements(anchor, s.fast_math))
        if any(judge.reversal(c) is None for c in rewrites_of(refused, s.program)):
            return Failure("false refusal", error.summary)
    return None


__all__ = [
    "After", "AutoSchedule", "BindOp", "BindStorage", "BufferAt", "Dataflow", "Distribute",
    "DoubleBuffer", "Flatten", "Guard", "Inline", "Interchange", "Interface",
    "InterleaveReduction", "PartitionArray", "Peel", "Pipeline", "Reorder", "Reshape", "ReuseAt",
    "Reverse", "ScalarPromotion", "Shift", "Skew", "Split", "Stream", "Tile", "Unroll",
    "reproduce",
]  # fmt: skip
