"""double_buffer: two halves, filled and used in turn."""

from __future__ import annotations

import pytest

from pom.errors import PomError
from pom.passes.poly_buffer_at import BufferAt
from pom.passes.poly_double_buffer import DoubleBuffer
from pom.passes.poly_reuse_at import ReuseAt
from pom.passes.poly_tile import Tile
from tests.passes.data_primitives import assert_same, blur, gemm, program, shapes


@pytest.mark.parametrize("sizes", [(4, 4, 3), (3, 5, 11), (9, 10, 4)])
def test_tiles_are_loaded_one_iteration_ahead(sizes: tuple[int, int, int]) -> None:
    kernel = gemm()
    new = Tile("mac", ("i", "j", "k"), sizes).run(program(kernel))
    loop = "k0" if sizes[2] < 11 else "j0"
    new = BufferAt("mac", "A", loop).run(new)
    new = BufferAt("mac", "B", loop).run(new)
    new = DoubleBuffer("mac", "A_buf", loop).run(new)
    new = DoubleBuffer("mac", "B_buf", loop).run(new)
    assert shapes(new) == {"A_buf": (2, sizes[0], sizes[2]), "B_buf": (2, sizes[2], sizes[1])}
    assert_same(kernel, new)


def test_the_filling_statement_runs_one_iteration_earlier() -> None:
    new = BufferAt("blur", "X", "i").run(program(blur()))
    new = DoubleBuffer("blur", "X_buf", "i").run(new)
    (loop,) = [n for n in new.loops("blur") if n.name == "i"]
    assert str(loop.expr("X_buf_in")) == "i - 1"
    assert str(loop.expr("blur")) == "i"
    assert_same(blur(), new)


def test_a_value_that_outlives_an_iteration_is_refused() -> None:
    window = ReuseAt("blur", "X", "i", "circular").run(program(blur()))
    with pytest.raises(PomError, match="POM-P062"):
        DoubleBuffer("blur", "X_win", "i").run(window)


def test_what_is_not_a_filled_buffer_is_refused() -> None:
    with pytest.raises(PomError, match="POM-P073"):
        DoubleBuffer("mac", "A", "i").run(program(gemm()))
    whole = BufferAt("mac", "A", "").run(program(gemm()))
    with pytest.raises(PomError, match="POM-P074"):
        DoubleBuffer("mac", "A_buf", "i").run(whole)
    accumulator = BufferAt("mac", "C", "j").run(program(gemm()))
    with pytest.raises(PomError, match="POM-P075"):
        DoubleBuffer("mac", "C_buf", "j").run(accumulator)
