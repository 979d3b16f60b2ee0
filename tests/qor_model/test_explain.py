"""The explanation, the picture and the command line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from click.testing import CliRunner

from pom import devices
from pom.cli import cli
from pom.qor_model.explain import explain
from pom.qor_model.gantt import gantt_svg
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives
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
