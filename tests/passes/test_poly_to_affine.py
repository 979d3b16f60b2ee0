"""Level 3: shape, directives, remainders, locations; and the same numbers as the reference."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from pom.dialects.context import process_context
from pom.ir.affine import Affine, Constraint
from pom.ir.directives import ArrayDirectives, LoopDirectives, Partition
from pom.ir.expr import Index
from pom.ir.graph import Call, Kernel, When
from pom.ir.location import Location
from pom.ir.poly import Loop, PolyProgram
from pom.ir.types import IntType, f32
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_shift import Shift
from pom.passes.poly_split import Split
from pom.passes.poly_tile import Tile
from pom.passes.poly_to_affine import affine_text, poly_to_affine
from pom.passes.schedule_tree import edit_loop
from pom.passes.validate import validate
from pom.runtime import reference
from pom.runtime.inputs import make
from pom.runtime.jit import JitFunction
from tests.passes.data_primitives import (
    Access,
    Assign,
    apply,
    array,
    assert_same,
    const,
    gemm,
    i,
    in_place,
    j,
    load,
    loop,
    program,
    triangle_sum,
)
from tests.strategies import kernels


def lowered(program: PolyProgram) -> str:
    """The module in MLIR's own text, verified."""
    module = poly_to_affine(program, process_context())
    assert module.operation.verify()
    validate(program, module)
    return str(module)


def test_the_shape_of_an_imperfect_nest() -> None:
    text = affine_text(program(gemm()))
    assert text.splitlines()[1:-1] == [
        (
            'func.func @gemm(%A: memref<9x11xf32> {hls.name = "A", hls.type = "f32", hls.direction = "in"}, '
            '%B: memref<11x10xf32> {hls.name = "B", hls.type = "f32", hls.direction = "in"}, '
            '%C: memref<9x10xf32> {hls.name = "C", hls.type = "f32", hls.direction = "inout"}) '
            "attributes {hls.top} {"
        ),
        "affine.for %iv.1 = 0 to 9 {",
        "affine.for %iv.2 = 0 to 10 {",
        '"hls.statement"(%iv.1, %iv.2) {name = "scale"} : (index, index) -> ()',
        "%1 = affine.load %C[%iv.1, %iv.2] : memref<9x10xf32>",
        "%2 = affine.load %C[%iv.1, %iv.2] : memref<9x10xf32>",
        "%3 = arith.addf %1, %2 : f32",
        "affine.store %3, %C[%iv.1, %iv.2] : memref<9x10xf32>",
        "affine.for %iv.3 = 0 to 11 {",
        '"hls.statement"(%iv.1, %iv.2, %iv.3) {name = "mac"} : (index, index, index) -> ()',
        "%4 = affine.load %C[%iv.1, %iv.2] : memref<9x10xf32>",
        "%5 = affine.load %A[%iv.1, %iv.3] : memref<9x11xf32>",
        "%6 = affine.load %B[%iv.3, %iv.2] : memref<11x10xf32>",
        "%7 = arith.mulf %5, %6 : f32",
        "%8 = arith.addf %4, %7 : f32",
        "affine.store %8, %C[%iv.1, %iv.2] : memref<9x10xf32>",
        '} {hls.name = "k", hls.loop = "k"}',
        '} {hls.name = "j", hls.loop = "j"}',
        '} {hls.name = "i", hls.loop = "i"}',
        "return",
        "}",
    ]
    assert_same(gemm(), program(gemm()))


def test_bounds_are_exact_maxima_and_minima() -> None:
    edge = Assign("S", Access("A", (i, j)), load("A", f32, i, j))
    body = loop(
        "i",
        0,
        12,
        loop("j", i - 3, i + 4, When((Constraint(j), Constraint(const(9) - j)), (edge,))),
    )
    kernel = Kernel("band", (array("A", f32, 12, 12),), (), (body,))
    text = lowered(program(kernel))
    assert "affine.if" not in text
    assert re.search(r"= max .* to min ", text)
    assert_same(kernel, program(kernel))


