"""Every example: the recorded kernel computes what its numpy reference computes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pom.dsl.load import load_kernel, load_module
from pom.ir.graph import Array, Kernel
from pom.ir.types import FixedType, FloatType, IntType
from pom.runtime.arrays import decode, encode
from pom.runtime.reference import run

ROOT = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(p for p in ROOT.glob("*/*.py") if not p.name.startswith("_"))
REQUIRED = [
    "gemm",
    "k2mm",
    "k3mm",
    "atax",
    "bicg",
    "mvt",
    "gesummv",
    "syrk",
    "syr2k",
    "trmm",
    "symm",
    "cholesky",
    "lu",
    "trisolv",
    "durbin",
    "jacobi_1d",
    "jacobi_2d",
    "heat_3d",
    "seidel_2d",
    "floyd_warshall",
]
NEED_POSITIVE_DEFINITE = {"cholesky", "lu", "ludcmp", "trisolv"}


def kernel_names(path: Path) -> list[str]:
    """The kernels of an example, found without running it at its default size."""
    text = path.read_text()
    return [
        line.split(" = ")[0]
        for line in text.splitlines()
        if " = make" in line and not line.startswith(" ")
    ]


def steps(path: Path) -> dict[str, int]:
    module = load_module(path)
    wants = "steps" in inspect.signature(module.reference).parameters
    return {"steps": module.SIZES["mini"][0]} if wants else {}


def arguments(kernel: Kernel, example: str) -> dict[str, Any]:
    """Real-valued inputs on which the kernel is well conditioned."""
    rng = np.random.default_rng(2026)
    given: dict[str, Any] = {}
    for param in kernel.params:
        shape = param.type.shape if isinstance(param, Array) else ()
        values = rng.uniform(0.25, 1.0, shape)
        if example in NEED_POSITIVE_DEFINITE and len(shape) == 2:
            values = values @ values.T + shape[0] * np.eye(shape[0])
        if example == "durbin":
            values = values / np.prod(shape)
        given[param.name] = values
    return given


def typed(kernel: Kernel, values: dict[str, Any]) -> dict[str, Any]:
    """The inputs in the types of the kernel, still as numbers for numpy to compute with."""
    result: dict[str, Any] = {}
    for param in kernel.params:
        element = param.type.element if isinstance(param, Array) else param.type
        value = values[param.name]
        match element:
            case IntType():
                scaled = np.asarray(value) * min(100, element.maximum)
                result[param.name] = encode(np.rint(scaled).astype(int), element)
            case FloatType():
                result[param.name] = np.asarray(value).astype(np.float32)[()]
            case FixedType():
                result[param.name] = decode(encode(value, element), element)
    return result


CASES = [(path, name) for path in FILES for name in kernel_names(path)]


@pytest.mark.parametrize(("path", "name"), CASES, ids=[f"{p.parent.name}-{n}" for p, n in CASES])
def test_example_matches_its_numpy_reference(path: Path, name: str) -> None:
    kernel = load_kernel(f"{path}:{name}", size="mini").graph
    given = typed(kernel, arguments(kernel, path.stem))
    encoded = {}
    for param in kernel.params:
        element = param.type.element if isinstance(param, Array) else param.type
        value = given[param.name]
        encoded[param.name] = encode(value, element) if isinstance(element, FixedType) else value
    for param in kernel.params:
        if not isinstance(param, Array):
            encoded[param.name] = np.asarray(encoded[param.name])[()]
    found = run(kernel, encoded)
    expected = {k: np.array(v) if np.ndim(v) else v for k, v in given.items()}
    with np.errstate(all="raise"):
        load_module(path).reference(**expected, **steps(path))
    assert found
    for array, values in found.items():
        element = kernel.arrays[array].type.element
        if isinstance(element, FixedType):
            # The reference computes without truncation.
            np.testing.assert_allclose(
                decode(values, element), expected[array], rtol=5e-3, atol=0.1
            )
        else:
            np.testing.assert_array_equal(values, expected[array])
        assert not np.array_equal(values, encoded[array])


def test_the_required_kernels_are_there() -> None:
    there = {p.stem for p in FILES if p.parent.name == "polybench"}
    assert set(REQUIRED) <= there


@pytest.mark.parametrize("path", FILES, ids=[f"{p.parent.name}-{p.stem}" for p in FILES])
def test_default_kernel_has_the_default_size(path: Path) -> None:
    default = "large" if path.parent.name == "pom" else "medium"
    assert load_kernel(path).graph == load_kernel(path, size=default).graph


@pytest.mark.parametrize("path", FILES, ids=[f"{p.parent.name}-{p.stem}" for p in FILES])
def test_every_size_records(path: Path) -> None:
    module = load_module(path)
    assert list(module.SIZES) == ["mini", "small", "medium", "large"]
    for size in module.SIZES:
        assert module.make(size).graph.name == path.stem
