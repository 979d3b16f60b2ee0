"""buffer_at: exact copies, the same results, refusals."""

from __future__ import annotations

import random

import islpy as isl
import pytest

from pom.errors import PomError
from pom.ir.affine import Constraint
from pom.ir.graph import Call, When
from pom.ir.types import IntType, f32
from pom.passes import local_copies
from pom.passes.poly_buffer_at import BufferAt
from pom.passes.poly_tile import Tile
from pom.passes.poly_to_affine import directions
from tests.passes.brute_force import random_kernel
from tests.passes.data_primitives import (
    Access,
    Assign,
    Kernel,
    Load,
    array,
    assert_same,
    blur,
    gemm,
    i,
    in_place,
    j,
    load,
    loop,
    program,
    shapes,
)


@pytest.mark.parametrize("remainder", ["isolate", "separate", "guard"])
@pytest.mark.parametrize(
    ("name", "at", "shape"),
    [
        ("A", "k0", (4, 3)),
        ("B", "k0", (3, 4)),
        ("C", "j0", (4, 4)),
        ("C", "i0", (4, 10)),
        ("A", "", (9, 11)),
    ],
)
def test_a_tile_is_copied_in_and_out(
    name: str, at: str, shape: tuple[int, ...], remainder: str
) -> None:
    kernel = gemm()
    tiled = Tile("mac", ("i", "j", "k"), (4, 4, 3), remainder).run(program(kernel))  # type: ignore[arg-type]
    new = BufferAt("mac", name, at).run(tiled)
    assert shapes(new) == {f"{name}_buf": shape}
    assert_same(kernel, new)


def test_only_what_is_read_first_is_copied_in_and_only_what_is_written_out() -> None:
    first = Assign("first", Access("X", (i,)), load("Y", f32, i))
    second = Assign("second", Access("Z", (i,)), load("X", f32, i))
    kernel = Kernel(
        "two", tuple(array(n, f32, 9) for n in "XYZ"), (), (loop("i", 0, 9, first, second),)
    )
    new = BufferAt("first", "X", "i", "x").run(program(kernel))
    assert [s.name for s in new.statements] == ["first", "second", "x_out"]
    new = BufferAt("first", "Y", "i", "y").run(new)
    assert [s.name for s in new.statements] == ["y_in", "first", "second", "x_out"]
    assert shapes(new) == {"x": (), "y": ()}
    assert_same(kernel, new)


def test_the_footprint_of_a_stencil_row_is_exact() -> None:
    kernel = blur()
    new = BufferAt("blur", "X", "i").run(program(kernel))
    assert shapes(new) == {"X_buf": (3, 11)}
    assert_same(kernel, new)


def test_an_in_place_sweep_keeps_its_values() -> None:
    kernel = in_place()
    for at in ("", "i"):
        assert_same(kernel, BufferAt("s", "X", at).run(program(kernel)))


def test_a_buffer_of_a_buffer() -> None:
    kernel = gemm(IntType(16))
    new = Tile("mac", ("i", "j"), (4, 4)).run(program(kernel))
    new = BufferAt("mac", "A", "", "whole").run(new)
    new = BufferAt("mac", "whole", "j0", "tile").run(new)
    assert shapes(new) == {"whole": (9, 11), "tile": (4, 11)}
    assert_same(kernel, new)


def test_wrong_arguments_are_refused() -> None:
    unused = Kernel("k", (array("X", f32, 9), array("Y", f32, 9)), (), (
        loop("i", 0, 9, Assign("s", Access("X", (i,)), load("X", f32, i))),
    ))  # fmt: skip
    with pytest.raises(PomError, match="POM-P060"):
        BufferAt("s", "Y", "i").run(program(unused))
    with pytest.raises(PomError, match="POM-P064"):
        BufferAt("s", "X", "i", "Y").run(program(unused))
    with pytest.raises(PomError, match="POM-P064"):
        BufferAt("s", "X", "i", "a b").run(program(unused))
    with pytest.raises(PomError, match="POM-S003"):
        BufferAt("s", "X", "q").run(program(unused))


