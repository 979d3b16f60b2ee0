"""The explanation, the picture and the command line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from click.testing import CliRunner

from pom import devices
from pom.cli import cli
from pom.qor_model.evaluate import outline_nests
from pom.qor_model.explain import explain
from pom.qor_model.gantt import gantt_svg
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives
from pom.qor_model.resources import ResourceModel
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.regions import array, design, dot_row, loop

KERNEL = """
import pom

@pom.kernel
def scale(beta: pom.f32, C: pom.f32[64, 64]):
    for i in pom.loop("i", 0, 64):
        for j in pom.loop("j", 0, 64):
            C[i, j] = beta * C[i, j]
"""


def _dot() -> tuple[object, ...]:
    inner = loop("j", 64, *dot_row(), directives=LoopDirectives(True))
    nest = loop("i", 64, inner, directives=LoopDirectives(False))
    item = design(nest, arrays=(array("A", 64, 64), array("x", 64), array("tmp", 64)))
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    return item, estimate_latency(item, library, DIRECTIVES_ONLY)


def test_the_table_names_the_limit_and_the_first_change() -> None:
    item, result = _dot()
    found = explain(item, result, "xczu9eg")  # type: ignore[arg-type]
    text = found.text()
    assert "recurrence on tmp" in text
    assert "loop j takes 9" in found.advice
    assert [row.depth for row in found.rows] == [0, 1]
    assert json.loads(json.dumps(found.to_json()))["loops"][1]["ii"] == 3


def test_the_picture_is_well_formed_and_has_a_bar_per_operation() -> None:
    _, result = _dot()
    leaf = result.all_loops()[-1]  # type: ignore[attr-defined]
    root = ElementTree.fromstring(gantt_svg(leaf.schedules[0], "a < b"))
    bars = [e for e in root if e.tag.endswith("rect")]
    assert len(bars) == len(leaf.schedules[0].ops)


def test_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "scale.py"
    path.write_text(KERNEL)
    picture = tmp_path / "schedule.svg"
    runner = CliRunner()
    arguments = ["estimate", str(path), "--target", "xczu9eg", "--gantt", str(picture)]
    found = runner.invoke(cli, arguments, catch_exceptions=False)
    assert found.exit_code == 0
    assert "i+j" in found.output
    assert "scale.py:7" in found.output
    assert picture.read_text().startswith("<svg")
    found = runner.invoke(cli, [*arguments[:4], "--json"], catch_exceptions=False)
    written = json.loads(found.output)
    assert written["loops"][0]["loop"] == "i+j"
    assert written["resources"]["dsp"]["used"] > 0


def _advice(source: str, tmp_path: Path, *options: str) -> str:
    path = tmp_path / "kernel.py"
    path.write_text(f"import pom\n\n@pom.kernel\n{source}")
    found = CliRunner().invoke(cli, ["estimate", str(path), *options], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output.rpartition("first: ")[2].strip()


def test_a_sum_is_told_which_loop_to_move_inside(tmp_path: Path) -> None:
    text = _advice(
        """def dot(A: pom.f32[80, 90], x: pom.f32[90], y: pom.f32[80]):
    for i in pom.loop("i", 0, 80):
        for j in pom.loop("j", 0, 90):
            y[i] += A[i, j] * x[j]
""",
        tmp_path,
    )
    assert "through y: all iterations add to one element of y; move loop i" in text


def test_a_sum_that_nothing_moves_is_split(tmp_path: Path) -> None:
    text = _advice(
        """def total(x: pom.f32[90], y: pom.f32[1]):
    for j in pom.loop("j", 0, 90):
        y[0] += x[j]
""",
        tmp_path,
    )
    assert text.endswith("use interleave_reduction")


def test_busy_ports_are_told_the_partition(tmp_path: Path) -> None:
    text = _advice(
        """def blur(x: pom.f32[100], y: pom.f32[100]):
    for i in pom.loop("i", 2, 98):
        y[i] = x[i - 2] + x[i - 1] + x[i] + x[i + 1] + x[i + 2]
""",
        tmp_path,
    )
    assert "its II is 3 because the ports of x are busy" in text
    assert text.endswith("""array('x').partition(1, "cyclic", 3)""")


def test_a_loop_without_limits_is_told_to_unroll_and_partition(tmp_path: Path) -> None:
    text = _advice(
        """def scale(x: pom.f32[100], y: pom.f32[100]):
    for i in pom.loop("i", 0, 100):
        y[i] = 2.0 * x[i]
""",
        tmp_path,
    )
    assert "unroll('i', 2) with" in text
    assert """array('x').partition(1, "cyclic", 2)""" in text


def test_a_sequential_loop_is_told_to_pipeline(tmp_path: Path) -> None:
    source = """def scale(x: pom.f32[100]):
    for i in pom.loop("i", 0, 100):
        x[i] = 2.0 * x[i]
"""
    assert "pipeline('i')" in _advice(source, tmp_path, "--tool", "none")


def test_functions_are_listed_with_what_they_need_alone() -> None:
    body = loop("i", 64, loop("j", 64, *dot_row()))
    arrays = (array("A", 64, 64), array("x", 64), array("tmp", 64))
    nests = (body, loop("k", 64, loop("l", 64, *dot_row())))
    item = outline_nests(design(*nests, arrays=arrays))
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)
    result = estimate_latency(item, library, DIRECTIVES_ONLY)
    report = ResourceModel(library).estimate(item, result)
    alone = dict(report.functions)
    assert alone["top_0"].dsp == alone["top_1"].dsp == report.total.dsp == 5
    assert alone["top_0"].lut < report.total.lut <= alone["top_0"].lut + alone["top_1"].lut + 200
    found = explain(item, result, "xczu9eg", report)
    assert "by function" in found.text()
    assert set(found.to_json()["functions"]) == {"top_0", "top_1", "top"}
