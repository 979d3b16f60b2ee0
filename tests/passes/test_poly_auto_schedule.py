from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.errors import PomError
from pom.ir.expr import Apply
from pom.ir.poly import PolyProgram
from pom.ir.types import f32
from pom.passes import poly_auto_schedule
from pom.passes.carried import parallel_loops
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_tile import Tile
from tests.passes.brute_force import Enumerated, random_kernel
from tests.passes.nests import access, add, assign, gemm, i, j, k, kernel, load, loop, seidel, shape


def seidel_2d(n: int = 1000) -> PolyProgram:
    around = [load("A", i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    value = around[0]
    for term in around[1:]:
        value = add(value, term)
    body = assign("S", access("A", i, j), value)
    nest = loop("t", 0, n, loop("i", 1, n, loop("j", 1, n, body)))
    return graph_to_poly(kernel(nest, extent=n + 1))


def heat_3d(n: int = 1000) -> PolyProgram:
    from pom.ir.expr import Access
    from pom.ir.graph import Array, Kernel
    from pom.ir.types import ArrayType

    def sweep(name: str, source: str, target: str) -> object:
        offsets = [(0, 0, 0)]
        offsets += [tuple(s if d == a else 0 for d in range(3)) for a in range(3) for s in (-1, 1)]
        terms = [load(source, i + a, j + b, k + c) for a, b, c in offsets]
        value = terms[0]
        for term in terms[1:]:
            value = Apply("add", (value, term), f32)  # type: ignore[assignment]
        body = assign(name, Access(target, (i, j, k)), value)
        return loop("i", 1, n, loop("j", 1, n, loop("k", 1, n, body)))

    arrays = tuple(Array(name, ArrayType(f32, (n + 1,) * 3)) for name in "AB")
    nest = loop("t", 0, n, sweep("S", "A", "B"), sweep("T", "B", "A"))  # type: ignore[arg-type]
    return graph_to_poly(Kernel("heat", arrays, (), (nest,)))


def test_stencils_can_be_tiled_afterwards() -> None:
    new = AutoSchedule().run(seidel())
    assert shape(new) == "t(i(S))"
    Tile("S", ("t", "i"), (2, 2)).run(new)


def test_wavefronts_leave_inner_loops_parallel() -> None:
    new = AutoSchedule(wavefront=True).run(seidel_2d())
    loops = tuple(n.name for n in new.loops("S"))
    assert loops[0] == "wave"
    assert parallel_loops(new)["S"] == loops[1:]


@pytest.mark.parametrize("make", [seidel_2d, heat_3d])
def test_large_stencils_are_quick(make: type) -> None:
    start = time.process_time()
    new = AutoSchedule(wavefront=True).run(make())
    assert time.process_time() - start < 1.0
    for statement in ("S", "T"):
        if statement in new.schedule.statements:
            assert new.loops(statement)[-1].name in parallel_loops(new)[statement]


def test_a_single_carried_loop_moves_outward() -> None:
    new = AutoSchedule(wavefront=True).run(gemm())
    assert new.loops("mac")[0].name == "k"


def test_fusion_is_a_choice() -> None:
    assert len(AutoSchedule(fuse=False).run(gemm()).schedule.statements) == 2
    assert shape(AutoSchedule(fuse=True).run(gemm())).count("(") < shape(
        AutoSchedule(fuse=False).run(gemm())
    ).count("(")


def test_feautrier_where_the_other_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poly_auto_schedule, "_MOST_OPERATIONS", 1000)
    limited = AutoSchedule().run(heat_3d(100))
    monkeypatch.undo()
    assert limited == AutoSchedule("feautrier").run(heat_3d(100))
    AutoSchedule().run(heat_3d(50))


def test_statements_that_never_run_keep_their_loops() -> None:
    first = assign("S", access("x", i), load("y", i))
    never = assign("T", access("x", i), load("y", i))
    program = graph_to_poly(kernel(loop("i", 0, 0, never), loop("i", 0, 8, first)))
    assert shape(AutoSchedule().run(program)) == "i(S) i(T)"
    nothing = graph_to_poly(kernel(loop("i", 0, 0, never)))
    assert AutoSchedule().run(nothing) == nothing


@pytest.mark.parametrize("algorithm", ["pluto", "feautrier"])
def test_where_isl_finds_no_schedule(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poly_auto_schedule, "_MOST_OPERATIONS", 1)
    monkeypatch.setattr(poly_auto_schedule, "_MOST_OPERATIONS_OF_FEAUTRIER", 1)
    with pytest.raises(PomError, match="POM-S043"):
        AutoSchedule(algorithm).run(heat_3d(50))
    monkeypatch.undo()
    AutoSchedule(algorithm).run(heat_3d(50))


def test_unknown_algorithm() -> None:
    with pytest.raises(PomError, match="POM-S041"):
        AutoSchedule("greedy").run(gemm())  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["pluto", "feautrier"]), st.booleans(), st.booleans())
def test_order_is_kept(seed: int, algorithm: str, fuse: bool, wavefront: bool) -> None:
    source = random_kernel(random.Random(seed))
    program = graph_to_poly(source)
    try:
        new = AutoSchedule(algorithm, fuse, wavefront).run(program)  # type: ignore[arg-type]
    except PomError as error:
        if error.code not in ("POM-S042", "POM-S043"):
            raise
        return
    assert not Enumerated(source, program).reversed_pairs(new)
