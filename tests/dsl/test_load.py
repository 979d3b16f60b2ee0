"""Kernels from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pom.dsl.load import load_kernel
from pom.errors import PomError

ONE = "import pom\n@pom.kernel\ndef {name}(A: pom.f32[4]):\n    A[0] = 1\n"
SIZED = """import pom
SIZES = {"mini": (2,), "big": (9,)}
def make(size="big", dtype=pom.f32, name="axpy"):
    (n,) = SIZES[size]
    @pom.kernel(name=name)
    def axpy(A: dtype[n]):
        A[0] = 1
    return axpy
def make_axpy_int(size="big"):
    return make(size, pom.int8, "axpy_int")
axpy = make()
axpy_int = make_axpy_int()
axpy_bool = make("big", pom.f64, "axpy_bool")
"""


def write(folder: Path, text: str, name: str = "file.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(text: str | Path, size: str | None = None) -> PomError:
    with pytest.raises(PomError) as caught:
        load_kernel(text, size)
    return caught.value


def test_only_kernel(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="k"))
    assert load_kernel(path).name == load_kernel(f"{path}:k").name == "k"


def test_kernel_that_is_called_like_the_file(tmp_path: Path) -> None:
    text = ONE.format(name="other") + ONE.format(name="main_one")
    assert load_kernel(write(tmp_path, text, "main-one.py")).name == "main_one"


def test_variable_and_kernel_names_both_work(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="k") + "alias = k\n" + ONE.format(name="j"))
    assert load_kernel(f"{path}:alias").name == "k"


def test_own_kernels_come_before_imported_ones(tmp_path: Path) -> None:
    write(tmp_path, ONE.format(name="helper"), "helpers_of_load.py")
    path = write(tmp_path, "from helpers_of_load import helper\n" + ONE.format(name="k"))
    assert load_kernel(path).name == "k"
    only = write(tmp_path, "from helpers_of_load import helper\n", "only.py")
    assert load_kernel(only).name == "helper"


def test_sizes(tmp_path: Path) -> None:
    path = write(tmp_path, SIZED, "axpy.py")
    assert load_kernel(path).graph.arrays["A"].type.shape == (9,)
    assert load_kernel(path, "mini").graph.arrays["A"].type.shape == (2,)
    assert str(load_kernel(f"{path}:axpy_int", size="mini").graph.arrays["A"].type) == "int8[2]"


def test_edited_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="k"))
    load_kernel(path)
    write(tmp_path, "\n\n" + ONE.format(name="k").replace("A[0]", "A[7]"))
    error = refused(path)
    assert error.location is not None
    assert error.location.source_line == "    A[7] = 1"


def test_missing_file(tmp_path: Path) -> None:
    write(tmp_path, "", "gemm.py")
    error = refused(tmp_path / "gem.py")
    assert (error.code, error.hint) == ("POM-D070", "did you mean 'gemm.py'?")
    assert "no folder" in str(refused(tmp_path / "nowhere" / "gemm.py"))
    assert refused(tmp_path).code == "POM-D070"


def test_file_without_kernels(tmp_path: Path) -> None:
    assert refused(write(tmp_path, "x = 1\n")).code == "POM-D073"


def test_several_kernels(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="b") + ONE.format(name="a"))
    error = refused(path)
    assert error.code == "POM-D074"
    assert "2 kernels: a, b" in error.summary
    assert error.hint == f"name one: {path}:a"


def test_unknown_kernel(tmp_path: Path) -> None:
    path = write(tmp_path, ONE.format(name="conv_layer"))
    error = refused(f"{path}:convlayer")
    assert (error.code, error.hint) == ("POM-D075", "did you mean 'conv_layer'?")
    assert refused(f"{path}:zzz").hint == "it has conv_layer"


@pytest.mark.parametrize(
    ("name", "size", "part"),
    [
        ("axpy.py", "mni", "did you mean 'mini'?"),
        ("axpy.py", "xyz", "sizes: mini, big"),
        ("axpy.py:axpy_bool", "mini", "define make_axpy_bool(size)"),
        ("one.py", "mini", "has no SIZES"),
    ],
)
def test_unknown_size(tmp_path: Path, name: str, size: str, part: str) -> None:
    write(tmp_path, SIZED, "axpy.py")
    write(tmp_path, ONE.format(name="one"), "one.py")
    error = refused(f"{tmp_path}/{name}", size)
    assert error.code == "POM-D076"
    assert part in error.render()


def test_factory_that_raises(tmp_path: Path) -> None:
    text = SIZED.replace("    (n,) = SIZES[size]", "    (n,) = SIZES[size]\n    n // (n - 2)")
    error = refused(write(tmp_path, text, "axpy.py"), "mini")
    assert error.code == "POM-D072"
    assert error.location is not None
    assert error.location.line == 5


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes.py"
    path.write_bytes(b"x = '\xff'\n")
    assert refused(path).code == "POM-D071"
    path.write_bytes(b"x = 1\x00\n")
    assert refused(path).code == "POM-D071"
