"""The package installs the same way from a wheel, in place, and from an sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_FOLDERS = ("dialects", "passes", "qor_model", "dse")
SMOKE = (
    "import pom, pom.passes.registry, pom.dialects, pom.dse.store, pom.qor_model, pom.devices;"
    "print(pom.devices.load('xc7z020').dsp)"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What git would hand out: tracked and new files, without builds and environments."""
    folder = tmp_path_factory.mktemp("checkout") / "pom"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def environment(tmp_path):
    """A new virtual environment that sees this one's dependencies but not its POM."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    dependencies = tmp_path / "dependencies"
    dependencies.mkdir()
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if not item.name.startswith(("pom-", "__editable__")) and item.name != "pom":
            (dependencies / item.name).symlink_to(item)
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return python


def run(*arguments, cwd):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(python, target, cwd, *options):
    run(
        sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
        "--no-build-isolation", *options, str(target), cwd=cwd,
    )  # fmt: skip


def test_every_package_is_listed(checkout):
    import tomllib

    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = set()
    for top in ("pom", *TOP_FOLDERS):
        for init in (checkout / top).rglob("__init__.py"):
            parts = init.parent.relative_to(checkout).parts
            found.add(".".join(parts if parts[0] == "pom" else ("pom", *parts)))
    assert found == listed


def test_plain_install(checkout, environment, tmp_path):
    install(environment, checkout, tmp_path)
    assert run(environment, "-c", SMOKE, cwd=tmp_path).strip() == "220"
    help_text = run(environment.parent / "pom", "--help", cwd=tmp_path)
    assert "compile" in help_text
    for folder in TOP_FOLDERS:
        probe = f"import importlib.util as u; print(u.find_spec({folder!r}))"
        assert run(environment, "-c", probe, cwd=tmp_path).strip() == "None"


def test_editable_install(checkout, environment, tmp_path):
    install(environment, checkout, tmp_path, "-e")
    assert run(environment, "-c", SMOKE, cwd=tmp_path).strip() == "220"
    assert run(environment, "-c", SMOKE, cwd=checkout).strip() == "220"


def test_sdist_to_wheel(checkout, environment, tmp_path):
    run(sys.executable, "-m", "build", "--no-isolation", "-o", str(tmp_path / "dist"), cwd=checkout)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert "pom/devices/xc7z020.toml" in names
    assert "pom/passes/registry.py" in names
    assert not [n for n in names if n.split("/")[0] in (*TOP_FOLDERS, "tests", "examples")]
    with tarfile.open(sdist) as archive:
        assert any(n.endswith("passes/registry.py") for n in archive.getnames())
    install(environment, wheel, tmp_path)
    assert run(environment, "-c", SMOKE, cwd=tmp_path).strip() == "220"
