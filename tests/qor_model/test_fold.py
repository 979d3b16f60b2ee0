"""Counting lanes gives the numbers that laying them out gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom import devices
from pom.errors import PomError
from pom.qor_model import fold
from pom.qor_model.evaluate import resource_model
from pom.qor_model.latency import LatencyModel
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import (
    F32,
    Affine,
    Array,
    Design,
    Loop,
    LoopDirectives,
    OpKind,
    Partition,
    PartitionKind,
    affine,
)
from pom.qor_model.resources import ResourceReport
from pom.qor_model.schedule_result import BodySchedule, DesignResult, LoopResult
from pom.qor_model.settings import DIRECTIVES_ONLY, VITIS_DEFAULTS, VIVADO_2018, ToolSettings
from tests.qor_model.regions import compute, design, load, loop, store

LIBRARY = OperatorLibrary.for_device(devices.load("xcu280"), 1e3 / 300)
PIPELINED = LoopDirectives(True)


def _estimate(
    item: Design, folds: bool, tool: ToolSettings = DIRECTIVES_ONLY
) -> tuple[DesignResult, ResourceReport]:
    result = LatencyModel(item, LIBRARY, tool, folds=folds).estimate()
    return result, resource_model(LIBRARY, tool).estimate(item, result)


def _is_folded(result: DesignResult) -> bool:
    return any(body.fold is not None for item in result.all_loops() for body in item.schedules)


def _without_operations(result: DesignResult) -> DesignResult:
    """The numbers of a result: everything but the operations of its pipelined bodies."""

    def body(item: BodySchedule) -> BodySchedule:
        counts = tuple(sorted(item.instances, key=str))
        return replace(item, ops=(), fold=None, instances=counts)

    def one(item: LoopResult) -> LoopResult:
        schedules = tuple(body(s) for s in item.schedules) if item.is_pipelined else item.schedules
        return replace(item, schedules=schedules, children=tuple(one(c) for c in item.children))

    functions = tuple(replace(f, loops=tuple(one(i) for i in f.loops)) for f in result.functions)
    return replace(result, functions=functions)


def _assert_same(item: Design, tool: ToolSettings = DIRECTIVES_ONLY) -> bool:
    """Compare both ways of estimating; whether a body was folded."""
    folded, its_resources = _estimate(item, True, tool)
    full, resources = _estimate(item, False, tool)
    assert _without_operations(folded) == _without_operations(full)
    assert its_resources == resources
    return _is_folded(folded)


def _lane(block: str, lane: str, width: int, offset: int = 0) -> Affine:
    """``width·block + lane + offset``: element of one lane."""
    return affine({block: width, lane: 1}, offset)


def _split(name: str, *shape: int, factors: tuple[int, ...]) -> Array:
    parts = tuple(
        Partition(dim, PartitionKind.CYCLIC, factor)
        for dim, factor in enumerate(factors)
        if factor > 1
    )
    return Array(name, shape, F32, parts)


def _matrix_product(rows: int, columns: int, steps: int = 1) -> Design:
    """``C[i, j] += A[i, k] * B[k, j]``, a tile of C side by side, `k` outermost."""
    i, j, k = _lane("i", "ii", rows), _lane("j", "jj", columns), _lane("k", "kk", steps)
    old = load("C", i, j)
    product = compute(OpKind.MUL, a := load("A", i, k), b := load("B", k, j))
    total = compute(OpKind.ADD, old, product)
    body = loop(
        "ii", rows,
        loop("jj", columns, loop("kk", steps, old, a, b, product, total, store(total, "C", i, j))),
    )  # fmt: skip
    inner = loop("j", 40, body, directives=PIPELINED)
    return design(
        loop("k", 30, loop("i", 20, inner)),
        arrays=(
            _split("A", rows * 20, steps * 30, factors=(rows, steps)),
            _split("B", steps * 30, columns * 40, factors=(steps, columns)),
            _split("C", rows * 20, columns * 40, factors=(rows, columns)),
        ),
    )


def _stencil(lanes: int, offsets: tuple[int, ...], banks: int) -> Design:
    """``B[i] = (A[i + o0] + A[i + o1] + …) * 0.2`` with `lanes` lanes."""
    terms = [load("A", _lane("i", "ii", lanes, offset)) for offset in offsets]
    ops = list(terms)
    total = terms[0]
    for term in terms[1:]:
        total = compute(OpKind.ADD, total, term)
        ops.append(total)
    ops.append(compute(OpKind.MUL, total, scalars=("0:#0.2",)))
    ops.append(store(ops[-1], "B", _lane("i", "ii", lanes)))
    nest = loop("i", 50, loop("ii", lanes, *ops), directives=PIPELINED)
    size = lanes * 50 + max(offsets) + 1
    return design(
        loop("t", 9, nest),
        arrays=(_split("A", size, factors=(banks,)), _split("B", size, factors=(lanes,))),
    )


@pytest.mark.parametrize("shape", [(9, 8, 1), (8, 8, 2), (12, 1, 1), (1, 9, 3), (3, 30, 1)])
def test_tiles_of_a_matrix_product(shape: tuple[int, int, int]) -> None:
    assert _assert_same(_matrix_product(*shape))


@pytest.mark.parametrize("offsets", [(0,), (0, 1), (0, 1, 2), (0, 3), (2, 1, 0, 4)])
def test_stencils_share_what_neighbours_load(offsets: tuple[int, ...]) -> None:
    for lanes in (16, 23):
        assert _assert_same(_stencil(lanes, offsets, lanes), VITIS_DEFAULTS)


def test_lanes_along_which_a_sum_runs_are_laid_out() -> None:
    """The chain is as long as there are lanes; the others are counted."""
    item = _matrix_product(8, 9, 4)
    result, _ = _estimate(item, True)
    bodies = [b for loops in result.all_loops() for b in loops.schedules if b.fold]
    assert [len(body.fold.corners) for body in bodies if body.fold] == [4]


def test_lanes_that_share_banks_are_laid_out() -> None:
    """Half as many banks as lanes: nothing is proved, and the interval is 2."""
    item = _stencil(16, (0,), 8)
    assert not _assert_same(item)


def test_lanes_that_feed_each_other_are_laid_out() -> None:
    """``A[i] = A[i - 1] * c``: every lane waits for the one before."""
    old = load("A", _lane("i", "ii", 8))
    new = compute(OpKind.MUL, old, scalars=("0:c",))
    body = loop("ii", 8, old, new, store(new, "A", _lane("i", "ii", 8, 1)))
    item = design(
        loop("i", 50, body, directives=PIPELINED), arrays=(_split("A", 512, factors=(8,)),)
    )
    assert not _assert_same(item)


def test_a_wide_body_costs_no_more_than_a_narrow_one() -> None:
    """1,024 lanes are known from 25."""
    result, _ = _estimate(_matrix_product(32, 32), True)
    (body,) = [b for item in result.all_loops() for b in item.schedules if b.fold]
    assert body.fold is not None
    assert sum(len(part.ops) for part, _ in body.fold.corners) <= 25 * 5


def test_a_folded_body_that_no_tool_would_take_is_refused() -> None:
    for folds in (True, False):
        with pytest.raises(PomError, match="POM-Q006"):
            _estimate(_matrix_product(80, 80), folds)


def _tree(rows: int, columns: int, steps: int, banks: int, fault: str = "") -> Design:
    """``C[i, j] += (A[i, k] * B[k, j] + …)`` with the products of a lane in an array of their own.

    `fault`: ``unwritten`` reads a product that no lane has written, ``late`` reads one before it
    is written, ``passed on`` leaves the sum where the next lane begins.
    """
    i, j, k = _lane("i", "ii", rows), _lane("j", "jj", columns), _lane("k", "kk", steps)
    product = compute(OpKind.MUL, a := load("A", i, k), b := load("B", k, j))
    products = loop("kk", steps, a, b, product, store(product, "part", affine({"kk": 1})))
    terms = [load("part", Affine((), n)) for n in range(steps)]
    if fault == "unwritten":
        terms.append(load("part", Affine((), steps)))
    sums = list(terms)
    total = terms[0]
    for term in terms[1:]:
        total = compute(OpKind.ADD, total, term)
        sums.append(total)
    if fault == "passed on":
        sums.append(store(total, "part", Affine((), 0)))
    old = load("C", i, j)
    new = compute(OpKind.ADD, old, total)
    last = [old, new, store(new, "C", i, j)]
    order = [*sums[:1], products, *sums[1:]] if fault == "late" else [products, *sums]
    body = loop("ii", rows, loop("jj", columns, *order, *last))
    part = Array(
        "part", (steps + 1,), F32, (Partition(0, PartitionKind.CYCLIC, banks),), is_argument=False
    )
    return design(
        loop("k", 30, loop("i", 20, loop("j", 40, body, directives=PIPELINED))),
        arrays=(
            _split("A", rows * 20, steps * 30, factors=(rows, steps)),
            _split("B", steps * 30, columns * 40, factors=(steps, columns)),
            _split("C", rows * 20, columns * 40, factors=(rows, columns)),
            part,
        ),
    )


@pytest.mark.parametrize("shape", [(8, 1, 2), (1, 9, 3), (8, 9, 4)])
def test_lanes_with_partial_results_of_their_own_are_counted(shape: tuple[int, int, int]) -> None:
    assert _assert_same(_tree(*shape, banks=shape[2] + 1))
    assert _assert_same(_tree(*shape, banks=shape[2] + 1, fault="passed on"))


@pytest.mark.parametrize("fault", ["unwritten", "late"])
def test_lanes_that_read_what_they_have_not_written_are_laid_out(fault: str) -> None:
    assert not _assert_same(_tree(8, 9, 3, banks=4, fault=fault))


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    st.integers(1, 5),
    st.sampled_from(["", "passed on", "unwritten", "late"]),
    st.sampled_from([DIRECTIVES_ONLY, VITIS_DEFAULTS]),
)
@settings(max_examples=25, deadline=None)
def test_random_trees(
    shape: tuple[int, int, int], banks: int, fault: str, tool: ToolSettings
) -> None:
    _assert_same(_tree(*shape, banks=banks, fault=fault), tool)


@st.composite
def _bodies(draw: st.DrawFn, by_directive: bool = False) -> Design:
    """A pipelined loop with up to three lane loops around a few statements.

    One of them may be the copies that a directive asks of the pipelined loop.
    """
    counts = draw(st.lists(st.integers(2, 7), min_size=1, max_size=3))
    names = [f"u{n}" for n in range(len(counts))]
    blocks = [f"b{n}" for n in range(len(counts))]
    order = draw(st.permutations(range(len(counts))))
    unrolled = order[0] if by_directive else -1
    width = dict(zip(names, counts, strict=True))
    banks = {
        name: draw(st.sampled_from([*[count] * 9, 1, 2 * count, count + 1]))
        for name, count in width.items()
    }

    def subscripts(axes: list[int], spread: int) -> list[Affine]:
        offsets = [(a, draw(st.integers(0, spread))) for a in axes]
        return [
            affine({blocks[a]: 1}, offset)
            if a == unrolled
            else _lane(blocks[a], names[a], counts[a], offset)
            for a, offset in offsets
        ]

    arrays: dict[str, Array] = {}

    def declare(name: str, axes: list[int]) -> None:
        shape = [counts[a] * 12 + 4 for a in axes]
        arrays[name] = _split(name, *shape, factors=tuple(banks[names[a]] for a in axes))

    axis = st.integers(0, len(counts) - 1)
    statements: list[object] = []
    for number in range(draw(st.integers(1, 2))):
        ops = []
        values = []
        for source in range(draw(st.integers(1, 3))):
            axes = sorted(draw(st.sets(axis, min_size=1)))
            name = "X" + "".join(map(str, axes)) if draw(st.booleans()) else f"Y{number}{source}"
            if name not in arrays:
                declare(name, axes)
            else:
                axes = [int(c) for c in name[1:]] if name[0] == "X" else axes
            for _ in range(draw(st.integers(1, 2))):
                ops.append(load(name, *subscripts(axes, 2)))
                values.append(ops[-1])
        target = f"T{number}"
        axes = list(range(len(counts)))
        if len(axes) > 1 and not draw(st.integers(0, 3)):
            axes.remove(draw(axis))  # the sum of all lanes along one loop
        declare(target, axes)
        place = subscripts(axes, 0)
        if draw(st.booleans()):
            ops.append(load(target, *place))
            values.append(ops[-1])
        total = values[0]
        for value in values[1:]:
            kind = draw(st.sampled_from([OpKind.ADD, OpKind.MUL]))
            total = compute(kind, total, value)
            ops.append(total)
        if draw(st.booleans()):
            total = compute(OpKind.MUL, total, scalars=("0:alpha",))
            ops.append(total)
        statements += [*ops, store(total, target, *place)]
    body: object = statements
    for name in reversed([n for a, n in enumerate(names) if a != unrolled]):
        items = body if isinstance(body, list) else [body]
        body = loop(name, width[name], *items)
    items = body if isinstance(body, list) else [body]
    lanes = counts[unrolled] if by_directive else 1
    asked = LoopDirectives(True, None, lanes)
    nest: Loop = loop(blocks[order[0]], 12 * lanes, *items, directives=asked)
    for axis_around in order[1:]:
        nest = loop(
            blocks[axis_around],
            12,
            nest,
            directives=LoopDirectives(None, flatten=draw(st.booleans())),
        )
    return design(loop("t", 3, nest), arrays=tuple(arrays.values()))


@pytest.mark.parametrize("by_directive", [False, True])
def test_random_bodies(by_directive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "WORTH", 9.0)
    was_folded: list[bool] = []

    # the same bodies in every run: how many of them fold is a matter of luck otherwise
    @given(_bodies(by_directive), st.sampled_from([DIRECTIVES_ONLY, VITIS_DEFAULTS, VIVADO_2018]))
    @settings(max_examples=60, deadline=None, derandomize=True)
    def check(item: Design, tool: ToolSettings) -> None:
        was_folded.append(_assert_same(item, tool))

    check()
    assert sum(was_folded) >= 2


def _row(count: int, unroll: int, banks: int) -> Design:
    """``C[i, j] = beta * C[i, j]`` with the lanes of `j` by a directive."""
    place = affine({"i": 1}), affine({"j": 1})
    old = load("C", *place)
    new = compute(OpKind.MUL, old, scalars=("0:beta",))
    inner = loop(
        "j", count, old, new, store(new, "C", *place), directives=LoopDirectives(True, None, unroll)
    )
    return design(loop("i", 8, inner), arrays=(_split("C", 8, count, factors=(1, banks)),))


@pytest.mark.parametrize("tool", [DIRECTIVES_ONLY, VITIS_DEFAULTS])
def test_lanes_of_a_directive_are_counted(tool: ToolSettings) -> None:
    assert _assert_same(_row(64, 16, 16), tool)
    assert _assert_same(_row(60, 16, 16), tool)
    # all of the loop, and by 0, which says the same
    assert _assert_same(_row(64, 64, 64), tool)
    assert _assert_same(_row(64, 0, 64), tool)
    # fewer banks than lanes, and banks that are chosen at run time
    assert not _assert_same(_row(64, 16, 8), tool)
    assert not _assert_same(_row(64, 16, 32), tool)


def test_thousands_of_lanes_of_a_directive_cost_what_a_few_do() -> None:
    result, _ = _estimate(_row(16 * 4096, 4096, 4096), True)
    (body,) = [b for item in result.all_loops() for b in item.schedules if b.fold]
    assert body.fold is not None
    assert sum(len(part.ops) for part, _ in body.fold.corners) <= 15
    assert [item.unroll for item in result.all_loops() if item.is_pipelined] == [4096]
