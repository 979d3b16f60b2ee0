"""What can be read from the syntax tree of the user's file, where Python can find the file.

Kernels are recorded by running them, so a plain Python variable that is carried from one iteration
of a recorded loop to the next would be lost without a trace; the syntax tree shows it.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from pom.dsl.locate import span_location
from pom.ir.location import Location

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@lru_cache(maxsize=32)
def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def module_tree(file: str) -> ast.Module | None:
    """The syntax tree of a file, or None where the source cannot be found."""
    lines = linecache.getlines(file)
    return _parse("".join(lines)) if lines else None


@lru_cache(maxsize=32)
def _index(tree: ast.Module) -> dict[tuple[int, type], list[ast.AST]]:
    table: dict[tuple[int, type], list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.For, ast.Assign)):
            lines = {node.lineno, node.iter.lineno} if isinstance(node, ast.For) else {node.lineno}
            for line in lines:
                table.setdefault((line, type(node)), []).append(node)
            for decorator in getattr(node, "decorator_list", ()):
                table.setdefault((decorator.lineno, type(node)), []).append(node)
    return table


def _starting_at(file: str, line: int, kind: type) -> list[ast.AST]:
    tree = module_tree(file)
    return [] if tree is None else _index(tree).get((line, kind), [])


def node_location(file: str, node: ast.expr | ast.arg) -> Location:
    """The span of a syntax node."""
    return span_location(file, node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)


def function_locations(file: str, first_line: int, name: str) -> dict[str, Location]:
    """Where a function's parameters stand; the function's own ``def`` under its own name."""
    for node in _starting_at(file, first_line, ast.FunctionDef):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
            found = {a.arg: node_location(file, a) for a in every}
            found[""] = Location(file, node.lineno, node.col_offset)
            return found
    return {}


def assigned_name(location: Location) -> str | None:
    """``x`` where the expression at `location` is all of the right side of ``x = …``."""
    for node in _starting_at(location.file, location.line, ast.Assign):
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
            and node_location(location.file, node.value) == location
        ):
            return node.targets[0].id
    return None


def carried_names(location: Location) -> tuple[tuple[str, Location], ...]:
    """Plain variables that the ``for`` whose iterable stands at `location` carries around.

    A variable is carried when the body assigns it and may read it before it has assigned it.
    """
    for node in _starting_at(location.file, location.line, ast.For):
        # Python 3.11 gives the place of the `for`, later versions that of the iterable.
        if isinstance(node, ast.For) and (
            (node.lineno, node.col_offset) == (location.line, location.column)
            or node_location(location.file, node.iter) == location
        ):
            return _carried(location.file, node)
    return ()


def _carried(file: str, loop: ast.For) -> tuple[tuple[str, Location], ...]:
    targets = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    assigned = {name for statement in loop.body for name in _stores(statement)} - targets
    if not assigned:
        return ()
    found: dict[str, Location] = {}
    _scan(file, loop.body, set(targets), assigned, found)
    return tuple(found.items())


def _stores(node: ast.AST) -> Iterator[str]:
    """Names that `node` binds, those of nested functions and comprehensions left out."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _stores(child)


def _reads(node: ast.AST) -> Iterator[ast.Name]:
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load):
            yield child


