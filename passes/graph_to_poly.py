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

from pom.errors import PomError
from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, substitute
from pom.ir.graph import Assign, Call, For, Kernel, Node, Statement, When
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, sequence
from pom.passes.isl_build import domain_text


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
        POM-P050: no statement. POM-P051: a step below 1. POM-P052: a step with several lower
        bounds. POM-P053: two statements of one name.
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
    """What is around a node: iterators, constraints, loop names, renamed variables."""

    def __init__(self) -> None:
        self.iterators: tuple[str, ...] = ()
        self.constraints: tuple[Constraint, ...] = ()
        self.names: tuple[str, ...] = ()
        self.renamed: dict[str, Affine] = {}

    def affine(self, expression: Affine) -> Affine:
        return expression.substitute(self.renamed) if self.renamed else expression

    def constraint(self, constraint: Constraint) -> Constraint:
        return replace(constraint, expression=self.affine(constraint.expression))

    def with_constraints(self, constraints: Iterable[Constraint]) -> _Path:
        path = _Path()
        path.iterators, path.names, path.renamed = self.iterators, self.names, self.renamed
        path.constraints = (*self.constraints, *constraints)
        return path

    def with_loop(
        self, name: str, var: str, original: str, constraints: Iterable[Constraint]
    ) -> _Path:
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
                    guards = (path.constraint(c) for c in node.constraints)
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
        var = _unique(node.var, path.iterators)
        name = _unique(node.name, path.names)
        constraints = _range(node, var, path)
        first = len(self.statements)
        children = self.nodes(node.body, path.with_loop(name, var, node.var, constraints))
        if not children:
            return []
        value = Affine.var(var)
        exprs = tuple((s.name, value) for s in self.statements[first:])
        return [Loop(name, exprs, sequence(tuple(children)), location=node.location)]

    def leaf(self, statement: Statement, path: _Path) -> Leaf:
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
                domain_text(statement.name, path.iterators, path.constraints),
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


def _range(node: For, var: str, path: _Path) -> list[Constraint]:
    value = Affine.var(var)
    found = [Constraint(value - path.affine(e)) for e in node.lowers]
    found += [Constraint(path.affine(e) - 1 - value) for e in node.uppers]
    if node.step > 1:
        if len(node.lowers) != 1:
            raise PomError(
                "POM-P052",
                f"the loop {node.name!r} has step {node.step} and {len(node.lowers)} lower bounds: "
                "where it starts is not affine",
                node.location,
                "give it one lower bound, and a guard for the others",
            )
        found.append(Constraint((value - path.affine(node.lowers[0])) % node.step, True))
    return found
