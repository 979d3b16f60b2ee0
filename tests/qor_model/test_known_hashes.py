"""Values that keep their hash are still values: equal, replaceable, and safe to send elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from pom.qor_model.expand import Element
from pom.qor_model.region import F32, I32, Access, OpKind, affine
from pom.qor_model.schedule_result import OperatorKey

VALUES = [
    F32,
    affine({"i": 2, "j": -1}, 3),
    Access("A", (affine({"i": 1}), None)),
    OperatorKey(OpKind.MUL, F32, (F32, F32), 1, "full_dsp"),
    Element("A", ((("i", 1),), ()), (0, 3)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_copy_is_equal_and_is_found(value: object) -> None:
    copy = pickle.loads(pickle.dumps(value))
    assert copy == value
    assert {value: 1}[copy] == 1


def test_a_changed_value_has_another_hash() -> None:
    key = OperatorKey(OpKind.MUL, F32)
    other = replace(key, dtype=I32)
    assert {key: 1, other: 2} == {OperatorKey(OpKind.MUL, F32): 1, OperatorKey(OpKind.MUL, I32): 2}


def test_a_value_of_another_process_is_found() -> None:
    """Texts hash differently there."""
    program = (
        "import pickle, sys\n"
        "from pom.qor_model.region import Access, affine\n"
        "sys.stdout.buffer.write(pickle.dumps(Access('A', (affine({'i': 1}), None))))\n"
    )
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment
    )
    assert pickle.loads(answer.stdout) in {Access("A", (affine({"i": 1}), None))}
