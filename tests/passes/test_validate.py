"""Translation validation: correct modules pass, each fault in a module is found."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace

import islpy as isl
import pytest
from mlir.ir import Module

from pom.dialects.context import process_context
from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, Apply, Argument, Const, Index, Load
from pom.ir.graph import Array, Assign, Call, For, Kernel, Scalar, When
from pom.ir.poly import PolyProgram
from pom.ir.types import ArrayType, FixedType, IntType, bool_, f32
from pom.passes import validate_order
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_interchange import Interchange
from pom.passes.poly_reverse import Reverse
from pom.passes.poly_split import Split
from pom.passes.poly_tile import Tile
from pom.passes.poly_to_affine import affine_text, poly_to_affine
from pom.passes.validate import validate
from tests.passes.brute_force import Enumerated, random_kernel
from tests.passes.random_schedules import rewrites

i, j, k, t = (Affine.var(v) for v in "ijkt")
c = Affine.const


def loop(name: str, low: Affine | int, high: Affine | int, *body: object, step: int = 1) -> For:
    low = low if isinstance(low, Affine) else c(low)
    high = high if isinstance(high, Affine) else c(high)
    return For(name, name, (low,), (high,), body, step)  # type: ignore[arg-type]


def load(array: str, *subscripts: Affine) -> Load:
    return Load(Access(array, subscripts), f32)


def f32s(name: str, *shape: int) -> Array:
    return Array(name, ArrayType(f32, shape))


def gemm() -> PolyProgram:
    """An imperfect nest with a guard and a triangle in it."""
    scale = Assign(
        "scale", Access("C", (i, j)), Apply("mul", (load("C", i, j), Argument("beta", f32)), f32)
    )
    product = Apply("mul", (load("A", i, k), load("B", k, j)), f32)
    mac = Assign("mac", Access("C", (i, j)), Apply("add", (load("C", i, j), product), f32))
    edge = When(
        (Constraint(i - 3), Constraint(c(9) - i)),
        (Assign("edge", Access("D", (i,)), load("C", i, i)),),
    )
    body = loop("i", 0, 13, loop("j", 0, 11, scale, loop("k", 0, i + 1, mac)), edge)
    params = (
        Scalar("beta", f32),
        f32s("A", 13, 13),
        f32s("B", 13, 11),
        f32s("C", 13, 13),
        f32s("D", 13),
    )
    return graph_to_poly(Kernel("gemm", params, (), (body,)))


def stencil() -> PolyProgram:
    """Two statements over time, in place."""
    one = Assign("one", Access("B", (i,)), Apply("add", (load("A", i - 1), load("A", i + 1)), f32))
    two = Assign("two", Access("A", (i,)), load("B", i))
    body = loop("t", 0, 5, loop("i", 1, 20, one), loop("i", 1, 20, two))
    return graph_to_poly(Kernel("stencil", (f32s("A", 21), f32s("B", 21)), (), (body,)))


def parse(text: str) -> Module:
    return Module.parse(text, process_context())


def refused(program: PolyProgram, text: str) -> PomError:
    with pytest.raises(PomError, match="POM-A") as caught:
        validate(program, parse(text))
    return caught.value


@pytest.mark.parametrize("make", [gemm, stencil])
def test_the_lowered_program_is_accepted(make: object) -> None:
    program = make()  # type: ignore[operator]
    validate(program, poly_to_affine(program))


@pytest.mark.parametrize("remainder", ["isolate", "separate", "guard"])
@pytest.mark.parametrize("sizes", [(4, 3), (5, 5), (13, 1)])
def test_tiles_with_remainders_are_accepted(sizes: tuple[int, int], remainder: str) -> None:
    program = gemm()
    tiled = Tile("mac", ("i", "j"), sizes, remainder).run(program)  # type: ignore[arg-type]
    validate(program, poly_to_affine(tiled))


# text, what it becomes, the code, and what the error names
MUTATIONS = {
    "one iteration too many": (r"= 0 to 13", "= 0 to 14", "POM-A102", "scale"),
    "one iteration too few": (r"= 0 to 11", "= 0 to 10", "POM-A103", "scale"),
    "a later start": (r"= 0 to 11", "= 1 to 11", "POM-A103", "scale"),
    "every other iteration": (r"= 0 to 11 \{", "= 0 to 11 step 2 {", "POM-A103", "scale"),
    "a wrong triangle": (r"affine_map<\(d0\) -> \(d0 \+ 1\)>", "affine_map<(d0) -> (d0)>", "POM-A103", "mac"),
    "a wrong guard": (r"d0 - 3 >= 0|d0 \+ -3 >= 0", "d0 - 2 >= 0", "POM-A102", "edge"),
    "swapped subscripts": (r"affine.load %A\[(%[\w.]+), (%[\w.]+)\]", r"affine.load %A[\2, \1]", "POM-A105", "mac"),
    "a shifted subscript": (r"affine.load %B\[(%[\w.]+), ", r"affine.load %B[\1 + 1, ", "POM-A105", "mac"),
    "another array": (r"affine.load %A\[", "affine.load %C[", "POM-A106", "mac"),
    "another element stored": (r"(affine.store %\d+), %D\[(%[\w.]+)\]", r"\1, %D[\2 + 0 - 1]", "POM-A105", "edge"),
    "another operation": (r"arith.addf", "arith.subf", "POM-A106", "mac"),
    "swapped operands": (r"arith.addf (%\d+), (%\d+)", r"arith.addf \2, \1", "POM-A106", "mac"),
    "fast math": (r"(arith.addf %\d+, %\d+)", r"\1 fastmath<reassoc>", "POM-A106", "mac"),
    "a wrong marker": (r'"hls.statement"\((%[\w.]+), (%[\w.]+), (%[\w.]+)\)', r'"hls.statement"(\1, \3, \2)', "POM-A10", "mac"),
    "another statement": (r'name = "scale"', 'name = "edge"', "POM-A106", "edge"),
    "an unknown statement": (r'name = "scale"', 'name = "other"', "POM-A102", "other"),
    "another type": (r'(%A: memref<13x13xf32> \{hls.name = "A", hls.type = )"f32"', r'\1"int32"', "POM-A100", "'A'"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutated_module_is_refused(mutation: str) -> None:
    pattern, replacement, code, named = MUTATIONS[mutation]
    program = gemm()
    text = affine_text(program)
    mutated, count = re.subn(pattern, replacement, text, count=1)
    assert count == 1, f"the mutation does not apply:\n{text}"
    error = refused(program, mutated)
    assert error.code.startswith(code)
    assert named in error.summary


def test_a_dropped_guard_is_refused() -> None:
    program = gemm()
    lines = affine_text(program).splitlines()
    start = next(n for n, line in enumerate(lines) if "affine.if" in line)
    end = next(n for n in range(start, len(lines)) if lines[n].strip() == "}")
    kept = [line for n, line in enumerate(lines) if n not in (start, end)]
    error = refused(program, "\n".join(kept))
    assert error.code == "POM-A102"
    assert re.search(r"edge.*instance \((\d+),\)", error.summary)


def test_an_instance_that_runs_twice_is_refused() -> None:
    """The copy is identical in value: only counting finds it."""
    program = stencil()
    lines = affine_text(program).splitlines()
    start = next(n for n, line in enumerate(lines) if 'name = "two"' in line)
    end = next(n for n in range(start, len(lines)) if "affine.store" in lines[n])
    copy = [re.sub(r"%(\d+)", r"%again\1", line) for line in lines[start : end + 1]]
    error = refused(program, "\n".join([*lines[: end + 1], *copy, *lines[end + 1 :]]))
    assert error.code == "POM-A104"


def test_an_unaccounted_store_is_refused() -> None:
    program = stencil()
    text = affine_text(program)
    store = re.search(r"affine.store (%\d+), %A\[.*", text)
    assert store is not None
    error = refused(program, text.replace(store.group(0), f"{store.group(0)}\n{store.group(0)}"))
    assert error.code == "POM-A101"


def test_swapped_dependent_loops_are_refused() -> None:
    """Every instance runs once and is right, but the order is not."""
    program = stencil()
    loops = program.schedule.child.children  # type: ignore[union-attr]
    swapped = replace(program.schedule, child=replace(program.schedule.child, children=loops[::-1]))  # type: ignore[type-var,union-attr]
    error = refused(program, affine_text(replace(program, schedule=swapped)))
    assert error.code == "POM-A107"
    assert re.search(r"one\[(\d), \d+\] must run before two\[\1, \d+\]", error.summary)


def test_a_reversed_reduction_is_refused_against_the_original() -> None:
    program = graph_to_poly(
        Kernel(
            "total",
            (f32s("A", 9), f32s("x")),
            (),
            (loop("i", 0, 9, Assign("add", Access("x", ()), Apply("add", (load("x"), load("A", i)), f32))),),
        )
    )  # fmt: skip
    backwards = Reverse("add", "i", fast_math=True).run(program)
    error = refused(program, affine_text(backwards))
    assert error.code == "POM-A107"
    validate(backwards, poly_to_affine(backwards))


def test_a_missing_function_is_refused() -> None:
    program = gemm()
    assert refused(replace(program, name="other"), affine_text(program)).code == "POM-A100"


def test_a_loop_that_carries_values_is_refused() -> None:
    program = stencil()
    text = affine_text(program).replace(
        "affine.for %iv.1 = 0 to 5 {",
        "%zero = arith.constant 0.0 : f32\n"
        "%sum = affine.for %q = 0 to 2 iter_args(%a = %zero) -> (f32) {\naffine.yield %a : f32\n}\n"
        "affine.for %iv.1 = 0 to 5 {",
    )
    assert "iter_args" in text
    assert refused(program, text).code == "POM-A101"


def test_data_dependent_subscripts_and_calls_are_followed() -> None:
    index = Load(Access("P", (i,)), IntType(8))
    inner = Kernel(
        "copy", (f32s("X", 8), f32s("Y", 8)), (), (loop("i", 0, 8, Assign("c", Access("Y", (i,)), load("X", i))),)
    )  # fmt: skip
    gather = Assign("gather", Access("T", (i,)), Load(Access("A", (index,)), f32))
    outer = Kernel(
        "outer",
        (f32s("A", 256), Array("P", ArrayType(IntType(8), (8,))), f32s("B", 8)),
        (f32s("T", 8),),
        (loop("i", 0, 8, gather), Call("call", "copy", ("T", "B"))),
        (inner,),
    )
    program = graph_to_poly(outer)
    text = affine_text(program)
    validate(program, parse(text))
    assert (
        refused(program, text.replace("func.call @copy(%T, %B)", "func.call @copy(%B, %T)")).code
        == "POM-A106"
    )
    assert (
        refused(program, text.replace("arith.index_cast ", "arith.index_castui ")).code
        == "POM-A106"
    )


def test_constants_and_exact_types_are_compared() -> None:
    fixed, wide = FixedType(16, 8), IntType(100)
    flag = Apply("lt", (Load(Access("N", (i,)), wide), Const(2**70, wide)), bool_)
    value = Apply("select", (flag, Const(0.5, fixed), Const(-3, fixed)), fixed)
    number = Assign("number", Access("N", (i,)), Apply("cast", (Index(i + 1, IntType(8)),), wide))
    kernel = Kernel(
        "types",
        (Array("N", ArrayType(wide, (8,))), Array("F", ArrayType(fixed, (8,)))),
        (),
        (loop("i", 0, 8, Assign("choose", Access("F", (i,)), value), number),),
    )
    program = graph_to_poly(kernel)
    text = affine_text(program)
    validate(program, parse(text))
    for old, new in (
        ("constant 128 : i16", "constant 129 : i16"),
        ("hls.lt", "hls.le"),
        (str(2**70), str(2**70 + 1)),
    ):
        assert old in text
        assert refused(program, text.replace(old, new)).code == "POM-A106"


def test_empty_domains_need_no_loops() -> None:
    dead = When((Constraint(i - 20),), (Assign("dead", Access("A", (i,)), load("A", i)),))
    program = graph_to_poly(Kernel("empty", (f32s("A", 9),), (), (loop("i", 0, 9, dead),)))
    validate(program, poly_to_affine(program))


@pytest.mark.parametrize("seed", range(12))
def test_verdicts_agree_with_enumeration(seed: int) -> None:
    """A random rewrite, legal or not, is accepted exactly where no dependent pair is reversed."""
    rng = random.Random(seed)
    kernel = random_kernel(rng)
    program = graph_to_poly(kernel)
    listed = Enumerated(kernel, program)
    for _, _, candidates in rewrites(rng, program, 4):
        for candidate in candidates:
            is_reversed = bool(listed.reversed_pairs(candidate))
            module = poly_to_affine(candidate)
            if is_reversed:
                with pytest.raises(PomError, match="POM-A107"):
                    validate(program, module)
            else:
                validate(program, module)


def test_validation_is_cheap_and_linear_in_statements() -> None:
    def many(count: int) -> PolyProgram:
        nests = tuple(
            For(
                f"i{n}", "i", (c(0),), (c(64),), (Assign(f"S{n}", Access("A", (i,)), load("A", i)),)
            )
            for n in range(count)
        )
        return graph_to_poly(Kernel("many", (f32s("A", 64),), (), nests))

    def seconds(count: int) -> float:
        program = many(count)
        split = Split("S0", "i0", 8).run(program)
        module = poly_to_affine(split)
        best = float("inf")
        for _ in range(3):
            validate_order._dependences.cache_clear()
            start = time.process_time()
            validate(program, module)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(40) < 30 * seconds(4)


def test_interchange_in_a_triangle_is_accepted() -> None:
    body = Assign("S", Access("A", (i, j)), Apply("add", (load("A", i, j), load("B", j)), f32))
    nest = loop("i", 0, 17, loop("j", i, 19, body))
    program = graph_to_poly(Kernel("tri", (f32s("A", 19, 19), f32s("B", 19)), (), (nest,)))
    validate(program, poly_to_affine(Interchange("S", "i", "j").run(program)))


@pytest.mark.parametrize("seed", range(4))
def test_every_conflicting_pair_gives_the_same_verdict(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done where isl gives up on the nearest accesses."""

    def give_up(*_: object) -> isl.UnionMap:
        raise isl.Error("given up")

    monkeypatch.setattr(validate_order, "_nearest", give_up)
    test_verdicts_agree_with_enumeration(seed)
