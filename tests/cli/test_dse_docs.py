"""What docs/dse.md says of options and of JSON is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pom.cli import run
from pom.cli.dse import dse

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "dse.md").read_text(encoding="utf-8")
KERNEL = """
import pom

@pom.kernel
def axpy(a: pom.f32, x: pom.f32[20], y: pom.f32[20]):
    for i in pom.loop("i", 0, 20):
        y[i] += a * x[i]
"""


def documented_fields() -> set[str]:
    table = TEXT[TEXT.index("| field |") :]
    cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_field_is_documented(tmp_path, capsys):
    path = tmp_path / "axpy.py"
    path.write_text(KERNEL)
    folder = tmp_path / "o"
    assert run(["dse", str(path), "--target", "xc7z020", "--json", "-o", str(folder)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == documented_fields()
    kept = json.loads((folder / "result.json").read_text())
    assert set(kept) == documented_fields() - {"files"}
    row = next(line for line in TEXT.splitlines() if line.startswith("| `front`"))
    assert set(printed["front"][0]) == set(re.findall(r"`(\w+)`", row)) - {"front"}


def test_documented_options_exist():
    options = {name for parameter in dse.params for name in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", TEXT)) <= options | {"--schedule", "--json"}
    undocumented = {"--size", "--help"}
    assert {o for o in options if o.startswith("--")} - undocumented <= set(
        re.findall(r"(--[a-z-]+)", TEXT)
    )
