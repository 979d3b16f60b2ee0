"""Let the values of a local array live in the array that they end up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Expr, Load, rebuild
from pom.ir.graph import Assign
from pom.ir.poly import Loop, PolyProgram, PolyStatement
from pom.passes.base import PolyPass
from pom.passes.isl_build import directions
from pom.passes.local_copies import checked, region_inside, require_plain_accesses
from pom.passes.poly_expand import without_unused
from pom.passes.schedule_tree import describe, prune, require_statement


@dataclass(frozen=True)
class Coalesce(PolyPass):
    """A local array is replaced by the element that a statement stores its value to.

    ::

        for i: for j:                       for i: for j:
            t = A[i, j]                         for k:
            for k:                     →            A[i, j] -= A[i, k] * A[k, j]
                t -= A[i, k] * A[k, j]          A[i, j] = A[i, j] / A[j, j]
            A[i, j] = t / A[j, j]

    Iterations that shared the local array then depend on each other only by the elements themselves.
    What becomes a copy of an element to itself is left out. Legal where nothing else uses the element
    while the local array holds its value; checked by value-based dataflow.

    Parameters
    ----------
    statement : str
        A statement that reads `array`; its target is where the values live from now on.
    array : str
        A local array, replaced in the innermost loop around `statement` that has other users.
    """

    name: ClassVar[str] = "poly-coalesce"
    summary: ClassVar[str] = "let a local array's values live where they are stored in the end"
    statement: str
    array: str

    def run(self, program: PolyProgram) -> PolyProgram:
        what = describe("coalesce", self.statement, self.array)
        home = self._home(program)
        outer, users = self._users(program, what)
        values = _iterators(program.statement(self.statement), outer)
        moved: dict[str, PolyStatement] = {}
        for name in users:
            statement = program.statement(name)
            own = {n.name: n.expr(name) for n in outer}
            place = tuple(_at(s, values, own) for s in home.subscripts)
            if any(p is None for p in place):
                raise PomError(
                    "POM-P079",
                    f"{what}: {home} is not at one place for all of the loops around {name!r}",
                    statement.location,
                    "coalesce before the loops are split or skewed",
                )
            there = Access(home.array, tuple(p for p in place if p is not None))
            moved[name] = _living_in(statement, self.array, there)
        dropped = [name for name, s in moved.items() if _is_identity(s)]
        kept = tuple(moved.get(s.name, s) for s in program.statements if s.name not in dropped)
        tree = prune(program.schedule, [s.name for s in kept])
        if tree is None:
            raise PomError(
                "POM-P079",
                f"{what} would leave nothing to run",
                program.statement(self.statement).location,
                "choose a local array that holds more than a copy",
            )
        new = replace(program, statements=kept, schedule=tree)
        if _uses_of_arguments(new) != _uses_of_arguments(program):
            raise PomError(
                "POM-P079",
                f"{what} would leave no access to {home.array!r} that makes it an input",
                program.statement(self.statement).location,
                "choose a local array that holds more than a copy",
            )
        new = checked(program, new, (self.array, home.array), (), what, dropped)
        return without_unused(new, self.array)

    def _home(self, program: PolyProgram) -> Access:
        require_statement(program, self.statement)
        statement = program.statement(self.statement)
        body = statement.body
        if (
            not isinstance(body, Assign)
            or not body.target.is_affine
            or body.target.array == self.array
            or all(a.array != self.array for a in body.reads)
        ):
            raise PomError(
                "POM-P078",
                f"{self.statement!r} does not store a value of {self.array!r} elsewhere",
                statement.location,
                "choose the statement that stores its last value",
            )
        kinds = {program.arrays[name].type.element for name in (self.array, body.target.array)}
        if len(kinds) > 1 or self.array not in {a.name for a in program.locals}:
            raise PomError(
                "POM-P078",
                f"{self.array!r} is no local array of the element type of {body.target.array!r}",
                statement.location,
                "values are rounded to the element type when they are stored",
            )
        return body.target

    def _users(self, program: PolyProgram, what: str) -> tuple[tuple[Loop, ...], list[str]]:
        """The loops around the users of the array, and these."""
        loops = program.loops(self.statement)
        for depth in range(len(loops), 0, -1):
            region = region_inside(program, self.statement, loops[depth - 1].name)
            users = [s for s in region.node.statements if _uses(program.statement(s), self.array)]
            if len(users) > 1:
                require_plain_accesses(program, region, self.array)
                return region.outer, users
        raise PomError(
            "POM-P078",
            f"{what}: no loop around {self.statement!r} has other users of {self.array!r}",
            program.statement(self.statement).location,
            "choose the statement that stores its last value",
        )


def _uses_of_arguments(program: PolyProgram) -> tuple[frozenset[str], ...]:
    """The arguments that are read, and those that are written."""
    arguments = {p.name for p in program.params}
    return tuple(arrays & arguments for arrays in directions(program))


def _uses(statement: PolyStatement, array: str) -> bool:
    body = statement.body
    if not isinstance(body, Assign):
        return array in body.arguments
    return any(a.array == array for a in (*body.reads, body.target))


def _iterators(statement: PolyStatement, outer: tuple[Loop, ...]) -> dict[str, Affine]:
    """Iterators as values of the loops around, where a loop runs over an iterator and a constant."""
    found: dict[str, Affine] = {}
    for loop in outer:
        match loop.expr(statement.name):
            case Affine(terms=((str(name), 1),), constant=constant):
                found.setdefault(name, Affine.var(loop.name) - constant)
    return found


def _at(
    subscript: Affine | Expr, values: Mapping[str, Affine], own: Mapping[str, Affine]
) -> Affine | None:
    """A subscript over the iterators of another statement in the same iteration of the loops."""
    if not isinstance(subscript, Affine) or not subscript.variables <= set(values):
        return None
    return subscript.substitute(dict(values)).substitute(dict(own))


def _living_in(statement: PolyStatement, array: str, there: Access) -> PolyStatement:
    body = statement.body
    if not isinstance(body, Assign):
        return statement

    def change(expr: Expr) -> Expr:
        if isinstance(expr, Load) and expr.access.array == array:
            return replace(expr, access=there)
        return expr

    target = there if body.target.array == array else body.target
    return replace(statement, body=replace(body, target=target, value=rebuild(body.value, change)))


def _is_identity(statement: PolyStatement) -> bool:
    body = statement.body
    return (
        isinstance(body, Assign)
        and isinstance(body.value, Load)
        and body.value.access == body.target
    )
