"""The structure of the code: imports run one way, and the library keeps its habits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("pom", "dialects", "passes", "qor_model", "dse")
FILES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if "data" not in path.relative_to(ROOT).parts
)
MAX_LINES = 600

LAYERS: tuple[tuple[str, ...], ...] = (
    ("pom.ir", "pom.errors", "pom.devices"),
    ("pom.dialects",),
    ("pom.passes",),
    ("pom.qor_model",),
    ("pom.dse",),
    ("pom",),
)
"""A module may import from its own layer and from those above it in this list."""

MAY_PRINT = ("pom/cli/", "pom/__main__.py")
HEAVY = ("mlir", "islpy", "torch", "torch_geometric", "optuna", "matplotlib", "networkx", "numpy")


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts if relative.parts[0] == "pom" else ("pom", *relative.parts)
    return ".".join(parts).removesuffix(".__init__")


def layer(module: str) -> int:
    for number, prefixes in enumerate(LAYERS):
        if any(module == p or module.startswith(f"{p}.") for p in prefixes):
            return number
    raise AssertionError(f"{module} is in no layer")


def imported(node: ast.AST) -> Iterator[str]:
    """The modules that an import statement names, ``from pom import x`` as ``pom.x``."""
    match node:
        case ast.Import(names=names):
            yield from (n.name for n in names)
        case ast.ImportFrom(module=module, names=names, level=0) if module:
            # ``pom.__version__`` is in the package itself, which imports nothing.
            below = [f"pom.{n.name}" for n in names if not n.name.startswith("__")]
            yield from (below if module == "pom" else [module])


def is_narrowing(test: ast.expr) -> bool:
    """Whether an assertion only tells the type checker what is known: ``isinstance``, ``is not None``."""
    match test:
        case ast.Call(func=ast.Name(id="isinstance")):
            return True
        case ast.Compare(ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
        case ast.BoolOp(op=ast.And(), values=values):
            return all(map(is_narrowing, values))
    return False


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def faults(path: Path) -> list[str]:
    """What `path` does that the structure forbids."""
    name, relative = module_name(path), path.relative_to(ROOT).as_posix()
    found: list[str] = []
    for node in nodes(path):
        where = f"{relative}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"{where}: relative import")
        for module in imported(node):
            top = module.split(".")[0]
            if top in FOLDERS[1:]:
                found.append(f"{where}: import {module} as pom.{module}")
            elif top == "pom" and layer(module) > layer(name):
                found.append(f"{where}: {name} imports {module}, which is above it")
        match node:
            case ast.ExceptHandler(type=None):
                found.append(f"{where}: bare except")
            case ast.Call(func=ast.Name(id="print" | "exit" | "quit")) if not relative.startswith(
                MAY_PRINT
            ):
                found.append(f"{where}: {ast.unparse(node.func)}() in the library")
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=attribute)):
                if (owner, attribute) == ("os", "system"):
                    found.append(f"{where}: os.system")
                if (owner, attribute) == ("sys", "exit") and not relative.startswith(MAY_PRINT):
                    found.append(f"{where}: sys.exit in the library")
            case ast.Assert(test=test) if not is_narrowing(test):
                found.append(f"{where}: assert in the library")
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MAX_LINES:
        found.append(f"{relative}: {lines} lines, more than {MAX_LINES}")
    return found


@pytest.mark.parametrize("path", FILES, ids=[p.relative_to(ROOT).as_posix() for p in FILES])
def test_structure(path: Path) -> None:
    assert not faults(path)


@pytest.mark.parametrize("path", ["pom/__init__.py", "pom/errors.py", "pom/cli/__init__.py"])
def test_start_up_imports_nothing_heavy(path: str) -> None:
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    named = {m.split(".")[0] for node in body for m in imported(node)}
    assert not named & set(HEAVY)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("from . import x", "relative import"),
        ("import passes.base", "as pom.passes.base"),
        ("from pom.passes.base import Pass", "above it"),
        ("from pom import schedule", "above it"),
        ("def f():\n    from pom.dse.space import Space", "above it"),
        ("print(1)", "print()"),
        ("import sys\nsys.exit(1)", "sys.exit"),
        ("import os\nos.system('x')", "os.system"),
        ("assert True", "assert"),
        ("assert x and isinstance(x, int)", "assert"),
        ("try:\n    x\nexcept:\n    y", "bare except"),
        ("\n" * 601, "601 lines"),
    ],
)
def test_faults_are_found(
    source: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_layering.ROOT", tmp_path)
    path = tmp_path / "dialects" / "sample.py"
    path.parent.mkdir()
    path.write_text(source, encoding="utf-8")
    assert any(part in fault for fault in faults(path))
