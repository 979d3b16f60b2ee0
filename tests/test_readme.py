"""What the README shows is what POM prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pom.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_example_prints_what_is_shown(tmp_path):
    script = tmp_path / "readme.py"
    script.write_text(blocks("python")[0])
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == blocks("cpp")[0].strip()


STENCIL = """import pom

@pom.kernel
def stencil(A: pom.f32[64, 64]):
    for t in pom.loop("t", 0, 10):
        for i in pom.loop("i", 1, 63):
            A[i, 0] = (A[i - 1, 0] + A[i, 0] + A[i + 1, 0]) * 0.333

def schedule(s):
    s["S0"].interchange("t", "i")
"""


def test_the_error_is_what_is_shown_and_its_hint_works(tmp_path):
    script = tmp_path / "stencil.py"
    script.write_text(STENCIL)
    command = [sys.executable, "-m", "pom", "compile", "stencil.py", "--schedule", "stencil.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == blocks("text")[0].strip()
    script.write_text(STENCIL.replace(".interchange(", '.skew("t", "i", 1).interchange('))
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_command_is_listed():
    for name in COMMANDS:
        assert f"`pom {name}" in README
