"""Functions copied into their callers."""

from __future__ import annotations

from pom import devices
from pom.qor_model.inline import inline_functions
from pom.qor_model.latency import estimate_latency
from pom.qor_model.leaf import all_loops
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    INDEX,
    Block,
    CallBinding,
    Design,
    Function,
    LoopDirectives,
    Op,
    OpKind,
)
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.regions import array, loop, scale_row

OFF = LoopDirectives(False)


def _two_calls(*, inline: bool) -> Design:
    nest = loop("i", 8, loop("j", 8, *scale_row(), directives=OFF), directives=OFF)
    callee = Function("f", (array("C", 8, 8),), (nest,), inline)
    calls = tuple(Op(9000 + n, OpKind.CALL, INDEX, callee="f") for n in range(2))
    top = Function("top", (array("D", 8, 8), array("E", 8, 8)), (Block(calls),))
    bindings = (CallBinding(9000, (("C", "D"),)), CallBinding(9001, (("C", "E"),)))
    return Design("top", (callee, top), bindings)


def test_the_copies_have_loops_of_their_own_and_the_callers_arrays() -> None:
    found = inline_functions(_two_calls(inline=True))
    assert [f.name for f in found.functions] == ["top"]
    top = found.function("top")
    assert [item.name for item in all_loops(top.body)] == ["i", "j", "i_1", "j_1"]
    touched = {
        op.access.array
        for item in all_loops(top.body)
        for block in item.body
        if isinstance(block, Block)
        for op in block.ops
        if op.access is not None
    }
    assert touched == {"D", "E"}


def test_functions_that_stay_are_not_touched() -> None:
    item = _two_calls(inline=False)
    assert inline_functions(item) is item


def test_inlining_saves_the_calls() -> None:
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    kept = estimate_latency(_two_calls(inline=False), library, DIRECTIVES_ONLY)
    copied = estimate_latency(_two_calls(inline=True), library, DIRECTIVES_ONLY)
    assert copied.latency_cycles == kept.latency_cycles - 3


def test_a_call_in_a_pipelined_loop_sets_its_interval() -> None:
    callee = _two_calls(inline=False).function("f")
    call = Op(9000, OpKind.CALL, INDEX, callee="f")
    nest = loop("n", 4, call, directives=LoopDirectives(True))
    item = Design("top", (callee, Function("top", (), (nest,))))
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    result = estimate_latency(item, library, DIRECTIVES_ONLY)
    inner = result.function("f").latency_cycles
    assert result.function("top").loops[0].ii == inner + 1
    assert result.latency_cycles > 4 * inner
