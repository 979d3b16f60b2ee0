"""Every example, lowered: the compiled kernel gives what the reference gives, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pom.dsl.load import load_kernel
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.poly_to_affine import poly_to_affine
from pom.runtime.check import check
from tests.examples.test_examples import CASES

IDS = [f"{path.parent.name}-{name}" for path, name in CASES]


def differing(path: Path, name: str, with_cpp: bool) -> dict[str, int]:
    kernel = load_kernel(f"{path}:{name}", size="mini").graph
    program = graph_to_poly(kernel)
    report = check(kernel, poly_to_affine(program), program, count=2, with_cpp=with_cpp)
    return {result.name: result.comparison.differing for result in report.results}


@pytest.mark.parametrize(("path", "name"), CASES, ids=IDS)
def test_jit_agrees_with_the_reference(path: Path, name: str) -> None:
    assert differing(path, name, with_cpp=False) == {"jit": 0}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "name"), CASES, ids=IDS)
def test_compiled_cpp_agrees_with_the_reference(path: Path, name: str) -> None:
    assert differing(path, name, with_cpp=True) == {"jit": 0, "g++": 0}
