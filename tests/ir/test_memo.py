"""Values keep their hash; what a process remembers stays in it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pom
from pom.ir.affine import Affine
from pom.ir.poly import PolyProgram
from pom.passes.graph_to_poly import graph_to_poly

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _program() -> PolyProgram:
    return graph_to_poly(pom.load_kernel(EXAMPLES / "polybench" / "lu.py", size="mini").graph)


def test_equal_values_have_equal_hashes_whether_or_not_they_were_hashed_before() -> None:
    first, second = _program(), _program()
    known = hash(first)
    assert first == second
    assert known == hash(second) == hash(first)
    assert known == hash(copy.deepcopy(first)) == hash(replace(first))


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    value = Affine.var("i") + 1
    known = hash(value)
    changed = replace(value, constant=2)
    assert hash(changed) == hash(Affine.var("i") + 2) != known


def test_a_hash_does_not_go_to_other_processes() -> None:
    """Each of them hashes text with a seed of its own."""
    program = _program()
    assert hash(program)
    script = (
        "import pickle, sys\n"
        "from pom.ir.poly import PolyProgram\n"
        "from dataclasses import replace\n"
        "program = pickle.loads(sys.stdin.buffer.read())\n"
        "assert hash(program) == hash(replace(program))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(program),
        capture_output=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr.decode()
