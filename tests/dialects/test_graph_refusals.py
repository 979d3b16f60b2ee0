"""Every rule of level 1 refuses what breaks it, at the user's source."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mlir.ir import Module

from pom.dialects import graph
from pom.dialects.context import process_context
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Argument, Const, Expr, Index, Load
from pom.ir.graph import Array, Assign, Call, For, Kernel, Scalar, When
from pom.ir.location import Location
from pom.ir.types import ArrayType, FixedType, FloatType, IntType, bool_, f32, f64

HERE = Location("k.py", 7, 4, 9)
IDX, ONE = Affine.var("i"), Const(1.0, f32)
A = Array("A", ArrayType(f32, (8,)))
ASSIGN = Assign("S", Access("A", (IDX,)), ONE, HERE)
LOOP = For("i", "i", (Affine.const(0),), (Affine.const(8),), (ASSIGN,), location=HERE)
KERNEL = Kernel("k", (A, Scalar("s", f64)), (), (LOOP,), location=HERE)


def storing(value: Expr, target: Access | None = None) -> Kernel:
    statement = Assign("S", target or Access("A", (IDX,)), value, HERE)
    return replace(KERNEL, body=(replace(LOOP, body=(statement,)),))


def calling(*arguments: str | Expr, callee: str = "inner", **change: object) -> Kernel:
    copy = Assign("T", Access("X", (IDX,)), Load(Access("Y", (IDX,)), f32))
    inner = Kernel(
        "inner",
        (Array("X", A.type), Array("Y", A.type)),
        (),
        (replace(LOOP, body=(copy,)),),
    )
    inner = replace(inner, **change)  # type: ignore[arg-type]
    return replace(KERNEL, body=(Call("C", callee, arguments, HERE),), callees=(inner,))


BAD: list[tuple[str, Kernel, str]] = [
    ("POM-G010", replace(KERNEL, name="a-b"), "a-b"),
    ("POM-G010", replace(KERNEL, body=(replace(LOOP, var="für"),)), "für"),
    ("POM-G011", replace(KERNEL, params=(A, A)), "two parameters or arrays are called 'A'"),
    ("POM-G011", replace(KERNEL, body=(LOOP, LOOP)), "two statements are called 'S'"),
    ("POM-G011", replace(KERNEL, body=(replace(LOOP, body=(LOOP,)),)), "iterator 'i'"),
    ("POM-G011", replace(KERNEL, body=(replace(LOOP, var="A"),)), "also a parameter"),
    (
        "POM-G011",
        replace(KERNEL, body=(replace(LOOP, body=(replace(LOOP, var="j"),)),)),
        "is called 'i' too",
    ),
    ("POM-G012", replace(KERNEL, params=(Array("A", ArrayType(f32, (0,))),)), "at least 1"),
    (
        "POM-G012",
        replace(KERNEL, params=(Array("A", ArrayType(f32, (1 << 40, 1 << 40))),)),
        "elements",
    ),
    ("POM-G012", replace(KERNEL, params=(A, Scalar("s", IntType(1025)))), "1 to 1024 bits"),
    ("POM-G012", replace(KERNEL, params=(A, Scalar("s", FloatType(8)))), "16, 32 or 64"),
    ("POM-G012", replace(KERNEL, params=(A, Scalar("s", FixedType(8, 9999)))), "integer bits"),
    ("POM-G013", storing(Load(Access("B", (IDX,)), f32)), "no array 'B'"),
    ("POM-G013", storing(Argument("t", f32)), "no scalar argument 't'"),
    ("POM-G013", calling("A", "Z"), "no array 'Z'"),
    ("POM-G014", storing(ONE, Access("A", (IDX, IDX))), "2 subscripts"),
    ("POM-G014", storing(ONE, Access("A", (Const(1.0, f32),))), "not an integer"),
    ("POM-G015", storing(ONE, Access("A", (Affine.var("j"),))), "'j' in j is not an iterator"),
    ("POM-G016", storing(Apply("add", (ONE, Const(1.0, f64)), f32)), "convert one of them"),
    ("POM-G016", storing(Apply("add", (ONE, ONE), f64)), "is f32, not f64"),
    ("POM-G016", storing(Index(IDX, f32)), "not an integer"),
    (
        "POM-G016",
        storing(Apply("cast", (Apply("cast", (ONE,), FixedType(200, 200)),), f32)),
        "integer bits",
    ),
    ("POM-G017", storing(Const(1.0, f64)), "stores f64 into 'A'"),
    ("POM-G017", storing(Argument("s", f32)), "declared f64"),
    ("POM-G018", storing(Apply("cast", (Const(300, IntType(8)),), f32)), "300 is not a value"),
    ("POM-G018", storing(Apply("cast", (Const(1, bool_),), f32)), "1 is not a value of bool"),
    ("POM-G019", storing(Apply("hypot", (ONE, ONE), f32)), "'hypot'"),
    ("POM-G019", storing(Apply("add", (ONE,), f32)), "of 1 operands"),
    ("POM-G020", calling("A", "A", callee="other"), "no kernel 'other'"),
    ("POM-G020", calling("A", "A", name="k"), "calls itself"),
    ("POM-G021", calling("A"), "takes 2 arguments"),
    ("POM-G021", calling("A", ONE), "is f32[8], not f32"),
    ("POM-G022", replace(KERNEL, body=(replace(LOOP, step=0),)), "step 0"),
    ("POM-G022", replace(KERNEL, body=(replace(LOOP, step=1 << 62),)), "too large"),
    ("POM-G022", replace(KERNEL, body=(replace(LOOP, uppers=()),)), "lacks a bound"),
    ("POM-G023", replace(KERNEL, body=()), "no statements"),
    ("POM-G023", replace(KERNEL, body=(replace(LOOP, body=()),)), "loop 'i' has no"),
    ("POM-G023", replace(KERNEL, body=(When((), (LOOP,), HERE),)), "without constraints"),
    ("POM-G024", calling("A", "A"), "gives 'A' twice"),
]


def test_the_base_is_valid() -> None:
    graph.verify(KERNEL)


@pytest.mark.parametrize(("code", "kernel", "part"), BAD, ids=[f"{c}-{p}" for c, _, p in BAD])
def test_rules_of_level_1(code: str, kernel: Kernel, part: str) -> None:
    with pytest.raises(PomError) as caught:
        graph.to_mlir(kernel)
    assert caught.value.code == code
    assert part in caught.value.summary
    assert caught.value.location == HERE


TEXT = str(graph.to_mlir(replace(KERNEL, body=(replace(LOOP, body=(ASSIGN,)),))))


@pytest.mark.parametrize(
    ("old", "new", "code", "part"),
    [
        ("", "", None, ""),
        ('subscripts = ["i"]', 'subscripts = ["i * i"]', "POM-G002", "not quasi-affine"),
        ('subscripts = ["i"]', "subscripts = [1]", "POM-G002", "not an array of strings"),
        ('subscripts = ["i"]', 'subscripts = ["$1"]', "POM-G002", "no operand $1"),
        ('value = "1.0"', 'value = "one"', "POM-G002", "could not convert"),
        ("f32", "i32", "POM-G002", "i32 is not a type of a value"),
        ("step = 1 : i64", "step = 1 : i128", "POM-G002", "at most 64 bits"),
        ("tensor<8xf32>", "tensor<?xf32>", "POM-G002", "constant shape"),
        ("tensor<8xf32>", "f32", "POM-G002", "cannot be of type f32"),
        ("type = f64", "type = tensor<2xf64>", "POM-G002", "cannot be of type f64[2]"),
        ('"graph.store"(', '"graph.neg"(', "POM-G002", ""),
        ("module {", "module { func.func private @f()", "POM-G001", "exactly one graph.kernel"),
    ],
)
def test_text_of_level_1(old: str, new: str, code: str | None, part: str) -> None:
    text = TEXT.replace(old, new) if old else TEXT
    if "graph.neg" in text:
        start = text.index('"graph.neg"')
        line = text[start : text.index("\n", start)]
        text = text.replace(line, '%9 = "graph.neg"(%0) : (f32) -> f32')
        part = "ends in neither"
    with process_context():
        module = Module.parse(text)
    if code is None:
        assert graph.from_mlir(module) == KERNEL
        return
    with pytest.raises(PomError, match=code) as caught:
        graph.from_mlir(module)
    assert part in caught.value.summary


def test_kernel_text_can_be_read_by_people() -> None:
    assert '"graph.store"(%0) {array = @A, subscripts = ["i"]} : (f32) -> ()' in TEXT
    assert '{from = ["0"], iterator = "i", name = "i", step = 1 : i64, to = ["8"]}' in TEXT
