"""Validation of strided times with rounded subscripts, on which isl's dataflow analysis crashed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KERNEL = """
import pom


@pom.kernel
def k(A: pom.f32[7, 6], B: pom.f32[7]):
    for i in pom.loop("i", 0, 7):
        A[i // 2, i % 5] = B[i]
        A[3, i // 2] = A[i % 6, 4] + A[(6 - i) // 2, 3]
        for j in pom.loop("j", -2, 2):
            A[(6 - i) // 2, 4] = A[(6 - i) // 2, 4] + 1
"""
PROGRAM = """
from pom.dsl.load import load_kernel
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_split import Split
from pom.passes.poly_to_affine import poly_to_affine
from pom.passes.validate import validate

program = graph_to_poly(load_kernel("kernel.py").graph)
split = Split("S0", "i", 2).run(program)
validate(split, poly_to_affine(split))
print("validated")
"""


def test_does_not_end_the_process(tmp_path: Path) -> None:
    """In a process of its own: a crash must not take the other tests along."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "validated"
