"""What a kernel records: loops, guards, bounds, names, types, places."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pom
from pom.dsl.kernel import KernelFunction
from pom.dsl.types import bool as pom_bool
from pom.ir.affine import Affine, Constraint, parse_affine
from pom.ir.expr import Apply, Const, Index
from pom.ir.graph import Assign, For, Kernel, When
from pom.ir.types import ArrayType, BoolType, FixedType, FloatType, IntType
from tests.dsl.recording import record


def only(kernel: KernelFunction) -> Assign:
    ((statement, _),) = kernel.graph.statements()
    assert isinstance(statement, Assign)
    return statement


def test_compute_and_loops_record_the_same_program() -> None:
    @pom.kernel(name="gemm")
    def declared(beta: pom.f32, A: pom.f32[6, 4], B: pom.f32[4, 5], C: pom.f32[6, 5]):
        i, j, k = pom.vars(i=6, j=5, k=4)
        pom.compute("scale", [i, j], C[i, j], beta * C[i, j])
        pom.compute("mac", [i, j, k], C[i, j], C[i, j] + A[i, k] * B[k, j])

    @pom.kernel(name="gemm")
    def looped(beta: pom.f32, A: pom.f32[6, 4], B: pom.f32[4, 5], C: pom.f32[6, 5]):
        for i in pom.loop("i", 0, 6):
            for j in pom.loop("j", 0, 5):
                pom.compute("scale", [], C[i, j], beta * C[i, j])
        for i in pom.loop("i", 6):
            for j in pom.loop("j", 5):
                for k in pom.loop("k", 4):
                    pom.compute("mac", [], C[i, j], C[i, j] + A[i, k] * B[k, j])

    assert declared.graph == looped.graph
    assert [s.name for s, _ in declared.graph.statements()] == ["scale", "mac"]
    assert declared.graph.directions() == {"A": "in", "B": "in", "C": "inout"}


def test_bounds_steps_and_guards() -> None:
    @pom.kernel
    def banded(A: pom.f32[40, 40]):
        for i in pom.loop("i", 1, 31, 3):
            for j in pom.loop("j", pom.max(0, i - 4), pom.min(i + 5, 32) + 1):
                with pom.when(i > j, (i + j) % 2 == 0):
                    A[i, j // 2] = A[2 * i - j, j] - 1

    (outer,) = banded.graph.body
    assert isinstance(outer, For)
    assert (outer.name, outer.step) == ("i", 3)
    (inner,) = outer.body
    assert isinstance(inner, For)
    assert inner.lowers == (Affine.const(0), parse_affine("i - 4"))
    assert inner.uppers == (parse_affine("i + 6"), Affine.const(33))
    (guard,) = inner.body
    assert isinstance(guard, When)
    assert guard.constraints == (
        Constraint(parse_affine("i - j - 1")),
        Constraint(parse_affine("(i + j) % 2"), True),
    )


def test_conditions_are_data_too() -> None:
    @pom.kernel
    def upper(A: pom.f32[8, 8], M: pom_bool[8]):
        for i in pom.loop("i", 0, 8):
            M[i] = (i == 3) | ~(i < 5)
            for j in pom.loop("j", 0, 8):
                A[i, j] = pom.select((i <= j) & (i != 2), A[i, j], 0)

    first, second = (s for s, _ in upper.graph.statements())
    assert isinstance(first, Assign)
    assert isinstance(second, Assign)
    assert str(first.value) == "or(eq(index(i), index(3)), invert(lt(index(i), index(5))))"
    assert isinstance(second.value, Apply)
    assert second.value.op == "select"
    assert second.value.operands[2] == Const(0.0, pom.f32)


def test_negated_condition_guards() -> None:
    @pom.kernel
    def rest(A: pom.f32[8]):
        for i in pom.loop("i", 0, 8):
            with pom.when(~(i > 3) & (i >= 1)):
                A[i] = 0

    ((_, around),) = rest.graph.statements()
    assert isinstance(around[1], When)
    assert around[1].constraints == (
        Constraint(parse_affine("3 - i")),
        Constraint(parse_affine("i - 1")),
    )


def test_where_guards_a_compute() -> None:
    @pom.kernel
    def upper(A: pom.f32[8, 8]):
        i, j = pom.vars(i=8, j=8)
        pom.compute("zero", [i, j], A[i, j], 0, where=[i < j, j < 7])

    ((_, around),) = upper.graph.statements()
    assert [type(n) for n in around] == [For, For, When]


def test_variables_with_ranges() -> None:
    @pom.kernel
    def ranged(A: pom.f32[16]):
        (i,) = pom.vars(i=(2, 14, 4))
        pom.compute("a", [i], A[i], 0)
        j = pom.var("j", 3)
        pom.compute([j], A[j], 1)

    (a, b) = ranged.graph.body
    assert isinstance(a, For)
    assert isinstance(b, For)
    assert (a.lowers[0].constant, a.uppers[0].constant, a.step) == (2, 14, 4)
    assert [s.name for s, _ in ranged.graph.statements()] == ["a", "S0"]


def test_triangular_domain_of_free_variables() -> None:
    @pom.kernel
    def lower(A: pom.f32[8, 8]):
        i = pom.var("i", 8)
        j = pom.var("j", 0, i + 1)
        pom.compute("s", [i, j], A[i, j], 0)

    ((_, around),) = lower.graph.statements()
    assert isinstance(around[1], For)
    assert around[1].uppers == (parse_affine("i + 1"),)


def test_automatic_names_avoid_given_ones() -> None:
    @pom.kernel
    def named(A: pom.f32[8]):
        pom.compute("S1", [], A[0], 1)
        A[1] = 2
        A[2] = 3

    assert [s.name for s, _ in named.graph.statements()] == ["S1", "S0", "S2"]


def test_local_arrays_take_the_name_of_their_variable() -> None:
    @pom.kernel
    def locals_(A: pom.f32[8]):
        row = pom.array(pom.f32[8])
        rows = [pom.array(pom.f32[8])]
        row[0] = A[0]
        rows[0][0] = row[0]
        A[0] = rows[0][0]

    assert [a.name for a in locals_.graph.locals] == ["row", "local"]


def test_local_scalars() -> None:
    @pom.kernel
    def dot(A: pom.f32[8], B: pom.f32[8], out: pom.f32[1]):
        total = pom.array(pom.f32)
        total[()] = 0
        for i in pom.loop("i", 0, 8):
            total += A[i] * B[i]
        out[0] = 2 * total

    assert [str(s.value) for s, _ in dot.graph.statements() if isinstance(s, Assign)] == [
        "0.0",
        "add(total[], mul(A[i], B[i]))",
        "mul(2.0, total[])",
    ]


def test_every_update_of_a_local_scalar_stores() -> None:
    @pom.kernel
    def updates(n: pom.uint8, out: pom.uint8[1]):
        t = pom.array(pom.uint8)
        t[()] = n
        t += 1
        t -= 1
        t *= 3
        t /= 2
        t %= 5
        t &= 7
        t |= 1
        t ^= 2
        t <<= 1
        t >>= 1
        out[0] = t

    ops = []
    for statement, _ in updates.graph.statements():
        assert isinstance(statement, Assign)
        value = statement.value
        if isinstance(value, Apply) and value.op == "cast":
            value = value.operands[0]
        ops.append(value.op if isinstance(value, Apply) else "load")
    assert ops == [
        "load",
        "add",
        "sub",
        "mul",
        "div",
        "mod",
        "and",
        "or",
        "xor",
        "shl",
        "shr",
        "load",
    ]


def test_results_are_cast_to_the_element_type() -> None:
    @pom.kernel
    def narrow(A: pom.int8[4], B: pom.int_(5)[4]):
        i = pom.vars(i=4)
        pom.compute([i], B[i], A[i] + B[i])

    value = only(narrow).value
    assert isinstance(value, Apply)
    assert (value.op, value.type) == ("cast", IntType(5))
    assert value.operands[0].type == IntType(9)


def test_iterators_as_data() -> None:
    @pom.kernel
    def iota(A: pom.f32[8], N: pom.int64[8]):
        for i in pom.loop("i", 0, 8):
            A[i] = pom.cast(2 * i + 1, pom.f32)
            N[i] = (i + 2**40) * i

    first, second = (s.value for s, _ in iota.graph.statements() if isinstance(s, Assign))
    assert isinstance(first, Apply)
    assert first.operands == (Index(parse_affine("2*i + 1"), IntType(32)),)
    assert isinstance(second, Apply)
    (product,) = second.operands
    assert isinstance(product, Apply)
    assert product.operands[0] == Index(parse_affine(f"i + {2**40}"), IntType(64))


def test_extrema_are_data_where_they_meet_data() -> None:
    @pom.kernel
    def clamp(A: pom.f32[8], N: pom.int32[8]):
        for i in pom.loop("i", 0, 8):
            A[i] = pom.min(pom.max(A[i], 0), 255)
            N[i] = pom.max(i, 3) + N[i] - pom.min(i, 5, N[i])

    first, second = (s.value for s, _ in clamp.graph.statements() if isinstance(s, Assign))
    assert str(first) == "min(max(A[i], 0.0), 255.0)"
    assert "max(index(i), index(3))" in str(second)
    assert pom.min(3, 4) == 3
    assert pom.abs(-2) == 2


def test_data_dependent_subscripts() -> None:
    @pom.kernel
    def gather(col: pom.int32[8], v: pom.f32[100], out: pom.f32[8]):
        for i in pom.loop("i", 0, 8):
            out[i] = v[col[i]]

    statement = only(gather)
    assert [str(a) for a in statement.reads] == ["col[i]", "v[col[i]]"]


def test_empty_loops_are_legal_and_loops_without_statements_vanish() -> None:
    @pom.kernel
    def hollow(A: pom.f32[4]):
        for i in pom.loop("i", 5, 3):
            A[i + 100] = 0
        for _ in pom.loop("j", 0, 4):
            pass
        A[0] = 1

    assert len(hollow.graph.body) == 2


def test_pictures_of_values_name_them() -> None:
    seen = []

    @pom.kernel
    def shown(x: pom.f32, A: pom.f32[4]):
        for i in pom.loop("i", 0, 4):
            seen.extend([repr(i + 1), repr(A), repr(x * 2)])
            A[i] = x

    assert seen == ["<index i + 1>", "<array A: f32[4]>", "<f32 value mul(x, 2.0)>"]
    assert repr(shown) == "<kernel shown(x: f32, A: f32[4])>"


def test_annotations_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "later.py"
    path.write_text(
        "from __future__ import annotations\n"
        "import pom\n"
        "def make(n):\n"
        "    @pom.kernel\n"
        "    def k(x: pom.f32, A: pom.f32[n, 2]):\n"
        "        A[n - 1, 0] = x\n"
        "    return k\n"
        "k = make(5)\n"
    )
    params = pom.load_kernel(path).graph.params
    assert params[1].type == ArrayType(FloatType(32), (5, 2))


def test_types_of_the_surface() -> None:
    assert pom.bool == BoolType()
    assert (pom.f16, pom.f64) == (FloatType(16), FloatType(64))
    assert pom.int_(13) == IntType(13)
    assert pom.uint_(3) == pom.uint_(3) == IntType(3, signed=False)
    assert pom.int16 == IntType(16)
    assert pom.uint64 == IntType(64, signed=False)
    assert pom.fixed(16, 8) == FixedType(16, 8)
    assert pom.ufixed(9, -2) == FixedType(9, -2, signed=False)


def test_places_of_nodes(tmp_path: Path) -> None:
    kernel = record(
        tmp_path,
        "def twice(x):\n"
        "    return x + x\n"
        "@pom.kernel\n"
        "def k(A: pom.f32[8]):\n"
        '    for i in pom.loop("i", 0, 8):\n'
        "        A[i] = (  # ä\n"
        "            twice(A[i])\n"
        "            * 2\n"
        "        )\n",
    ).graph
    assert kernel.location is not None
    assert kernel.location.line == 5
    loop = kernel.body[0]
    assert loop.location is not None
    assert (loop.location.line, loop.location.column, loop.location.end_column) == (6, 13, 32)
    statement, _ = next(kernel.statements())
    assert isinstance(statement, Assign)
    assert statement.location is not None
    assert (statement.location.line, statement.location.column) == (7, 8)
    product = statement.value
    assert isinstance(product, Apply)
    assert product.location is not None
    assert product.location.line == 8
    total = product.operands[0]
    assert total.location is not None
    assert (total.location.line, total.location.column) == (3, 11)


def test_columns_count_characters(tmp_path: Path) -> None:
    kernel = record(
        tmp_path,
        '@pom.kernel\ndef k(A: pom.f32[8]):\n    "äöü"; A[0] = A[1] + 1\n',
    ).graph
    value = next(kernel.statements())[0]
    assert isinstance(value, Assign)
    assert value.value.location is not None
    place = value.value.location
    assert place.source_line[place.column : place.end_column] == "A[1] + 1"


def test_kernels_without_a_file_are_recorded() -> None:
    namespace: dict[str, object] = {"pom": pom}
    exec("@pom.kernel\ndef k(A: pom.f32[8]):\n    A[0] = 1\n", namespace)
    kernel = namespace["k"]
    assert isinstance(kernel, KernelFunction)
    assert isinstance(kernel.graph, Kernel)


def test_numpy_scalars_are_literals() -> None:
    import numpy as np

    @pom.kernel
    def scaled(A: pom.f32[8], N: pom.int8[8], M: pom_bool[8]):
        A[np.int64(3)] = np.float32(0.5) * A[0]
        N[0] = N[1] + np.int16(5)
        M[0] = np.bool_(True)

    values = [s.value for s, _ in scaled.graph.statements() if isinstance(s, Assign)]
    assert str(values[0]) == "mul(0.5, A[0])"
    assert values[2] == Const(True, BoolType())


def test_import_is_light() -> None:
    code = (
        "import sys, pom\n"
        "heavy = {'mlir', 'islpy', 'numpy', 'torch', 'networkx', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.returncode == 0


def test_names_are_listed_and_found() -> None:
    assert {"kernel", "loop", "sqrt", "select", "fixed", "min"} <= set(dir(pom))
    assert not hasattr(pom, "no_such_name")
    for name in set(dir(pom)) - {"schedule", "Schedule", "build", "Design"}:
        getattr(pom, name)


def test_recording_gemm_takes_less_than_two_milliseconds() -> None:
    def make() -> None:
        @pom.kernel
        def gemm(alpha: pom.f32, A: pom.f32[64, 48], B: pom.f32[48, 32], C: pom.f32[64, 32]):
            i, j, k = pom.vars(i=64, j=32, k=48)
            pom.compute("scale", [i, j], C[i, j], alpha * C[i, j])
            pom.compute("mac", [i, j, k], C[i, j], C[i, j] + alpha * A[i, k] * B[k, j])

    make()
    times = []
    for _ in range(15):
        start = time.perf_counter()
        make()
        times.append(time.perf_counter() - start)
    assert median(times) < 2e-3


def test_constants_of_a_given_type() -> None:
    @pom.kernel
    def k(x: pom.int8, A: pom.int8[4], F: pom.fixed(8, 4)[2], B: pom.bool[1]):
        A[0] = pom.cast(-3, pom.int8)
        A[1] = pom.cast(x, pom.int8)
        F[0] = pom.cast(0.3, pom.fixed(8, 4))
        A[2] = pom.select(True, x, 4)

    values = [str(s.value) for s, _ in k.graph.statements() if isinstance(s, Assign)]
    assert values == ["-3", "x", "1/4", "select(True, x, 4)"]
    assert k.location == k.graph.location


def test_extrema_of_extrema() -> None:
    @pom.kernel
    def k(A: pom.f32[9]):
        for i in pom.loop("i", 0, 9):
            for j in pom.loop("j", 0, pom.min(pom.min(i, 4), 9 - i)):
                A[j] = 0

    ((_, around),) = k.graph.statements()
    assert isinstance(around[1], For)
    assert [str(u) for u in around[1].uppers] == ["i", "4", "-i + 9"]


def test_local_scalar_as_the_target_of_compute() -> None:
    @pom.kernel
    def k(A: pom.f32[9]):
        t = pom.array(pom.f32)
        pom.compute("zero", [], t, 0)
        i = pom.vars(i=9)
        pom.compute("sum", i, t, t + A[i])
        A[0] = t

    assert [str(s.target) for s, _ in k.graph.statements() if isinstance(s, Assign)] == [
        "t[]",
        "t[]",
        "A[0]",
    ]
    assert k.graph.arrays["t"].type.rank == 0


def test_names_bound_in_the_body_are_not_carried() -> None:
    @pom.kernel
    def k(A: pom.f32[9, 9], B: pom.f32[9]):
        total = pom.array(pom.f32)
        scale = 1.0
        for i in pom.loop("i", 0, 9):
            first, second = A[i, 0], A[i, 1]
            products = [first * second for _ in range(2)]

            def twice(value):
                return value + value

            for part in products:
                scale = 2.0
                B[i] = twice(part) * scale
            total[()] = 0
            for j in pom.loop("j", 0, 9):
                total += A[i, j]
            B[i] += total

    assert len(list(k.graph.statements())) == 5


def test_variables_under_a_guard_may_be_used_there() -> None:
    @pom.kernel
    def k(A: pom.f32[9], B: pom.f32[9]):
        for i in pom.loop("i", 0, 9):
            total = pom.array(pom.f32)
            total[()] = 0
            with pom.when(i > 0):
                left = A[i - 1]
                total += left
                for j in pom.loop("j", 0, i):
                    total += B[j]
            with pom.when(i < 8):
                left = A[i + 1]
                total += left
            for j in pom.loop("j", 0, 9):
                left = A[j]
                total += left
            A[i] = total

    assert len(list(k.graph.statements())) == 6
