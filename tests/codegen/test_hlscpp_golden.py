"""The text of five kernels, each beside an execution of it.

To renew a golden file after a change that was read and found good, write `emit`'s result over it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pom.codegen.hlscpp import emit
from pom.runtime.gpp import WARNING_FLAGS, CompiledKernel
from tests.codegen.kernels import EXAMPLES
from tests.codegen.level3 import parse

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", EXAMPLES)
def test_text(name: str) -> None:
    text = emit(parse(EXAMPLES[name].text))
    assert text == (GOLDEN / f"{name}.cpp").read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_text_is_reproducible(name: str) -> None:
    assert emit(parse(EXAMPLES[name].text)) == emit(parse(EXAMPLES[name].text))


@pytest.mark.parametrize("name", EXAMPLES)
def test_execution(name: str) -> None:
    example = EXAMPLES[name]
    compiled = CompiledKernel(parse(example.text), flags=WARNING_FLAGS)
    rng = np.random.default_rng(5)
    for _ in range(3):
        arguments = example.arguments(rng)
        expected = example.compute(arguments)
        found = compiled(arguments)
        assert found.keys() == expected.keys()
        for array, want in expected.items():
            np.testing.assert_array_equal(found[array], want)
        assert compiled.check(arguments, expected) is None
