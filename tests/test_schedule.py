"""Schedules as values: recording, refusing, printing, replaying."""

from __future__ import annotations

import ast
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pom
from pom.errors import PomError
from pom.passes.poly_buffer_at import BufferAt
from pom.passes.poly_pipeline import Pipeline
from pom.passes.poly_split import Split
from pom.schedule import Schedule, load_schedule, python_call, schedule
from tests.passes.brute_force import random_kernel
from tests.passes.nests import shape
from tests.passes.random_schedules import random_primitive


@pom.kernel
def gemm(
    alpha: pom.f32,
    beta: pom.f32,
    A: pom.f32[16, 12],
    B: pom.f32[12, 8],
    C: pom.f32[16, 8],
) -> None:
    i, j, k = pom.vars(i=16, j=8, k=12)
    pom.compute("scale", [i, j], C[i, j], beta * C[i, j])
    pom.compute("mac", [i, j, k], C[i, j], C[i, j] + alpha * A[i, k] * B[k, j])


def replayed(s: Schedule, tmp_path: Path) -> Schedule:
    path = tmp_path / "schedule.py"
    path.write_text(s.as_python(), encoding="utf-8")
    return load_schedule(path, s.kernel)


def test_the_example_of_the_design(tmp_path: Path) -> None:
    s = pom.schedule(gemm)
    s["mac"].reorder("k", "i", "j").tile("i", "j", 4, 4).pipeline("j0", ii=1)
    s.array("C").partition(dim=1, kind="cyclic", factor=4)
    assert shape(s.program) == "i(j(scale)) k(i0(j0(i1(j1(mac)))))"
    assert s.as_python() == (
        "def schedule(s):\n"
        '    s["mac"].reorder("k", "i", "j")\n'
        '    s["mac"].tile("i", "j", 4, 4)\n'
        '    s["mac"].pipeline("j0", ii=1)\n'
        '    s.array("C").partition(dim=1, kind="cyclic", factor=4)\n'
    )
    again = replayed(s, tmp_path)
    assert again == s
    assert again.program == s.program


def test_every_primitive_prints_and_replays(tmp_path: Path) -> None:
    s = pom.schedule(gemm)
    s["mac"].split("k", 5, names=("kb", "kp"), remainder="guard").split("j", 2)
    s["mac"].interchange("i", "j0").skew("kb", "kp", 2).shift("i", -1).reverse("j1")
    s["scale"].unroll("j", 4).bind_op("fmul", "maxdsp", latency=3)
    s["mac"].pipeline("kp", ii=2).flatten("kp", enabled=False)
    s.array("A").bind_storage("ram_t2p", "bram", latency=2)
    s.array("B").reshape(dim=2, kind="complete")
    s.array("C").interface("m_axi", bundle="gmem0", depth=128)
    s.inline(enabled=False)
    again = replayed(s, tmp_path)
    assert again == s
    assert again.program == s.program
    ast.parse(s.as_python())


def test_fusing_prints_and_replays(tmp_path: Path) -> None:
    s = pom.schedule(gemm)
    s["mac"].after("scale", "j")
    assert shape(s.program) == "i(j(scale k(mac)))"
    s["mac"].distribute("i").fuse("scale", "j").guard("k")
    again = replayed(s, tmp_path)
    assert again.program == s.program


def test_fast_math_is_part_of_the_schedule(tmp_path: Path) -> None:
    s = pom.schedule(gemm)
    with pytest.raises(PomError, match="POM-S001"):
        s["mac"].reverse("k")
    assert s.keeps_order
    s["mac"].interchange("i", "j")
    s.fast_math = True
    s["mac"].reverse("k")
    assert not s.keeps_order
    assert s.reference_program is s.program
    s.fast_math = False
    again = replayed(s, tmp_path)
    assert again == s
    assert again.fast_math is False
    assert pom.schedule(gemm, fast_math=True)["mac"].reverse("k").loops == ("i", "j", "k")


def test_reference_program_of_a_schedule_that_keeps_order() -> None:
    s = pom.schedule(gemm)
    s["mac"].reorder("k", "j", "i")
    assert s.reference_program is s.unscheduled