def test_a_full_tile_has_no_guard_and_constant_bounds() -> None:
    tiled = Tile("mac", ("i", "j", "k"), (4, 4, 4)).run(program(gemm()))
    text = lowered(tiled)
    assert "affine.if" not in text
    first = text[text.index("affine.for") :]
    full = re.search(r"(affine\.for %\w+ = 0 to 4 \{\s*){3}", first)
    assert full is not None
    assert_same(gemm(), tiled)


def test_copies_of_a_loop_keep_their_name_and_get_labels_of_their_own() -> None:
    text = lowered(Split("acc", "i", 5).run(program(triangle_sum())))
    labels = re.findall(r'hls.name = "(\w+)"', text)
    assert len(labels) == len(set(labels))
    assert {"k", "k_rem"} <= set(labels)
    assert set(re.findall(r'hls.loop = "(\w+)"', text)) == {"i0", "i1", "k"}


def test_loops_of_one_name_are_labelled_by_their_first_statement() -> None:
    first = loop("i", 0, 9, Assign("a", Access("A", (i,)), load("B", f32, i)))
    second = loop("i", 0, 9, Assign("b", Access("B", (i,)), load("A", f32, i)))
    kernel = Kernel("two", (array("A", f32, 9), array("B", f32, 9)), (), (first, second))
    assert re.findall(r'hls.name = "(\w+_i)"', lowered(program(kernel))) == ["a_i", "b_i"]


def test_a_loop_that_runs_once_is_dropped_and_an_empty_one_too() -> None:
    once = loop("i", 3, 4, loop("j", 0, 5, Assign("S", Access("A", (i, j)), load("A", f32, i, j))))
    never = loop("j", 0, 0, Assign("T", Access("A", (j, j)), load("A", f32, j, j)))
    kernel = Kernel("once", (array("A", f32, 9, 9),), (), (once, never))
    text = lowered(program(kernel))
    assert text.count("affine.for") == 1
    assert "[3, %" in text
    assert_same(kernel, program(kernel))


def test_steps_and_negative_values_of_loops() -> None:
    kernel = Kernel(
        "steps",
        (array("A", f32, 40),),
        (),
        (loop("i", 1, 30, Assign("S", Access("A", (i + 3,)), load("A", f32, i)), step=4),),
    )
    assert " step 4" in lowered(program(kernel))
    shifted = Shift("S", "i", -50).run(program(kernel))
    lowered(shifted)
    assert_same(kernel, shifted)


def test_directives_become_attributes() -> None:
    directives = LoopDirectives(2, False, 4, True, ("C",), True)
    before = program(gemm())
    tree = edit_loop(before.schedule, "mac", "k", lambda n: replace(n, directives=directives))
    after = replace(before, schedule=tree).with_array(
        "A",
        ArrayDirectives(
            (Partition(1, "cyclic", 2),), (Partition(2, "complete"),), "ram_2p", "bram", 2, "m_axi", (("bundle", "g"),), 8
        ),
    )  # fmt: skip
    text = affine_text(after)
    assert (
        '{hls.name = "k", hls.loop = "k", hls.pipeline_ii = 2 : i64, hls.unroll = 4 : i64, '
        'hls.flatten = true, hls.dataflow, hls.dependence_free = ["C"]}'
    ) in text
    assert 'hls.partition = [{dim = 1 : i64, kind = "cyclic", factor = 2 : i64}]' in text
    assert 'hls.reshape = [{dim = 2 : i64, kind = "complete", factor = 0 : i64}]' in text
    assert 'hls.storage = {type = "ram_2p", impl = "bram", latency = 2 : i64}' in text
    assert 'hls.interface = {mode = "m_axi", bundle = "g"}' in text
    assert "hls.stream = 8 : i64" in text
    lowered(after)


def test_locations_survive() -> None:
    place = Location("kernel.py", 14, 4, 20)
    body = Assign("S", Access("A", (i,)), load("A", f32, i), place)
    kernel = Kernel("k", (array("A", f32, 9),), (), (loop("i", 0, 9, body),))
    module = poly_to_affine(program(kernel), process_context())
    text = module.operation.get_asm(enable_debug_info=True)
    assert re.search(r'"kernel.py":14:5', text)


