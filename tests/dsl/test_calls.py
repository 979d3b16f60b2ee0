"""Kernels that call kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pom
from pom.dsl.kernel import KernelFunction
from pom.errors import PomError
from pom.ir.graph import Assign, Call, For
from pom.runtime.reference import run
from tests.dsl.recording import pointed_at, record, refusal

LAYERS = """
@pom.kernel{option}
def scale(f: pom.f32, X: pom.f32[6], Y: pom.f32[6]):
    t = pom.array(pom.f32[6])
    for i in pom.loop("i", 0, 6):
        t[i] = f * X[i]
    for i in pom.loop("i", 0, 6):
        Y[i] = t[i] + pom.cast(i, pom.f32)

@pom.kernel
def net(a: pom.f32, A: pom.f32[6], C: pom.f32[6]):
    mid = pom.array(pom.f32[6])
    scale(a + 1, A, mid)
    for i in pom.loop("i", 0, 2):
        scale(X=mid, Y=C, f=A[i])
"""


def net(folder: Path, option: str = "") -> KernelFunction:
    return record(folder, LAYERS.replace("{option}", option), "net")


def expected(a: float, values: np.ndarray) -> np.ndarray:
    ramp = np.arange(6, dtype=np.float32)
    middle = np.float32(a + 1) * values + ramp
    return values[1] * middle + ramp


@pytest.mark.parametrize("option", ["", "(inline=False)"])
def test_calls_compute_the_same_inlined_or_kept(tmp_path: Path, option: str) -> None:
    kernel = net(tmp_path, option).graph
    values = np.linspace(-1, 2, 6, dtype=np.float32)
    found = run(kernel, {"a": np.float32(0.5), "A": values})
    np.testing.assert_array_equal(found["C"], expected(0.5, values))


def test_inlined_names_have_a_prefix(tmp_path: Path) -> None:
    graph = net(tmp_path).graph
    assert [a.name for a in graph.locals] == ["mid", "scale_t", "scale_t1"]
    names = [s.name for s, _ in graph.statements()]
    assert names == ["scale_S0", "scale_S1", "scale_S0_1", "scale_S1_1"]
    inner = [n.name for _, around in graph.statements() for n in around if isinstance(n, For)]
    assert inner == ["i", "i", "i", "scale_i", "i", "scale_i"]
    assert graph.callees == ()


def test_kept_calls_are_statements(tmp_path: Path) -> None:
    graph = net(tmp_path, "(inline=False)").graph
    calls = [s for s, _ in graph.statements() if isinstance(s, Call)]
    assert [c.name for c in calls] == ["call_scale", "call_scale1"]
    assert [c.arguments[1:] for c in calls] == [("A", "mid"), ("mid", "C")]
    assert [k.name for k in graph.callees] == ["scale"]
    assert graph.directions() == {"A": "in", "C": "out"}


def test_nested_kept_calls_come_first() -> None:
    @pom.kernel(inline=False)
    def inner(A: pom.f32[4]):
        A[0] = 1

    @pom.kernel(inline=False)
    def middle(A: pom.f32[4]):
        inner(A)
        A[1] = A[0]

    @pom.kernel
    def copied(B: pom.f32[4]):
        middle(B)

    @pom.kernel
    def outer(A: pom.f32[4]):
        copied(A)

    assert [k.name for k in outer.graph.callees] == ["inner", "middle"]
    np.testing.assert_array_equal(
        run(outer.graph, {"A": np.zeros(4, np.float32)})["A"], [1, 1, 0, 0]
    )


def test_subscripts_and_guards_are_renamed() -> None:
    @pom.kernel
    def pick(n: pom.int32, idx: pom.int32[4], A: pom.f32[4, 4]):
        for i in pom.loop("i", 0, 4):
            for j in pom.loop("j", 0, i):
                with pom.when(i + j > 2):
                    A[i, idx[j]] = A[j, i] + pom.cast(idx[i] + n + i, pom.f32)

    @pom.kernel
    def outer(which: pom.int32[4], M: pom.f32[4, 4]):
        for i in pom.loop("i", 0, 2):
            pick(i, which, M)

    rng = np.random.default_rng(1)
    matrix = rng.random((4, 4), dtype=np.float32)
    which = rng.permutation(4).astype(np.int32)
    want = matrix.copy()
    for n in range(2):
        for i in range(4):
            for j in range(i):
                if i + j > 2:
                    want[i, which[j]] = want[j, i] + np.float32(which[i] + n + i)
    np.testing.assert_array_equal(run(outer.graph, {"which": which, "M": matrix})["M"], want)


def test_callee_reads_what_the_caller_has_not_written(tmp_path: Path) -> None:
    for option in ("", "(inline=False)"):
        error = refusal(
            tmp_path,
            f"@pom.kernel{option}\n"
            "def total(X: pom.f32[4], Y: pom.f32[4]):\n"
            '    for i in pom.loop("i", 0, 4):\n'
            "        Y[i] = X[i]\n"
            "@pom.kernel\n"
            "def top(A: pom.f32[4]):\n"
            "    t = pom.array(pom.f32[4])\n"
            "    t[0] = 1\n"
            "    total(t, A)\n",
        )
        assert error.code == "POM-D023"
        assert "t[1]" in error.summary


def test_callee_writes_count_as_writes() -> None:
    @pom.kernel(inline=False)
    def fill(Y: pom.f32[4]):
        for i in pom.loop("i", 0, 4):
            Y[i] = 2

    @pom.kernel
    def top(A: pom.f32[4]):
        t = pom.array(pom.f32[4])
        fill(t)
        A[3] = t[3]

    assert isinstance(next(top.graph.statements())[0], Call)


CALLEE = "@pom.kernel{}\ndef f(x: pom.f32, A: pom.f32[4], B: pom.f32[4]):\n    B[0] = A[0] + x\n    B[1] = x\n"
REFUSED = [
    ("POM-D063", "f(1, A)", "'B' is missing", ""),
    ("POM-D063", "f(1, A, B, B)", "4 are given", ""),
    ("POM-D063", "f(1, A, B, y=2)", "'y' is not one", ""),
    ("POM-D063", "f(1, A, B, A=A)", "given twice", ""),
    ("POM-D063", "f(1, A, M)", "f32[4], not M: f32[5]", ""),
    ("POM-D063", "f(1, A, 3)", "not 3", ""),
    ("POM-D063", 'f("a", A, B)', "'a'", ""),
    ("POM-D040", "f(n, A, B)", "the value is int8", ""),
    ("POM-D026", "f(B[2], A, B)", "'B' changes", ""),
    ("POM-D064", "f(1, A, A)", "twice", "(inline=False)"),
]


@pytest.mark.parametrize(("code", "text", "part", "option"), REFUSED)
def test_wrong_calls(tmp_path: Path, code: str, text: str, part: str, option: str) -> None:
    error = refusal(
        tmp_path,
        CALLEE.format(option)
        + "@pom.kernel\ndef top(n: pom.int8, A: pom.f32[4], B: pom.f32[4], M: pom.f32[5]):\n    "
        + text
        + "\n",
    )
    assert error.code == code
    assert part in error.render()
    assert pointed_at(error) == text


def test_two_kernels_of_one_name() -> None:
    def make(value: int) -> KernelFunction:
        @pom.kernel(inline=False)
        def part(A: pom.f32[4]):
            A[0] = value

        return part

    one, two = make(1), make(2)
    with pytest.raises(PomError, match="POM-D065: two different kernels are called 'part'"):

        @pom.kernel
        def top(A: pom.f32[4]):
            one(A)
            two(A)


def test_inlined_body_is_a_copy() -> None:
    @pom.kernel
    def put(x: pom.int8, A: pom.int8[4]):
        A[0] = x

    @pom.kernel
    def top(A: pom.int8[4], B: pom.int8[4]):
        put(B[1] + 1, A)

    (statement, _) = next(top.graph.statements())
    assert isinstance(statement, Assign)
    assert str(statement.value) == "cast<int8>(add(B[1], 1))"