def test_exact_reductions_keep_their_bits() -> None:
    @pom.kernel
    def total(x: pom.int16[32], y: pom.int16[1]) -> None:
        for i in pom.loop("i", 0, 32):
            y[0] = pom.cast(y[0] + x[i], pom.int16)

    s = pom.schedule(total)
    assert s.keeps_order
    assert s.is_exact
    s[s.statements[0]].reverse("i")
    assert not s.keeps_order
    assert s.is_exact
    assert s.reference_program is s.program


def test_statements_may_change_on_the_way() -> None:
    s = pom.schedule(gemm)
    s["mac"].split("i", 4)
    s.apply(BufferAt("mac", "C", "i0"))
    assert s.keeps_order
    assert s.is_exact
    assert s.reference_program is s.program
    s["mac"].interchange("i1", "j")
    assert s.is_exact
    assert s.reference_program is not s.program
    assert s.reference_program.statements == s.program.statements
    assert python_call(s.primitives[1]) == 's["mac"].buffer_at("C", loop="i0")'
    s.fast_math = True
    s["mac"].reverse("k")
    assert not s.is_exact


def test_a_refused_call_changes_nothing() -> None:
    s = pom.schedule(gemm)
    s["mac"].split("i", 4)
    program, primitives = s.program, s.primitives
    with pytest.raises(PomError) as caught:
        s["mac"].reverse("k")
    location = caught.value.location
    assert location is not None
    assert location.file == __file__
    assert "reverse" in location.source_line
    assert (s.program, s.primitives) == (program, primitives)
    with pytest.raises(PomError):
        s.apply(Split("mac", "i0", 2), Pipeline("mac", "nowhere"))
    assert (s.program, s.primitives) == (program, primitives)


def test_unknown_names_are_located() -> None:
    s = pom.schedule(gemm)
    for wrong in (lambda: s["mak"], lambda: s.array("D"), lambda: s.loop("q")):
        with pytest.raises(PomError) as caught:
            wrong()
        assert caught.value.location is not None
        assert caught.value.location.file == __file__


def test_loop_handles() -> None:
    s = pom.schedule(gemm)
    s.loop("k").split(3, ("kb", "kp"))
    s.loop("kb").interchange("j")
    s.loop("kp").unroll().flatten()
    s.loop("kb").pipeline(ii=2)
    assert s["mac"].loops == ("i", "kb", "j", "kp")
    with pytest.raises(PomError, match=r"POM-S003: 2 loops are called 'i'(?s:.*)s\['scale'\]"):
        s.loop("i")
    with pytest.raises(PomError, match="POM-S003: there is no loop 'k'"):
        s.loop("k").reverse()


def test_copies_go_their_own_way() -> None:
    s = pom.schedule(gemm)
    s["mac"].split("i", 4)
    other = s.copy()
    other["mac"].split("j", 4)
    assert len(s.primitives) == 1
    assert len(other.primitives) == 2
    assert s != other
    assert s.copy() == s
    assert hash(s.copy()) == hash(s)
    assert s.__eq__(1) is NotImplemented
    assert pickle.loads(pickle.dumps(other)) == other


def test_tile_wants_loops_first() -> None:
    s = pom.schedule(gemm)
    with pytest.raises(PomError, match=r"POM-S007: tile takes .*, not 'i', 4, 'j', 3") as caught:
        s["mac"].tile("i", 4, "j", 3)
    assert caught.value.hint == "write tile('i', 'j', 4, 3)"
    assert caught.value.location is not None
    with pytest.raises(PomError, match="POM-S007") as caught:
        s["mac"].tile("i", 4, 3)
    assert caught.value.hint == "for example tile('i', 'j', 4, 4)"
    s["mac"].tile("i", "j", 4, 3)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda s: s["mac"].buffer_at("B", "k", buffer="A"), "POM-P064"),
        (lambda s: s["mac"].reuse_at("B", "k"), "POM-P072"),
        (lambda s: s["mac"].scalar_promotion("C", "j"), "POM-P065"),
        (lambda s: s["mac"].double_buffer("B", "i"), "POM-P073"),
        (lambda s: s["scale"].interleave_reduction("j", 4), "POM-P067"),
    ],
)
def test_an_error_is_at_the_call_and_names_the_place_in_the_kernel(
    call: Callable[[pom.schedule.Schedule], object], code: str
) -> None:
    with pytest.raises(PomError, match=code) as caught:
        call(pom.schedule(gemm))
    assert caught.value.location is not None
    assert "lambda s: s[" in caught.value.location.source_line
    assert any(note.startswith("this is about ") for note in caught.value.notes)


