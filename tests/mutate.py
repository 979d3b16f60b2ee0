"""A mutation tester: change one thing in a file at a time, and see whether the tests notice.

    python -m tests.mutate passes/legality.py --tests tests/passes/test_legality.py

The tree is copied to a temporary folder, so the checkout stays as it is. A mutant is killed where
the tests fail, time out or crash; the others are listed. Names of isl's operations count as
operators: ``lt_set`` becomes ``le_set``, ``min_val`` becomes ``max_val``.
"""

from __future__ import annotations

import argparse
import ast
import copy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
_METHODS = {
    "lt_set": ("le_set", "gt_set"),
    "gt_set": ("ge_set", "lt_set"),
    "eq_set": ("ne_set",),
    "min_val": ("max_val",),
    "max_val": ("min_val",),
    "intersect": ("union", "subtract"),
    "union": ("intersect",),
    "subtract": ("union",),
    "lex_lt_union_map": ("lex_le_union_map", "lex_gt_union_map"),
    "reverse": ("copy",),
    "is_empty": ("is_params",),
}


@dataclass(frozen=True)
class Mutant:
    """A changed source."""

    line: int
    what: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of `source`, one change each."""
    tree = ast.parse(source)
    skipped = _not_mutated(tree)
    for position, original in enumerate(ast.walk(tree)):
        if original in skipped:
            continue
        for change in range(2):
            changed = copy.deepcopy(tree)
            node = next(n for k, n in enumerate(ast.walk(changed)) if k == position)
            what = _mutate(node, change)
            if what:
                text = ast.unparse(ast.fix_missing_locations(changed))
                yield Mutant(getattr(node, "lineno", 0), what, text)


def _not_mutated(tree: ast.Module) -> set[ast.AST]:
    """What is no behaviour: decorators, sizes of caches (in capitals), ``zip(strict=…)``."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                roots += node.decorator_list
            case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
                roots.append(node)
            case ast.While() if any(
                isinstance(n, ast.Name) and n.id.isupper() for n in ast.walk(node.test)
            ):
                roots.append(node.test)
            case ast.keyword(arg="strict"):
                roots.append(node.value)
    return {inner for root in roots for inner in ast.walk(root)}


def _mutate(node: ast.AST, change: int) -> str:
    """Change `node` in place; a description, or "" where there is no such change."""
    match node:
        case ast.Compare(ops=[op]):
            choices = _COMPARISONS.get(type(op), ())
            if change < len(choices):
                node.ops = [choices[change]()]
                return f"{type(op).__name__} -> {choices[change].__name__}"
        case ast.BinOp(op=op) if change == 0 and type(op) in _OPERATORS:
            node.op = _OPERATORS[type(op)]()
            return f"{type(op).__name__} -> {type(node.op).__name__}"
        case ast.BoolOp(op=op) if change == 0:
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            return f"{type(op).__name__} -> {type(node.op).__name__}"
        case ast.UnaryOp(op=ast.Not()) if change == 0:
            node.op = ast.UAdd()
            node.operand = ast.Call(ast.Name("bool", ast.Load()), [node.operand], [])
            return "not dropped"
        case ast.UnaryOp(op=ast.USub()) if change == 0:
            node.op = ast.UAdd()
            return "sign dropped"
        case ast.Attribute(attr=name) if change < len(_METHODS.get(name, ())):
            node.attr = _METHODS[name][change]
            return f"{name} -> {node.attr}"
        case ast.List(elts=[_, *_] as parts) | ast.Tuple(elts=[_, *_] as parts):
            if isinstance(parts[0], ast.Starred) and change < len(parts):
                del parts[change]
                return f"element {change} dropped"
        case ast.Continue() | ast.Break() if change == 0:
            node.__class__ = ast.Pass  # type: ignore[assignment]
            return "jump dropped"
        case ast.Constant(value=bool(value)) if change == 0:
            node.value = not value
            return f"{value} -> {not value}"
        case ast.Constant(value=int(value)) if change == 0:
            node.value = value + 1
            return f"{value} -> {value + 1}"
    return ""


def run(tree: Path, tests: list[str], timeout_s: float) -> bool:
    """Whether the tests notice something."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("files", nargs="+", help="files to change, relative to the root")
    parser.add_argument("--tests", nargs="+", required=True)
    parser.add_argument("--timeout-s", type=float, default=120.0)
    parser.add_argument("--every", type=int, default=1, help="take every n-th mutant only")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in ("pom", "passes", "dialects", "dse", "qor_model", "tests"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        if run(tree, options.tests, options.timeout_s):
            print("the tests fail without any change")
            return 1
        killed = total = 0
        for name in options.files:
            source = (ROOT / name).read_text(encoding="utf-8")
            for mutant in list(mutants(source))[:: options.every]:
                (tree / name).write_text(mutant.source, encoding="utf-8")
                total += 1
                if run(tree, options.tests, options.timeout_s):
                    killed += 1
                else:
                    print(f"survived: {name}:{mutant.line}: {mutant.what}", flush=True)
            (tree / name).write_text(source, encoding="utf-8")
    print(f"{killed} of {total} mutants killed, {100 * killed / max(total, 1):.1f} %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