def test_locals_and_callees() -> None:
    inner = Kernel(
        "twice",
        (array("X", f32, 8), array("Y", f32, 8)),
        (),
        (
            loop(
                "i",
                0,
                8,
                Assign("d", Access("Y", (i,)), apply("add", load("X", f32, i), load("X", f32, i))),
            ),
        ),
    )
    kernel = Kernel(
        "outer",
        (array("A", f32, 8), array("B", f32, 8)),
        (array("T", f32, 8),),
        (Call("first", "twice", ("A", "T")), Call("second", "twice", ("T", "B"))),
        (inner,),
    )
    text = lowered(program(kernel))
    assert text.index("@twice(") < text.index("@outer(")
    assert text.count("hls.top") == 1
    assert text.count("memref.alloc") == 1
    assert_same(kernel, program(kernel))


def test_an_empty_program_returns() -> None:
    never = loop("i", 0, 0, Assign("S", Access("A", (i,)), load("A", f32, i)))
    kernel = Kernel("none", (array("A", f32, 9),), (), (never,))
    assert "affine.for" not in lowered(program(kernel))


def test_one_parametric_loop_value_for_each_statement() -> None:
    """A loop's value may differ from statement to statement, with strides of its own."""
    a = Assign("a", Access("A", (i,)), load("B", f32, i))
    b = Assign("b", Access("C", (i,)), load("B", f32, i))
    kernel = Kernel("mix", tuple(array(n, f32, 20) for n in "ABC"), (), (loop("i", 0, 9, a, b),))
    before = program(kernel)
    tree = before.schedule
    assert isinstance(tree, Loop)
    mixed = replace(tree, exprs=(("a", i * 2), ("b", i * -3 + 7)))
    after = replace(before, schedule=mixed)
    validate(before, poly_to_affine(after, process_context()))
    assert_same(kernel, after)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(kernels())
def test_random_kernels_compute_the_same(kernel: Kernel) -> None:
    before = graph_to_poly(kernel)
    module = poly_to_affine(before, process_context())
    validate(before, module)
    arguments = make(kernel, "random", np.random.default_rng(0))
    expected = reference.run(kernel, arguments)
    found = JitFunction(module, kernel.name)(arguments)
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


@pytest.mark.parametrize("count", [200])
def test_time_grows_linearly_with_statements(count: int) -> None:
    def many(statements: int) -> Kernel:
        body = tuple(
            Assign(f"S{n}", Access("A", (i, j + n)), load("A", f32, i, j))
            for n in range(statements)
        )
        return Kernel(
            "many", (array("A", f32, 64, 512),), (), (loop("i", 0, 64, loop("j", 0, 64, *body)),)
        )

    def seconds(statements: int) -> float:
        kernel = many(statements)
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            affine_text(graph_to_poly(kernel))
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(count) < 4 * 10 * seconds(count // 10)


def test_integers_of_data_dependent_subscripts() -> None:
    index = load("P", IntType(7, False), i)
    kernel = Kernel(
        "scatter",
        (array("A", f32, 128), array("P", IntType(7, False), 9)),
        (),
        (loop("i", 0, 9, Assign("S", Access("A", (index,)), load("A", f32, i))),),
    )
    text = lowered(program(kernel))
    assert "arith.index_castui" in text
    assert_same(kernel, program(kernel))


def test_in_place_sweeps_keep_their_order() -> None:
    assert_same(in_place(), Split("s", "i", 7).run(program(in_place())))


def test_affine_functions_of_loops_as_data() -> None:
    number = Index(Affine.var("i") * 3 - 5, IntType(6))
    kernel = Kernel(
        "numbers",
        (array("N", IntType(6), 20),),
        (),
        (loop("i", 0, 20, Assign("S", Access("N", (i,)), number)),),
    )
    assert_same(kernel, program(kernel))