def test_data_dependent_subscripts_and_calls_are_refused() -> None:
    index = Load(Access("P", (i,)), IntType(8))
    gather = Assign("g", Access("X", (i,)), Load(Access("X", (index,)), f32))
    arrays = (array("X", f32, 256), array("P", IntType(8), 9))
    with pytest.raises(PomError, match="POM-P061"):
        BufferAt("g", "X", "i").run(program(Kernel("k", arrays, (), (loop("i", 0, 9, gather),))))
    inner = Kernel(
        "f",
        (array("V", f32, 9),),
        (),
        (loop("i", 0, 9, Assign("s", Access("V", (i,)), load("V", f32, i))),),
    )
    caller = Kernel(
        "k", (array("X", f32, 9),), (), (loop("i", 0, 2, Call("c", "f", ("X",))),), (inner,)
    )
    with pytest.raises(PomError, match="POM-P061"):
        BufferAt("c", "X", "i").run(program(caller))


@pytest.mark.parametrize("seed", range(12))
def test_random_kernels_keep_their_results(seed: int) -> None:
    rng = random.Random(seed)
    kernel = random_kernel(rng)
    before = program(kernel)
    statement = rng.choice(before.statements)
    name = rng.choice(sorted({a.array for a in (*statement.body.reads, statement.body.target)}))  # type: ignore[union-attr]
    at = rng.choice(["", *(n.name for n in before.loops(statement.name))])
    assert_same(kernel, BufferAt(statement.name, name, at).run(before))


def test_a_place_that_never_runs_is_refused() -> None:
    never = loop("i", 3, 3, Assign("s", Access("X", (i,)), load("X", f32, i)))
    with pytest.raises(PomError, match="POM-P060"):
        BufferAt("s", "X", "i").run(program(Kernel("k", (array("X", f32, 9),), (), (never,))))


def test_scattered_elements_are_copied_in_as_a_hull() -> None:
    """Loops over the hull have no guards; only what is written goes back."""
    value = load("X", f32, i * 3)
    first = loop("i", 0, 5, Assign("s", Access("Y", (i,)), value))
    second = loop("j", 0, 4, Assign("t", Access("Y", (j + 5,)), load("X", f32, j * 2 + 1)))
    both = loop("t", 0, 1, first, second)
    kernel = Kernel("k", (array("X", f32, 20), array("Y", f32, 20)), (), (both,))
    new = BufferAt("s", "X", "").run(program(kernel))
    assert new.statement("X_buf_in").domain == "{ X_buf_in[X_0] : 0 <= X_0 <= 12 }"
    assert_same(kernel, new)


def test_what_isl_cannot_decide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> str | None:
        raise isl.Error("given up")

    monkeypatch.setattr(local_copies, "different_values", give_up)
    with pytest.raises(PomError, match="POM-P076"):
        BufferAt("mac", "A", "i").run(program(gemm()))


def test_a_statement_that_never_runs_keeps_its_accesses() -> None:
    """So the array stays an argument that is read and written, as the kernel has it."""
    reader = Assign("R", Access("y", (i,)), load("x", f32, i))
    writer = When((Constraint(i - 100),), (Assign("W", Access("x", (i,)), load("y", f32, i)),))
    kernel = Kernel("dead", (array("x", f32, 8), array("y", f32, 8)), (), (loop("i", 0, 8, reader, writer),))  # fmt: skip
    new = BufferAt("R", "x", "i").run(program(kernel))
    assert directions(new) == kernel.directions()
    assert_same(kernel, new)


def test_elements_at_rounded_places_all_go_back() -> None:
    """isl's code generator took loops whose values lie apart for loops that run once."""
    scatter = Access("X", ((i * 2) // 3, i % 3, i * 0))
    first = loop("i", 0, 5, Assign("s", scatter, load("X", f32, i * 0, i * 0, i * 0)))
    second = loop(
        "i",
        0,
        3,
        Assign("t", Access("X", (i * 0, i * 0, i % 3)), load("X", f32, i * 0, i * 0, i * 0)),
    )
    kernel = Kernel("k", (array("X", f32, 5, 3, 3),), (), (first, second))
    buffered = BufferAt("t", "X", "").run(program(kernel))
    assert_same(kernel, buffered)
    assert_same(kernel, Tile("X_buf_out", ("X_0", "X_2"), (3, 3)).run(buffered))
