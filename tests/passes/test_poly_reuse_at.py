"""reuse_at: sliding windows and line buffers."""

from __future__ import annotations

import islpy as isl
import pytest

from pom.errors import PomError
from pom.ir.types import f32
from pom.passes.poly_reuse_at import ReuseAt
from tests.passes.data_primitives import (
    Access,
    Assign,
    Kernel,
    apply,
    array,
    assert_same,
    blur,
    gemm,
    i,
    in_place,
    load,
    loop,
    program,
    shapes,
)


def fir(step: int = 1, size: int = 20) -> Kernel:
    value = apply(
        "add", apply("add", load("x", f32, i - 1), load("x", f32, i)), load("x", f32, i + 1)
    )
    body = loop("i", 1, size - 1, Assign("s", Access("y", (i,)), value), step=step)
    return Kernel("fir", (array("x", f32, size), array("y", f32, size)), (), (body,))


@pytest.mark.parametrize("addressing", ["shift", "circular"])
@pytest.mark.parametrize("step", [1, 2])
def test_a_window_of_one_loop(addressing: str, step: int) -> None:
    kernel = fir(step)
    new = ReuseAt("s", "x", "i", addressing).run(program(kernel))  # type: ignore[arg-type]
    assert shapes(new) == {"x_win": (3,)}
    assert_same(kernel, new)


def test_each_element_is_loaded_once() -> None:
    new = ReuseAt("s", "x", "i", buffer="w").run(program(fir()))
    loads = new.statement("w_in").domain
    assert isl.Set(loads).count_val().to_python() == 20


@pytest.mark.parametrize("at", ["i", "j"])
@pytest.mark.parametrize("addressing", ["shift", "circular"])
def test_two_dimensions(at: str, addressing: str) -> None:
    kernel = blur()
    new = ReuseAt("blur", "X", at, addressing).run(program(kernel))  # type: ignore[arg-type]
    assert shapes(new) == {"X_win": (3, 11) if at == "i" else (3, 3)}
    assert_same(kernel, new)


def test_a_window_in_line_buffers() -> None:
    """Rows stay in a circular buffer, the 3 x 3 window slides over them."""
    kernel = blur()
    new = ReuseAt("blur", "X", "i", "circular", "lines").run(program(kernel))
    new = ReuseAt("blur", "lines", "j", "shift", "taps").run(new)
    assert shapes(new)["lines"] == (3, 11)
    assert_same(kernel, new)


def test_refusals() -> None:
    with pytest.raises(PomError, match="POM-P070"):
        ReuseAt("s", "x", "i", "other").run(program(fir()))  # type: ignore[arg-type]
    with pytest.raises(PomError, match="POM-P071"):
        ReuseAt("s", "X", "i").run(program(in_place()))
    with pytest.raises(PomError, match="POM-P072"):
        ReuseAt("mac", "A", "i").run(program(gemm()))


def test_a_window_too_long_to_follow_is_refused() -> None:
    value = apply("add", load("x", f32, i), load("x", f32, i + 300))
    body = loop("i", 0, 400, Assign("s", Access("y", (i,)), value))
    kernel = Kernel("echo", (array("x", f32, 700), array("y", f32, 400)), (), (body,))
    with pytest.raises(PomError, match="POM-P063"):
        ReuseAt("s", "x", "i").run(program(kernel))