def test_texts() -> None:
    s = pom.schedule(gemm)
    assert repr(s) == "<schedule of gemm, 0 primitives>"
    assert repr(s["mac"]) == "<statement mac in i j k>"
    assert repr(s.loop("k")) == "<loop k>"
    assert repr(s.array("A")) == "<array A>"
    assert s.statements == ("scale", "mac")
    assert s.as_python() == "def schedule(s):\n    pass\n"
    assert python_call(Split("S", "i", 4, ("a", "b"))) == 's["S"].split("i", 4, names=("a", "b"))'


def test_schedule_files(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text('s["mac"].split("i", 4)\n', encoding="utf-8")
    assert len(load_schedule(path, gemm).primitives) == 1
    path.write_text("def schedule(s):\n    return 1 / 0\n", encoding="utf-8")
    with pytest.raises(PomError, match="POM-S040") as caught:
        load_schedule(path, gemm)
    assert caught.value.location is not None
    assert caught.value.location.line == 2
    for text in ('def schedule(s):\n    s["mac"].unrol("i")\n', 's["mac"].unrol("i")\n'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PomError, match="'StatementHandle' object has no attribute") as caught:
            load_schedule(path, gemm)
        assert caught.value.hint == "did you mean 'unroll'?"
    path.write_text("def schedule(s):\n    s.xyzzy()\n", encoding="utf-8")
    with pytest.raises(PomError, match="POM-S040") as caught:
        load_schedule(path, gemm)
    assert "it has apply, array" in str(caught.value.hint)
    path.write_text("def schedule(s):\n    (1).real_part\n", encoding="utf-8")
    with pytest.raises(PomError, match="POM-S040") as caught:
        load_schedule(path, gemm)
    assert caught.value.hint is None
    path.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(PomError, match="POM-S040"):
        load_schedule(path, gemm)
    path.write_text('def schedule(s):\n    s["mac"].split("z", 4)\n', encoding="utf-8")
    with pytest.raises(PomError, match="POM-S003") as caught:
        load_schedule(path, gemm)
    assert caught.value.location is not None
    assert (caught.value.location.file, caught.value.location.line) == (str(path), 2)
    with pytest.raises(PomError, match="POM-D070"):
        load_schedule(tmp_path / "none.py", gemm)


def test_automatic_schedules_are_recorded(tmp_path: Path) -> None:
    s = pom.schedule(gemm)
    s.dependence_aware()
    assert shape(s.program) == "i(j(scale)) k(i(j(mac)))"
    s.auto_schedule(fuse=True)
    again = replayed(s, tmp_path)
    assert again == s
    assert again.program == s.program


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_random_schedules_replay(seed: int) -> None:
    rng = random.Random(seed)
    s = schedule(random_kernel(rng))
    for _ in range(3):
        primitive, _ = random_primitive(rng, s.program)
        try:
            s.apply(primitive)
        except PomError:
            continue
    again = Schedule(s.kernel)
    namespace: dict[str, object] = {}
    exec(s.as_python(), namespace)
    namespace["schedule"](again)  # type: ignore[operator]
    assert again.program == s.program
    assert again == s


@pytest.mark.parametrize("clock_ns", [-1, 0, float("nan"), 2000.0, "4", True])
def test_clocks_out_of_range(clock_ns: object) -> None:
    with pytest.raises(PomError, match="POM-U104"):
        pom.schedule(gemm).build(clock_ns=clock_ns)  # type: ignore[arg-type]


def test_scalar_arguments_are_no_arrays() -> None:
    with pytest.raises(PomError, match=r"POM-S020.*'alpha' is a scalar argument"):
        pom.schedule(gemm).array("alpha")
