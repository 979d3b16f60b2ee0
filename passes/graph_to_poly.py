"""Level 1 → level 2: the tree of loops and guards becomes domains and a schedule tree.

    for i in [0, 8) step 2:            domain    { S[i] : 0 <= i < 8 and i mod 2 = 0 and i >= 3 }
      when i >= 3:              →      schedule  Loop i (S: i) over Leaf S
        S: A[i] = 0

Guards become constraints of the domains, so that the schedule tree has loops, sequences and
statements only. The program's order is unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import islpy as isl

from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, substitute
from pom.ir.graph import Assign, Call, For, Kernel, Node, Statement, When
from pom.ir.location import Location
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, sequence

_ISL_WORDS = frozenset(
    "and or not exists implies rat mod min max floor ceil floord ceild true false infty infinity "
    "nan NaN".split()
)


def graph_to_poly(kernel: Kernel) -> PolyProgram:
    """The polyhedral program of a kernel, callees included.

    Parameters
    ----------
    kernel : Kernel

    Returns
    -------
    PolyProgram
        Statements in program order. A loop nested in a loop of the same name, or whose variable
        an enclosing loop already has, is renamed (``i_1``), so that names are unique on a path.

    Raises
    ------
    PomError
        POM-P050: no statement. POM-P051: a step below 1. POM-P052: a name that integer sets
        cannot have. POM-P053: two statements of one name.
    """
    builder = _Builder()
    nodes = builder.nodes(kernel.body, _Path())
    if not nodes:
        raise PomError(
            "POM-P050",
            f"the kernel {kernel.name!r} has no statement",
            kernel.location,
            "assign to an array element in the kernel",
        )
    return PolyProgram(
        name=kernel.name,
        params=kernel.params,
        locals=kernel.locals,
        statements=tuple(builder.statements),
        schedule=sequence(tuple(nodes)),
        callees=tuple(graph_to_poly(callee) for callee in kernel.callees),
        location=kernel.location,
    )


class _Path:
    """What is around a node: iterators, constraints (isl texts), loop names, renamed variables."""

    def __init__(self) -> None:
        self.iterators: tuple[str, ...] = ()
        self.constraints: tuple[str, ...] = ()
        self.names: tuple[str, ...] = ()
        self.renamed: dict[str, Affine] = {}

    def affine(self, expression: Affine) -> Affine:
        return expression.substitute(self.renamed) if self.renamed else expression

    def with_constraints(self, constraints: Iterable[str]) -> _Path:
        path = _Path()
        path.iterators, path.names, path.renamed = self.iterators, self.names, self.renamed
        path.constraints = (*self.constraints, *constraints)
        return path

    def with_loop(self, name: str, var: str, original: str, constraints: Iterable[str]) -> _Path:
        path = self.with_constraints(constraints)
        path.iterators = (*self.iterators, var)
        path.names = (*self.names, name)
        path.renamed = {k: v for k, v in self.renamed.items() if k != original}
        if var != original:
            path.renamed[original] = Affine.var(var)
        return path


class _Builder:
    """Collects the statements while it makes the schedule tree."""

    def __init__(self) -> None:
        self.statements: list[PolyStatement] = []
        self.seen: set[str] = set()

    def nodes(self, body: tuple[Node, ...], path: _Path) -> list[ScheduleNode]:
        found: list[ScheduleNode] = []
        for node in body:
            match node:
                case When():
                    guards = (_constraint_text(c, path) for c in node.constraints)
                    found += self.nodes(node.body, path.with_constraints(guards))
                case For():
                    found += self.loop(node, path)
                case _:
                    found.append(self.leaf(node, path))
        return found

    def loop(self, node: For, path: _Path) -> list[ScheduleNode]:
        if node.step < 1:
            raise PomError(
                "POM-P051",
                f"the loop {node.name!r} has step {node.step}",
                node.location,
                "loops run upwards: write the subscripts in terms of (last - i) instead",
            )
        _check_name(node.var, "loop variable", node.location)
        var = _unique(node.var, path.iterators)
        name = _unique(node.name, path.names)
        lowers = tuple(path.affine(e) for e in node.lowers)
        uppers = tuple(path.affine(e) for e in node.uppers)
        constraints = _range_texts(var, lowers, uppers, node.step)
        first = len(self.statements)
        children = self.nodes(node.body, path.with_loop(name, var, node.var, constraints))
        if not children:
            return []
        value = Affine.var(var)
        exprs = tuple((s.name, value) for s in self.statements[first:])
        return [Loop(name, exprs, sequence(tuple(children)), location=node.location)]

    def leaf(self, statement: Statement, path: _Path) -> Leaf:
        _check_name(statement.name, "statement", statement.location)
        if statement.name in self.seen:
            raise PomError(
                "POM-P053",
                f"two statements are called {statement.name!r}",
                statement.location,
                "give each statement a name of its own",
            )
        self.seen.add(statement.name)
        body = _substituted(statement, path.renamed) if path.renamed else statement
        self.statements.append(
            PolyStatement(
                statement.name,
                path.iterators,
                _domain_text(statement.name, path),
                body,
                statement.location,
            )
        )
        return Leaf(statement.name)


def _unique(name: str, taken: tuple[str, ...]) -> str:
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate


def _check_name(name: str, what: str, location: Location | None) -> None:
    if not (name.isascii() and name.isidentifier()) or name in _ISL_WORDS:
        raise PomError(
            "POM-P052",
            f"the {what} cannot be called {name!r}: integer sets have a meaning of their own for it",
            location,
            f"call it {name}_ or {name}0" if name.isidentifier() else "use letters, digits and _",
        )


def _substituted(statement: Statement, values: dict[str, Affine]) -> Statement:
    match statement:
        case Assign():
            target: Access = statement.target.substitute(values)
            return replace(statement, target=target, value=substitute(statement.value, values))
        case Call():
            arguments = tuple(
                a if isinstance(a, str) else substitute(a, values) for a in statement.arguments
            )
            return replace(statement, arguments=arguments)


def _constraint_text(constraint: Constraint, path: _Path) -> str:
    return str(replace(constraint, expression=path.affine(constraint.expression)))


def _range_texts(
    var: str, lowers: tuple[Affine, ...], uppers: tuple[Affine, ...], step: int
) -> list[str]:
    """``var`` in [max(lowers), min(uppers)) and, for a step, congruent to the largest lower."""
    texts = [f"{var} >= {e}" for e in lowers] + [f"{var} < {e}" for e in uppers]
    if step > 1:
        # The loop starts at whichever lower bound is the largest.
        starts = []
        for e in lowers:
            largest = [f"{e} >= {other}" for other in lowers if other is not e]
            starts.append(" and ".join([f"({var} - ({e})) mod {step} = 0", *largest]))
        texts.append(" or ".join(f"({s})" for s in starts))
    return [f"({t})" for t in texts]


def _domain_text(name: str, path: _Path) -> str:
    where = f" : {' and '.join(path.constraints)}" if path.constraints else ""
    domain = isl.Set(f"{{ {name}[{', '.join(path.iterators)}]{where} }}")
    return str(domain.coalesce().remove_redundancies())
