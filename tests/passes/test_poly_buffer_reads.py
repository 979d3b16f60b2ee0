"""buffer_reads: one read goes to a copy, with the same results, or is refused."""

from __future__ import annotations

import random

import pytest

from pom.errors import PomError
from pom.ir.graph import Kernel
from pom.ir.types import f32
from pom.passes.isl_build import domain
from pom.passes.poly_buffer_reads import BufferReads
from pom.passes.poly_guard import Guard
from pom.passes.poly_reorder import Reorder
from pom.passes.poly_split import Split
from pom.passes.poly_tile import Tile
from pom.schedule import schedule
from tests.passes.brute_force import random_kernel
from tests.passes.data_primitives import (
    Access,
    Assign,
    apply,
    array,
    assert_same,
    gemm,
    i,
    j,
    k,
    load,
    loop,
    program,
    shapes,
)
from tests.passes.nests import shape


def elimination(n: int = 9) -> Kernel:
    """``A[i,j] -= A[i,k] * A[k,j]`` below and right of the pivot."""
    product = apply("mul", load("A", f32, i, k), load("A", f32, k, j))
    body = Assign("s", Access("A", (i, j)), apply("sub", load("A", f32, i, j), product))
    nest = loop("k", 0, n, loop("i", k + 1, n, loop("j", k + 1, n, body)))
    return Kernel("elimination", (array("A", f32, n, n),), (), (nest,))


def test_the_row_and_the_column_of_the_pivot_are_copied() -> None:
    kernel = elimination()
    new = BufferReads("s", "A", "k", 2, "row").run(program(kernel))
    new = BufferReads("s", "A", "k", 1, "column").run(new)
    assert shapes(new) == {"row": (8,), "column": (8,)}
    assert shape(new) == "k(A_0(A_1(row_copy)) A_0(A_1(column_copy)) i(j(s)))"
    reads = [str(a) for a in new.statement("s").body.reads]  # type: ignore[union-attr]
    assert reads == ["A[i, j]", "column[i - 1]", "row[j - 1]"]
    assert_same(kernel, new)


def test_a_box_is_copied_with_constant_loops_where_it_is_within_the_array() -> None:
    kernel = elimination()
    new = BufferReads("s", "A", "k", 2, "row", is_box=True).run(program(kernel))
    assert shapes(new) == {"row": (8,)}
    assert_same(kernel, new)
    assert "0 < A_1 <= 8" in new.statement("row_copy").domain
    tiled = Tile("mac", ("i", "j", "k"), (4, 4, 3), "guard").run(program(gemm()))
    # beyond the end of the array there is nothing to copy
    block = BufferReads("mac", "A", "k0", 0, "block", is_box=True).run(tiled)
    assert shapes(block) == {"block": (4, 3)}
    assert_same(gemm(), block)


def test_a_box_is_copied_in_every_iteration_of_a_loop_that_runs_in_full() -> None:
    """for i: for j in 0..i+1: for k … with tiles of j: behind a guard, registers would keep values."""
    product = apply("mul", load("A", f32, i, k), load("A", f32, j, k))
    body = Assign("s", Access("C", (i, j)), apply("add", load("C", f32, i, j), product))
    nest = loop("i", 0, 8, loop("j", 0, i + 1, loop("k", 0, 8, body)))
    kernel = Kernel("syrk", (array("A", f32, 8, 8), array("C", f32, 8, 8)), (), (nest,))
    tiled = Split("s", "j", 4, ("j0", "j1"), "guard").run(program(kernel))
    tiled = Reorder("s", ("j0", "i", "k", "j1")).run(tiled)
    guarded = Guard("s", "j1").run(tiled)
    exact = BufferReads("s", "A", "j1", 1, "row").run(guarded)
    full = BufferReads("s", "A", "j1", 1, "row", is_box=True).run(guarded)
    for new, instances in ((exact, 36 * 8), (full, (8 + 4) * 4 * 8)):
        assert domain(new.statement("row_copy")).count_val().to_python() == instances
        assert_same(kernel, new)


def test_one_element_goes_to_a_scalar() -> None:
    kernel = elimination()
    new = BufferReads("s", "A", "i", 1, "pivot").run(program(kernel))
    assert shapes(new) == {"pivot": ()}
    assert_same(kernel, new)


def test_a_read_within_a_tile() -> None:
    kernel = gemm()
    tiled = Tile("mac", ("i", "j", "k"), (4, 4, 3), "guard").run(program(kernel))
    new = BufferReads("mac", "A", "k0", 0, "a").run(tiled)
    assert shapes(new) == {"a": (4, 3)}
    assert_same(kernel, new)


def test_the_copy_stands_before_the_part_of_the_body() -> None:
    kernel = gemm()
    new = BufferReads("mac", "A", "i", 0, "a").run(program(kernel))
    assert shape(new) == "i(A_0(A_1(a_copy)) j(scale k(mac)))"
    apart = Reorder("mac", ("i", "k", "j")).run(program(kernel))
    new = BufferReads("mac", "A", "i", 0, "a").run(apart)
    assert shape(new) == "i(j(scale) A_0(A_1(a_copy)) k(j(mac)))"


def test_what_changes_in_between_is_refused() -> None:
    kernel = elimination()
    with pytest.raises(PomError, match="POM-P062"):
        # earlier iterations of k change the rows that later ones read
        BufferReads("s", "A", "", 2).run(program(kernel))
    with pytest.raises(PomError, match="POM-P062"):
        BufferReads("mac", "C", "j").run(program(gemm()))


def test_wrong_arguments_are_refused() -> None:
    before = program(elimination())
    with pytest.raises(PomError, match="POM-P060") as caught:
        BufferReads("s", "A", "k", 3).run(before)
    assert caught.value.hint == "its reads of it are A[i, j], A[i, k], A[k, j]"
    with pytest.raises(PomError, match="POM-P064"):
        BufferReads("s", "A", "k", 1, "A").run(before)
    with pytest.raises(PomError, match="POM-S003"):
        BufferReads("s", "A", "q", 1).run(before)


def test_it_can_be_written_in_a_schedule() -> None:
    s = schedule(elimination())
    s["s"].buffer_reads("A", "k", read=2)
    assert 's["s"].buffer_reads("A", loop="k", read=2)' in s.as_python()


@pytest.mark.parametrize("seed", range(30))
def test_random_kernels_keep_their_results(seed: int) -> None:
    rng = random.Random(seed)
    kernel = random_kernel(rng)
    before = program(kernel)
    statement = rng.choice(before.statements)
    reads = list(dict.fromkeys(statement.body.reads))  # type: ignore[union-attr]
    if not reads:
        return
    name = rng.choice(reads).array
    count = sum(a.array == name for a in reads)
    at = rng.choice(["", *(n.name for n in before.loops(statement.name))])
    try:
        new = BufferReads(statement.name, name, at, rng.randrange(count)).run(before)
    except PomError as error:
        if error.code in ("POM-P060", "POM-P062"):
            return
        raise
    assert_same(kernel, new)
