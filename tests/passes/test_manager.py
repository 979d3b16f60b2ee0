"""Pipelines as text, levels, verification between passes, the worker process."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlir.ir import Module

from pom.dialects import graph, poly
from pom.dialects.context import process_context
from pom.errors import InternalError, PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Const, Load
from pom.ir.graph import Array, Assign, For, Kernel
from pom.ir.location import Location
from pom.ir.poly import PolyProgram
from pom.ir.types import ArrayType, f32
from pom.passes import sandbox
from pom.passes.base import AffinePass, Conversion, GraphPass, Pass
from pom.passes.conversions import GraphToPoly, PolyToAffine
from pom.passes.manager import (
    PassManager,
    from_text,
    level_of,
    pass_text,
    run_text,
    run_text_here,
    to_text,
)
from pom.passes.options import describe_options, parse_value, pass_from_options, type_text
from pom.passes.parse import find_pass, parse_pipeline, split_pipeline
from pom.passes.registry import PASSES

IDX, JDX = Affine.var("i"), Affine.var("j")
A = Array("A", ArrayType(f32, (8, 8)))
SUM = Apply("add", (Load(Access("A", (IDX, JDX)), f32), Const(1.0, f32)), f32)
BODY = Assign("S", Access("A", (IDX, JDX)), SUM, Location("k.py", 5, 4, 9))
INNER = For("j", "j", (Affine.const(0),), (Affine.const(8),), (BODY,))
KERNEL = Kernel("k", (A,), (), (For("i", "i", (Affine.const(0),), (Affine.const(8),), (INNER,)),))
TEXT = to_text(KERNEL)


class Shape(StrEnum):
    ROUND = "round"
    FLAT = "flat"


@dataclass(frozen=True)
class Sample(GraphPass):
    name: ClassVar[str] = "graph-sample"
    summary: ClassVar[str] = "takes every type of option"
    loops: tuple[str, ...]
    count: int = 1
    ratio: float = 0.5
    fast: bool = False
    pair: tuple[int, int] = (1, 2)
    limit: int | None = None
    kind: Literal["a", "b"] = "a"
    shape: Shape = Shape.FLAT
    extra: tuple[int, ...] = field(default=())

    def run(self, program: Kernel) -> Kernel:
        return program


@dataclass(frozen=True)
class Breaks(GraphPass):
    name: ClassVar[str] = "graph-breaks"
    summary: ClassVar[str] = "forgets the parameters"

    def run(self, program: Kernel) -> Kernel:
        return Kernel(program.name, (), (), program.body)


@dataclass(frozen=True)
class Unroll(AffinePass):
    name: ClassVar[str] = "affine-sample"
    summary: ClassVar[str] = "removes the attributes of the function"

    def run(self, program: Module) -> None:
        del program.body.operations[0].attributes["hls.top"]


def refused(code: str, part: str, run: Callable[[], object]) -> PomError:
    with pytest.raises(PomError, match=code) as caught:
        run()
    assert part in str(caught.value)
    return caught.value


def test_split_pipeline() -> None:
    found = split_pipeline(' a-b{x=1,2 y  z="p q}" w= } , c ,d{}')
    assert [(p.name, p.options) for p in found] == [
        ("a-b", (("x", "1,2"), ("y", None), ("z", "p q}"), ("w", ""))),
        ("c", ()),
        ("d", ()),
    ]
    assert split_pipeline("  ") == ()


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("a,", "POM-U005", "the name of a pass at position 3"),
        (",a", "POM-U005", "the name of a pass at position 1"),
        ("a b", "POM-U005", "',' or the end at position 3"),
        ("a{x=1", "POM-U005", "an option or '}' at position 6"),
        ("a{=1}", "POM-U005", "an option or '}' at position 3"),
        ('a{x="1}', "POM-U005", "a space or '}'"),
        ("a{x=1 x=2}", "POM-U006", "'x' is given twice"),
        ("poly-tyle", "POM-U001", "did you mean 'poly-tile'?"),
        ("poly-split{statment=S loop=i factor=2}", "POM-U002", "did you mean 'statement'?"),
        ("poly-split{statement=S loop=i factor=two}", "POM-U003", "'two' is not an integer"),
        ("poly-split{statement=S loop factor=2}", "POM-U003", "it needs a value"),
        ("poly-split{statement=S}", "POM-U004", "needs loop, factor"),
        ("poly-partition{array=A kind=odd}", "POM-U003", "none of cyclic, block, complete"),
    ],
)
def test_pipelines_that_are_refused(text: str, code: str, part: str) -> None:
    refused(code, part, lambda: parse_pipeline(text))


@settings(max_examples=200, deadline=None)
@given(st.text('ab-{}=," 1', max_size=20))
def test_any_text_is_split_or_refused(text: str) -> None:
    with contextlib.suppress(PomError):
        assert all(p.name in text for p in split_pipeline(text))


def test_options_of_every_type() -> None:
    given_text = {
        "loops": "i,j",
        "count": "-3",
        "ratio": "1.5",
        "fast": None,
        "pair": "3,4",
        "limit": "7",
        "kind": "b",
        "shape": "round",
        "extra": "",
    }
    found = pass_from_options(Sample, given_text)
    assert found == Sample(("i", "j"), -3, 1.5, True, (3, 4), 7, "b", Shape.ROUND, ())
    assert parse_value("none", int | None) is None
    assert describe_options(Sample) == (
        "graph-sample{loops=str,… [count=int] [ratio=float] [fast=bool] [pair=int,int] "
        "[limit=int] [kind=a|b] [shape=round|flat] [extra=int,…]}"
    )
    assert describe_options(Breaks) == "graph-breaks takes no options"
    with pytest.raises(TypeError):
        parse_value("x", dict)


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("ratio", "x", "not a number"),
        ("fast", "yes", "none of true, false"),
        ("pair", "1", "1 values where 2"),
        ("limit", "x", "not an integer"),
        ("shape", "x", "none of round, flat"),
        ("extra", "1,x", "not an integer"),
    ],
)
def test_bad_values(option: str, value: str, part: str) -> None:
    refused("POM-U003", part, lambda: pass_from_options(Sample, {"loops": "", option: value}))


@pytest.mark.parametrize("name", sorted(PASSES))
def test_every_registered_pass_declares_what_it_is(name: str) -> None:
    kind = find_pass(name)
    assert kind.name == name
    assert name.startswith(f"{kind.level}-")
    assert kind.summary
    assert issubclass(kind, Pass)
    hints = get_type_hints(kind)
    for option in fields(kind):  # type: ignore[arg-type]
        assert type_text(hints[option.name])
    assert list(PASSES) == sorted(PASSES)


def test_pass_text_is_read_back() -> None:
    text = "poly-tile{statement=S loops=i,j sizes=2,4 fast_math=true}"
    (found,) = parse_pipeline(text)
    assert pass_text(found) == text
    assert parse_pipeline(pass_text(found)) == (found,)
    assert pass_text(GraphToPoly()) == "graph-to-poly"
    assert pass_text(Sample(("a b",), limit=None)) == 'graph-sample{loops="a b"}'


def test_a_pipeline_through_all_levels() -> None:
    printed: list[str] = []
    ticks = iter(range(100))
    pipeline = "graph-to-poly,poly-interchange{statement=S first=i second=j},poly-to-affine"
    manager = PassManager(parse_pipeline(pipeline), printed.append, lambda: float(next(ticks)))
    module = manager.run(KERNEL)
    text = str(module)
    assert text.index('hls.loop = "i"') < text.index('hls.loop = "j"')
    assert [p.splitlines()[0] for p in printed] == [
        "// after graph-to-poly",
        "// after poly-interchange{statement=S first=i second=j}",
        "// after poly-to-affine",
    ]
    assert [(t.name, t.seconds, t.verify_seconds) for t in manager.timings][1] == (
        "poly-interchange",
        1.0,
        1.0,
    )
    assert "poly-to-affine    1000.00" in manager.timing_table()


@pytest.mark.parametrize(
    ("passes", "part"),
    [
        ((PolyToAffine(), GraphToPoly()), "no way back up"),
        ((GraphToPoly(), Unroll()), "put poly-to-affine before it"),
        ((Breaks(), Unroll()), "graph-to-poly,poly-to-affine"),
        ((PolyToAffine(),), "put graph-to-poly before it"),
    ],
)
def test_levels_must_fit(passes: tuple[Pass, ...], part: str) -> None:
    refused("POM-U007", part, lambda: PassManager(passes).run(KERNEL))


def test_the_pass_at_fault_is_named() -> None:
    with pytest.raises(InternalError, match="graph-breaks broke the program: POM-G013"):
        PassManager([Sample(()), Breaks()]).run(KERNEL)


def test_a_refusal_names_its_pass() -> None:
    text = "graph-to-poly,poly-split{statement=S loop=x factor=2}"
    error = refused("POM-S", "'x'", lambda: PassManager(parse_pipeline(text)).run(KERNEL))
    assert error.notes[-1] == "in the pass poly-split{statement=S loop=x factor=2}"
    assert pickle.loads(pickle.dumps(error)).render() == error.render()


def test_the_input_is_verified_first() -> None:
    bad = Kernel("k", (), (), KERNEL.body)
    refused("POM-G013", "'A'", lambda: PassManager([]).run(bad))


def test_affine_passes_edit_a_copy() -> None:
    module = PassManager([GraphToPoly(), PolyToAffine()]).run(KERNEL)
    before = str(module)
    after = PassManager([Unroll()]).run(module)
    assert str(module) == before
    assert "hls.top" in before
    assert "hls.top" not in str(after)
    place = after.body.operations[0].regions[0].blocks[0].operations[0].location
    assert level_of(after) == "affine"
    assert str(place) == str(module.body.operations[0].regions[0].blocks[0].operations[0].location)


def test_conversions_check_what_they_get() -> None:
    program = GraphToPoly().run(KERNEL)
    for conversion, wrong in ((GraphToPoly(), program), (PolyToAffine(), KERNEL)):
        with pytest.raises(InternalError, match="was given a"):
            conversion.run(wrong)
    assert isinstance(program, PolyProgram)
    assert isinstance(GraphToPoly(), Conversion)


def test_every_level_has_text() -> None:
    program = GraphToPoly().run(KERNEL)
    assert from_text(TEXT, process_context()) == KERNEL
    assert from_text(to_text(program), process_context()) == program
    module = PolyToAffine().run(program)
    assert to_text(from_text(str(module), process_context())) == str(module)
    assert graph.to_mlir(KERNEL).operation.verify()
    assert poly.to_mlir(program).operation.verify()


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("module {", "POM-U008", "in.mlir:1:"),
        ("module {}", "POM-U009", "it holds nothing"),
        ("module { module {} }", "POM-U009", "builtin.module"),
        (TEXT.replace("@A", "@B"), "POM-G013", "in.mlir:"),
        (TEXT.replace('"graph.add"', '"graph.ad"'), "POM-U008", "graph.ad"),
        ("module { func.func @f() { return } }" + TEXT, "POM-U0", ""),
    ],
)
def test_bad_text(text: str, code: str, part: str) -> None:
    refused(code, part, lambda: run_text_here(text, "", "in.mlir"))


def test_run_text_in_a_worker() -> None:
    printed: list[str] = []
    times: list[str] = []
    pipeline = "graph-to-poly,poly-reverse{statement=S loop=j}"
    found = run_text(TEXT, pipeline, "in.mlir", printed.append, times.append)
    assert found == run_text_here(TEXT, pipeline)
    assert 'values = ["S: -j + 7"]' in found or 'values = ["S: -j"]' in found
    assert len(printed) == 2
    assert "poly-reverse" in times[0]
    refused("POM-G013", "in.mlir:", lambda: run_text(TEXT.replace("@A", "@B"), "", "in.mlir"))
    refused("POM-U001", "nothing", lambda: run_text(TEXT, "nothing"))


def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> Callable[[], str]:
    """A `run_in_worker` whose worker runs `body` instead of `serve`."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setattr(sandbox.sys, "executable", str(script))
    return lambda: sandbox.run_in_worker("", "", "f", None, None, 0.5)


def test_a_crash_while_reading_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = worker(monkeypatch, tmp_path, "echo assertion >&2; kill -ABRT $$")
    error = refused("POM-U010", "SIGABRT", run)
    assert error.notes == ("assertion",)


def test_a_worker_that_fails_is_internal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = worker(monkeypatch, tmp_path, "echo trouble >&2; exit 1")
    with pytest.raises(InternalError, match="status 1"):
        run()


def test_a_worker_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused("POM-U011", "0.5 s", worker(monkeypatch, tmp_path, "exec sleep 30"))


def test_text_that_aborts_mlir_does_not_end_this_process() -> None:
    """The recursion of MLIR's parser has no limit, so that deep text overflows its stack."""
    depth = 200_000
    text = f"module attributes {{a = {'[' * depth}{']' * depth}}} {{}}"
    refused("POM-U010", "SIGSEGV", lambda: run_text(text, ""))
