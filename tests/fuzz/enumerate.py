"""Verdicts by enumeration: whether a new order keeps every pair of conflicting instances.

Instances are listed, the schedule tree is evaluated at each of them, and the accesses to each
element are put into the old order; legality is then one pass over them. Only the listing of a
domain's points uses isl. A subscript that the analysis takes for data is looked up here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import islpy as isl
import numpy as np

from pom.ir.affine import Affine, FloorDiv
from pom.ir.expr import Access, Index
from pom.ir.graph import Assign
from pom.ir.poly import Leaf, Loop, PolyProgram, PolyStatement, ScheduleNode, Sequence
from pom.ir.types import IntType
from pom.passes.reductions import commuting

Grid = np.ndarray[Any, Any]
Touch = tuple[str, int, str, bool]
"""Statement, number of the instance, class of accesses that commute ('' for none), is a write."""


@lru_cache(maxsize=4096)
def points(statement: PolyStatement) -> Grid:
    """Every instance, one a row, in lexicographic order."""
    rows: list[list[int]] = []
    depth = len(statement.iterators)

    def add(point: isl.Point) -> None:
        get = point.get_coordinate_val
        rows.append([get(isl.dim_type.set, k).to_python() for k in range(depth)])

    found = isl.Set(statement.domain)
    if not found.is_empty():
        found.foreach_point(add)
    rows.sort()
    return np.array(rows, dtype=np.int64).reshape(len(rows), depth)


def evaluate(expression: Affine, iterators: tuple[str, ...], grid: Grid) -> Grid:
    """The expression at every row."""
    total = np.full(len(grid), expression.constant, dtype=np.int64)
    for atom, coefficient in expression.terms:
        if isinstance(atom, FloorDiv):
            value = evaluate(atom.numerator, iterators, grid) // atom.denominator
        else:
            value = grid[:, iterators.index(atom)]
        total += coefficient * value
    return total


def times(program: PolyProgram) -> dict[str, list[tuple[int, ...]]]:
    """When each instance of each statement runs, comparable across statements."""
    columns: dict[str, list[Grid | int]] = {s.name: [] for s in program.statements}
    bodies = {s.name: s for s in program.statements}

    def visit(node: ScheduleNode) -> None:
        match node:
            case Leaf():
                pass
            case Sequence():
                for place, child in enumerate(node.children):
                    for name in child.statements:
                        columns[name].append(place)
                    visit(child)
            case Loop():
                for name in node.statements:
                    statement = bodies[name]
                    grid = points(statement)
                    columns[name].append(evaluate(node.expr(name), statement.iterators, grid))
                visit(node.child)

    visit(program.schedule)
    result: dict[str, list[tuple[int, ...]]] = {}
    for name, parts in columns.items():
        count = len(points(bodies[name]))
        full = [np.full(count, p) if isinstance(p, int) else p for p in parts]
        rows = np.stack(full, axis=1).tolist() if full else [[] for _ in range(count)]
        result[name] = [tuple(row) for row in rows]
    return result


@dataclass(frozen=True, slots=True)
class Reversal:
    """Two instances that conflict and change their order."""

    first: str
    second: str
    array: str


@dataclass(frozen=True, slots=True)
class Enumerated:
    """The accesses of a program in its order, element by element.

    Parameters
    ----------
    program : PolyProgram
    relaxed : frozenset of str
        Reductions whose instances commute.
    has_unknown : bool
        Some subscript depends on data, as the analysis sees it.
    """

    program: PolyProgram
    touches: dict[tuple[str, tuple[int, ...]], list[Touch]]
    has_unknown: bool

    def reversal(self, new: PolyProgram) -> Reversal | None:
        """A conflicting pair that `new`, which has the same statements, does not keep."""
        when = times(new)
        for (array, _), touched in self.touches.items():
            writes: dict[str, tuple[tuple[int, ...], Touch]] = {}
            anything: dict[str, tuple[tuple[int, ...], Touch]] = {}
            for touch in touched:
                name, number, group, is_write = touch
                time = when[name][number]
                for other, (latest, before) in (anything if is_write else writes).items():
                    if (group and other == group) or before[:2] == touch[:2]:
                        continue
                    if time <= latest:
                        return Reversal(self._text(before), self._text(touch), array)
                for known in (anything, writes) if is_write else (anything,):
                    if group not in known or known[group][0] < time:
                        known[group] = (time, touch)
        return None

    def _text(self, touch: Touch) -> str:
        statement = self.program.statement(touch[0])
        return f"{touch[0]}{tuple(points(statement)[touch[1]].tolist())}"


def enumerated(program: PolyProgram, relaxed: frozenset[str]) -> Enumerated:
    """`program` with its accesses listed."""
    when = times(program)
    order = sorted(
        ((time, name, number) for name, rows in when.items() for number, time in enumerate(rows)),
    )
    elements: dict[str, list[tuple[list[tuple[str, tuple[int, ...]]], str, bool]]] = {}
    classes = commuting(program, relaxed)
    has_unknown = False
    for statement in program.statements:
        body = statement.body
        if not isinstance(body, Assign):
            raise NotImplementedError("kernels of the generator have no calls")
        target = body.target
        listed = []
        for access, is_write in (*((a, False) for a in body.reads), (target, True)):
            has_unknown = has_unknown or not access.is_affine
            commutes = statement.name in relaxed and access == target
            group = _class(classes[statement.name]) if commutes else ""
            listed.append((_elements(statement, access), group, is_write))
        elements[statement.name] = listed
    touches: dict[tuple[str, tuple[int, ...]], list[Touch]] = {}
    for _, name, number in order:
        for located, group, is_write in elements[name]:
            touches.setdefault(located[number], []).append((name, number, group, is_write))
    return Enumerated(program, touches, has_unknown)


def _class(common: tuple[str, str]) -> str:
    """A name for the updates that commute with each other."""
    return " ".join(common)


def _elements(statement: PolyStatement, access: Access) -> list[tuple[str, tuple[int, ...]]]:
    grid = points(statement)
    if not access.subscripts:
        return [(access.array, ())] * len(grid)
    parts = []
    for subscript in access.subscripts:
        match subscript:
            case Affine():
                parts.append(evaluate(subscript, statement.iterators, grid))
            case Index(affine=value, type=IntType(width=width, signed=False)):
                parts.append(evaluate(value, statement.iterators, grid) % 2**width)
            case _:
                raise NotImplementedError("kernels of the generator index with `Index` only")
    rows = np.stack(parts, axis=1).tolist()
    return [(access.array, tuple(row)) for row in rows]
