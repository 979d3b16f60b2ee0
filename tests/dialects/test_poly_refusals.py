"""Every rule of level 2 refuses what breaks it, at the user's source."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from mlir.ir import Module

from pom.dialects import poly
from pom.dialects.context import process_context
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.directives import ArrayDirectives, LoopDirectives, OpBinding, Partition
from pom.ir.expr import Access, Const
from pom.ir.graph import Array, Assign
from pom.ir.location import Location
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.ir.types import ArrayType, f32
from pom.passes.verify_poly import verify_instances

HERE = Location("k.py", 3, 0, 5)
IDX = Affine.var("i")


def statement(name: str) -> PolyStatement:
    body = Assign(name, Access("A", (IDX,)), Const(1.0, f32), HERE)
    return PolyStatement(name, ("i",), f"{{ {name}[i] : 0 <= i <= 7 }}", body, HERE)


def loop(child: ScheduleNode, *exprs: tuple[str, Affine], name: str = "i") -> Loop:
    return Loop(name, exprs, child, location=HERE)


PROGRAM = PolyProgram(
    "k",
    (Array("A", ArrayType(f32, (8,)), HERE),),
    (),
    (statement("S"),),
    loop(Leaf("S"), ("S", IDX)),
    location=HERE,
)
TWO = replace(PROGRAM, statements=(statement("S"), statement("T")))
NEST = loop(Leaf("S"), ("S", IDX))
OTHER = loop(Leaf("T"), ("T", IDX))


def directed(**change: object) -> PolyProgram:
    return replace(PROGRAM, schedule=replace(NEST, directives=LoopDirectives(**change)))  # type: ignore[arg-type]


def with_array(directives: ArrayDirectives, name: str = "A") -> PolyProgram:
    return replace(PROGRAM, array_directives=((name, directives),))


BAD: list[tuple[str, PolyProgram, str]] = [
    ("POM-P003", replace(PROGRAM, statements=(statement("S"),) * 2), "2 statements"),
    (
        "POM-P003",
        replace(PROGRAM, statements=(replace(statement("S"), body=statement("T").body),)),
        "is called 'T'",
    ),
    (
        "POM-P003",
        replace(PROGRAM, statements=(replace(statement("S"), iterators=("i", "i")),)),
        "iterators of 'S'",
    ),
    ("POM-P004", TWO, "'T' has 0 leaves"),
    ("POM-P004", replace(PROGRAM, schedule=Sequence((NEST, NEST))), "2 leaves"),
    ("POM-P004", replace(PROGRAM, schedule=Sequence((NEST, OTHER))), "no statement"),
    ("POM-P005", replace(PROGRAM, schedule=loop(Leaf("S"))), "values for nothing"),
    ("POM-P006", replace(PROGRAM, schedule=loop(NEST, ("S", IDX))), "of the same name"),
    ("POM-P007", replace(PROGRAM, schedule=Sequence((NEST,))), "1 children"),
    (
        "POM-P007",
        replace(TWO, schedule=Sequence((Sequence((NEST, OTHER)),) * 1)),
        "a sequence inside",
    ),
    ("POM-P008", with_array(ArrayDirectives(), "B"), "unknown array 'B'"),
    ("POM-P008", replace(PROGRAM, bindings=(OpBinding("T", "fadd", "dsp"),)), "statement 'T'"),
    ("POM-P008", directed(dependence_free=("B",)), "unknown array 'B'"),
    ("POM-P009", directed(pipeline_ii=0), "initiation interval of 0"),
    ("POM-P009", directed(pipeline_ii=1, pipeline_off=True), "kept from it"),
    ("POM-P009", directed(unroll=-1), "unroll factor of -1"),
    ("POM-P009", replace(PROGRAM, schedule=replace(NEST, part="some")), "unknown part"),
    ("POM-P009", with_array(ArrayDirectives((Partition(2, "complete"),))), "no dim 2"),
    ("POM-P009", with_array(ArrayDirectives((Partition(1, "cyclic", 9),))), "factor of 9"),
    ("POM-P009", with_array(ArrayDirectives((Partition(1, "complete", 2),))), "complete with"),
    ("POM-P009", with_array(ArrayDirectives((Partition(1, "odd"),))), "unknown kind"),  # type: ignore[arg-type]
    (
        "POM-P009",
        with_array(ArrayDirectives((Partition(1, "complete"), Partition(0, "complete")))),
        "two directives",
    ),
    ("POM-P009", with_array(ArrayDirectives(storage_latency=-1)), "storage latency"),
    ("POM-P009", with_array(ArrayDirectives(stream_depth=0)), "depth 0"),
    (
        "POM-P009",
        with_array(ArrayDirectives(interface="m_axi", interface_options=(("b", ""), ("a", "")))),
        "not sorted",
    ),
    ("POM-P009", replace(PROGRAM, bindings=(OpBinding("S", "fadd", "dsp", -1),)), "latency of -1"),
    ("POM-P010", replace(PROGRAM, schedule=loop(Leaf("S"), ("S", Affine.var("j")))), "'j' in j"),
    ("POM-G013", replace(PROGRAM, params=()), "no array 'A'"),
    ("POM-G020", replace(PROGRAM, callees=(PROGRAM,)), "calls itself"),
]


def test_the_base_is_valid() -> None:
    poly.verify(PROGRAM)
    verify_instances(PROGRAM)


@pytest.mark.parametrize(("code", "program", "part"), BAD, ids=[f"{c}-{p}" for c, _, p in BAD])
def test_rules_of_level_2(code: str, program: PolyProgram, part: str) -> None:
    with pytest.raises(PomError, match=code) as caught:
        poly.to_mlir(program)
    assert part in caught.value.summary
    assert caught.value.location in (HERE, None if code == "POM-P007" else HERE)


@pytest.mark.parametrize(
    ("domain", "part"),
    [
        ("{ S[i] : ", "not the text of an isl set"),
        ("{ S[i] -> S[i] }", "not the text of an isl set"),
        ("[n] -> { S[i] : 0 <= i < n }", "parameters"),
        ("{ S[i] : i >= 0 }", "not bounded"),
        ("{ T[i] : 0 <= i < 4 }", "a set of 'T'"),
        ("{ S[j] : 0 <= j < 4 }", "has not the dims i"),
        ("{ S[i, j] : 0 <= i, j < 4 }", "has not the dims i"),
        ("{ S[[i] -> [j]] : 0 <= i, j < 4 }", "nested"),
        ("{ S[i] : 0 <= i < 1000000000000000000 }", "digits"),
    ],
)
def test_domains(domain: str, part: str) -> None:
    program = replace(PROGRAM, statements=(replace(statement("S"), domain=domain),))
    with pytest.raises(PomError, match="POM-P011") as caught:
        verify_instances(program)
    assert part in caught.value.summary
    assert caught.value.location == HERE


def test_subscripts_stay_in_the_array() -> None:
    body = Assign("S", Access("A", (IDX + 1,)), Const(1.0, f32), HERE)
    program = replace(PROGRAM, statements=(replace(statement("S"), body=body),))
    poly.verify(program)
    with pytest.raises(PomError, match="POM-P013") as caught:
        verify_instances(program)
    assert "i = 7" in caught.value.notes[0]


def test_two_instances_at_once() -> None:
    program = replace(PROGRAM, schedule=loop(Leaf("S"), ("S", IDX // 2)))
    poly.verify(program)
    with pytest.raises(PomError, match="POM-P012") as caught:
        verify_instances(program)
    first, second = map(int, re.findall(r"S\((\d)\)", caught.value.notes[0]))
    assert (second, first // 2) == (first + 1, second // 2)


TEXT = str(poly.to_mlir(PROGRAM))


@pytest.mark.parametrize(
    ("old", "new", "code", "part"),
    [
        ('values = ["S: i"]', 'values = ["S i"]', "POM-P002", "not of the form"),
        ('values = ["S: i"]', 'values = ["S: i"], part = "x"', "POM-P002", "unknown part"),
        ('"poly.leaf"() {statement = @S}', '"graph.kernel"() ({ omp.terminator }) {sym_name = "S"}', "POM-P002", "not a node"),
        ('values = ["S: i"]', 'values = ["S: i"], hls.unroll = 4 : i32', None, ""),
        ('values = ["S: i"]', 'values = ["S: i"], hls.unroll = "4"', "POM-A002", "wrong kind"),
        ('values = ["S: i"]', 'values = ["S: i"], hls.unrol = 4 : i64', "POM-A002", "no attribute"),
        ("module {", "module { func.func private @f()", "POM-P001", "exactly one poly.program"),
    ],
)  # fmt: skip
def test_text_of_level_2(old: str, new: str, code: str | None, part: str) -> None:
    assert old in TEXT
    with process_context():
        module = Module.parse(TEXT.replace(old, new))
    if code is None:
        assert poly.from_mlir(module).loops("S")[0].directives.unroll == 4
        return
    with pytest.raises(PomError, match=code) as caught:
        poly.from_mlir(module)
    assert part in caught.value.summary


def test_schedule_text_can_be_read_by_people() -> None:
    assert '{name = "i", values = ["S: i"]}' in TEXT
    assert 'domain = "{ S[i] : 0 <= i <= 7 }", iterators = ["i"], name = "S"' in TEXT