def _scan(
    file: str,
    body: list[ast.stmt],
    defined: set[str],
    assigned: set[str],
    found: dict[str, Location],
) -> None:
    """Walk `body` in order; `defined` holds what this iteration has surely assigned so far."""

    def read(node: ast.AST | None) -> None:
        for name in _reads(node) if node is not None else ():
            if name.id in assigned and name.id not in defined:
                found.setdefault(name.id, node_location(file, name))

    for statement in body:
        match statement:
            case ast.AugAssign(target=ast.Name(id=name) as target):
                read(statement.value)
                if name in assigned and name not in defined:
                    found.setdefault(name, node_location(file, target))
                defined.add(name)
            case ast.For() | ast.While() | ast.If():
                read(statement.iter if isinstance(statement, ast.For) else statement.test)
                inner = set(defined)
                if isinstance(statement, ast.For):
                    inner |= set(_stores(statement.target))
                after = set(inner)
                _scan(file, statement.body, after, assigned, found)
                other = set(defined)
                _scan(file, statement.orelse, other, assigned, found)
                # A recorded loop's body runs exactly once; a branch may not run.
                defined |= after & other if isinstance(statement, ast.If) else after
            case ast.With():
                for item in statement.items:
                    read(item.context_expr)
                    defined |= set(_stores(item))
                _scan(file, statement.body, defined, assigned, found)
            case _:
                read(statement)
                defined |= set(_stores(statement))


def reads_after(location: Location, names: set[str]) -> tuple[tuple[str, Location], ...]:
    """Which of `names` may be read after the ``with`` whose expression stands at `location`."""
    tree = module_tree(location.file)
    path = _path_to_with(tree, location) if tree is not None else None
    found: dict[str, Location] = {}
    defined: set[str] = set()
    for rest in reversed(path or []):
        _scan(location.file, rest, defined, names, found)
    return tuple(found.items())


def _path_to_with(node: ast.AST, location: Location) -> list[list[ast.stmt]] | None:
    """What follows a ``with`` in each body around it, within its function, outermost first."""
    for name in ("body", "orelse", "finalbody", "handlers"):
        statements = getattr(node, name, None)
        if not isinstance(statements, list):
            continue
        for position, statement in enumerate(statements):
            is_it = isinstance(statement, ast.With) and any(
                node_location(location.file, item.context_expr) == location
                for item in statement.items
            )
            inner = [] if is_it else _path_to_with(statement, location)
            if inner is not None:
                rest = [s for s in statements[position + 1 :] if isinstance(s, ast.stmt)]
                is_function = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
                return inner if is_function else [rest, *inner]
    return None


_TRUTH_HINTS: dict[type, tuple[str, str]] = {
    ast.If: ("`if`", "use `with pom.when(i > 0):` on loop variables, pom.select on data"),
    ast.While: ("`while`", "use pom.loop"),
    ast.IfExp: ("a conditional expression", "use pom.select(condition, a, b)"),
    ast.Assert: ("`assert`", "state the property outside the kernel"),
    ast.BoolOp: ("`and` or `or`", "use & and |, with parentheses around each comparison"),
    ast.UnaryOp: ("`not`", "use ~"),
    ast.Compare: (
        "a chained comparison",
        "split it: (0 <= i) & (i < n), or pom.when(0 <= i, i < n)",
    ),
    ast.Call: ("a Python call", "use pom.min, pom.max, pom.abs, pom.select … on symbolic values"),
}


def python_construct(location: Location | None) -> tuple[str, str]:
    """What asks for a truth value at `location`, and what to write instead."""
    tree = module_tree(location.file) if location is not None else None
    best: ast.AST | None = None
    for node in ast.walk(tree) if tree is not None else ():
        candidate: ast.AST | None = node
        match node:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                span: ast.expr = test
            case ast.Assert(test=test):
                span = test
            case ast.BoolOp() | ast.Call() | ast.UnaryOp(op=ast.Not()):
                span = node
            case ast.Compare(ops=[_, _, *_]):
                span = node
            case _:
                candidate = None
        if candidate is not None and location is not None and _contains(span, location):
            # Later in breadth-first order is further inside.
            best = node
    if best is None:
        return "the truth value", "use pom.when on loop variables and pom.select on data"
    return _TRUTH_HINTS[type(best)]


def _contains(node: ast.expr, location: Location) -> bool:
    start = (node.lineno, node.col_offset)
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (
        start <= (location.line, location.column)
        and (
            location.line,
            max(location.end_column, location.column),
        )
        <= end
    )
