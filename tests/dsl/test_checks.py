"""The checks of the finished kernel decide exactly: compared with running every iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pom
from pom.dsl.check_bounds import check_bounds
from pom.dsl.check_initialized import check_initialized, exposed_reads, sure_writes
from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, Const, Expr, Load
from pom.ir.graph import Array, Assign, For, Kernel, Node, When
from pom.ir.types import ArrayType, FloatType

F32 = FloatType(32)
SMALL = st.integers(-3, 3)


@st.composite
def affines(draw: st.DrawFn, variables: tuple[str, ...]) -> Affine:
    result = Affine.const(draw(st.integers(-3, 5)))
    for name in variables:
        result += Affine.var(name) * draw(st.sampled_from((-1, 0, 0, 1, 1, 2)))
    if draw(st.integers(0, 5)) == 0:
        result = result // draw(st.integers(2, 3))
    return result


@st.composite
def bodies(
    draw: st.DrawFn, arrays: tuple[tuple[str, int], ...], variables: tuple[str, ...], depth: int
) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for _ in range(draw(st.integers(1, 2))):
        kinds = ("assign", "loop", "loop", "when", "fill") if depth else ("assign",)
        kind = draw(st.sampled_from(kinds))
        if kind == "loop":
            var = f"i{len(variables)}"
            lowers = draw(st.lists(affines(variables), min_size=1, max_size=2))
            uppers = draw(st.lists(affines(variables), min_size=1, max_size=2))
            step = draw(st.sampled_from((1, 1, 2, 3))) if len(lowers) == 1 else 1
            inner = draw(bodies(arrays, (*variables, var), depth - 1))
            nodes.append(For(var, var, tuple(lowers), tuple(uppers), inner, step))
        elif kind == "fill":
            var = f"i{len(variables)}"
            low, high = draw(st.sampled_from(((0, 7), (0, 7), (1, 7), (0, 6), (0, 0))))
            element_written = draw(st.sampled_from((Affine.var(var), 6 - Affine.var(var))))
            body = (Assign("S", Access("t", (element_written,)), Const(1.0, F32)),)
            bounds = (Affine.const(low),), (Affine.const(high),)
            nodes.append(For(var, var, *bounds, body, draw(st.sampled_from((1, 1, 2)))))
        elif kind == "when":
            constraint = Constraint(draw(affines(variables)), draw(st.booleans()))
            nodes.append(When((constraint,), draw(bodies(arrays, variables, depth - 1))))
        else:
            target, source = (draw(st.sampled_from(arrays)) for _ in range(2))
            written = tuple(draw(affines(variables)) for _ in range(target[1]))
            read = tuple(draw(affines(variables)) for _ in range(source[1]))
            name = f"S{draw(st.integers(0, 10**9))}"
            nodes.append(
                Assign(name, Access(target[0], written), Load(Access(source[0], read), F32))
            )
    return tuple(nodes)


def unique(nodes: tuple[Node, ...], counter: Iterator[int]) -> tuple[Node, ...]:
    from dataclasses import replace

    return tuple(
        replace(n, name=f"S{next(counter)}")
        if isinstance(n, Assign)
        else replace(n, body=unique(n.body, counter))  # type: ignore[arg-type]
        for n in nodes
    )


@st.composite
def kernels(draw: st.DrawFn, local: bool) -> Kernel:
    import itertools

    body = unique(draw(bodies((("A", 2), ("t", 1)), (), 3)), itertools.count())
    matrix = Array("A", ArrayType(F32, (5, 6)))
    vector = Array("t", ArrayType(F32, (7,)))
    if local:
        return Kernel("k", (matrix,), (vector,), body)
    return Kernel("k", (matrix, vector), (), body)


def executed(
    nodes: tuple[Node, ...], point: dict[str, int]
) -> Iterator[tuple[Assign, dict[str, int]]]:
    for node in nodes:
        match node:
            case For():
                low = max(e.evaluate(point) for e in node.lowers)
                high = min(e.evaluate(point) for e in node.uppers)
                for value in range(low, high, node.step):
                    yield from executed(node.body, {**point, node.var: value})
            case When():
                if all(c.holds(point) for c in node.constraints):
                    yield from executed(node.body, point)
            case Assign():
                yield node, dict(point)


def element(access: Access, point: dict[str, int]) -> tuple[int, ...]:
    return tuple(s.evaluate(point) for s in access.subscripts if isinstance(s, Affine))


def leaves_an_array(kernel: Kernel) -> bool:
    for statement, point in executed(kernel.body, {}):
        for access in (statement.target, *statement.reads):
            shape = kernel.arrays[access.array].type.shape
            for value, extent in zip(element(access, point), shape, strict=True):
                if not 0 <= value < extent:
                    return True
    return False


def reads_before_writing(kernel: Kernel) -> bool:
    written: set[tuple[int, ...]] = set()
    for statement, point in executed(kernel.body, {}):
        for access in statement.reads:
            if access.array == "t" and element(access, point) not in written:
                return True
        if statement.target.array == "t":
            written.add(element(statement.target, point))
    return False


def refused(check: Callable[[Kernel], None], kernel: Kernel, code: str) -> bool:
    found: list[PomError] = []
    try:
        check(kernel)
    except PomError as error:
        found.append(error)
    assert all(e.code == code and e.notes[0].startswith(("at ", "in the only")) for e in found)
    return bool(found)


@settings(max_examples=150, deadline=None)
@given(kernels(local=False))
def test_bounds_are_decided_exactly(kernel: Kernel) -> None:
    assert refused(check_bounds, kernel, "POM-D022") == leaves_an_array(kernel)


@settings(max_examples=150, deadline=None)
@given(kernels(local=True))
@example(Kernel("k", (), (Array("t", ArrayType(F32, (7,))),), ()))
def test_reads_before_writes_are_decided_exactly(kernel: Kernel) -> None:
    assert refused(check_initialized, kernel, "POM-D023") == reads_before_writing(kernel)


def test_the_witness_is_the_first_iteration() -> None:
    def record() -> None:
        @pom.kernel
        def k(A: pom.f32[8, 8]):
            for i in pom.loop("i", 0, 8):
                for j in pom.loop("j", i, 8):
                    with pom.when(i + j > 9):
                        A[i, 2 * j - i] = 0

    with pytest.raises(PomError, match="subscript 2 of 'A' is 11") as caught:
        record()
    assert caught.value.notes == ("at i = 3, j = 7",)


def test_guards_make_accesses_legal() -> None:
    @pom.kernel
    def k(A: pom.f32[8], B: pom.f32[8]):
        for i in pom.loop("i", 0, 8):
            with pom.when(i > 0, i < 7):
                B[i] = A[i - 1] + A[i + 1]

    assert k.name == "k"


def test_whole_array_is_needed_for_a_data_dependent_read() -> None:
    def record(count: int) -> None:
        @pom.kernel
        def k(col: pom.int32[4], out: pom.f32[4]):
            t = pom.array(pom.f32[6])
            for i in pom.loop("i", 0, count):
                t[i] = 1
            for i in pom.loop("i", 0, 4):
                out[i] = t[col[i]]

    record(6)
    with pytest.raises(PomError, match=r"POM-D023: t\[5\] is read"):
        record(5)


def test_data_dependent_write_is_not_sure() -> None:
    with pytest.raises(PomError, match="POM-D023"):

        @pom.kernel
        def k(col: pom.int32[4], out: pom.f32[4]):
            t = pom.array(pom.f32[1])
            t[col[0]] = 1
            out[0] = t[0]


def test_subscript_of_a_subscript_is_checked() -> None:
    with pytest.raises(PomError, match="POM-D022: col"):

        @pom.kernel
        def k(col: pom.int32[4], out: pom.f32[8]):
            for i in pom.loop("i", 0, 8):
                out[col[i]] = 0


def test_exposed_reads_and_sure_writes() -> None:
    t = Array("t", ArrayType(F32, (7,)))
    i = Affine.var("i")
    zero: Expr = Const(0.0, F32)

    def loop(low: int, high: int, *body: Node) -> For:
        return For("i", "i", (Affine.const(low),), (Affine.const(high),), body)

    kernel = Kernel(
        "k",
        (t,),
        (),
        (
            loop(0, 3, Assign("w", Access("t", (i,)), zero)),
            loop(2, 5, Assign("r", Access("t", (i,)), Load(Access("t", (i,)), F32))),
        ),
    )
    reads, writes = exposed_reads(kernel, t), sure_writes(kernel, t)
    assert reads is not None
    assert writes is not None
    assert str(reads.count_val()) == "2"
    assert str(writes.count_val()) == "5"
    assert exposed_reads(kernel, Array("u", t.type)) is None
    assert sure_writes(kernel, Array("u", t.type)) is None


@pytest.mark.parametrize("name", ["d0", "d0_", "c0", "i0", "e", "S", "t0", "x_"])
def test_no_loop_name_collides_with_one_of_ours(name: str) -> None:
    def record(start: int) -> None:
        @pom.kernel
        def k(out: pom.f32[4, 4]):
            t = pom.array(pom.f32[4])
            for a in pom.loop(name, start, 4):
                t[3 - a] = 1
            for a in pom.loop(name, 0, 4):
                out[3 - a, a] = t[a]

    record(0)
    with pytest.raises(PomError, match=r"POM-D023: t\[3\]"):
        record(1)
