"""Level 2, poly: when each statement instance runs.

A program is a set of statements, each with an integer set of instances (its domain), and one
schedule tree. The tree has three kinds of node: `Sequence` (children run one after the other),
`Loop` (a one-dimensional band: an affine function of the iterators for every statement below it,
executed in increasing order of its value) and `Leaf`. The path from the root to a statement's leaf
is its 2d+1 schedule. Loop names are stable handles: unique on every path, kept by every
transformation that keeps the loop.

Everything is an immutable value, pickles, and hashes; isl objects are made from it on demand
(`pom.passes.isl_build`). Domains are isl texts in canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from pom.ir.affine import Affine
from pom.ir.directives import ArrayDirectives, FunctionDirectives, LoopDirectives, OpBinding
from pom.ir.graph import Array, Scalar, Statement
from pom.ir.location import Location
from pom.ir.memo import Memo, hashed_once

LoopPart = Literal["all", "separate", "isolate", "guard"]


@hashed_once
@dataclass(frozen=True, slots=True)
class PolyStatement(Memo):
    """A statement and its instances.

    Parameters
    ----------
    iterators : tuple of str
        Names of the domain's dims, outermost first; the body's affine expressions use them.
    domain : str
        isl set text, ``{ mac[i, j, k] : 0 <= i < 64 and … }``; the tuple name is the statement's.
    body : Assign or Call
        What an instance computes.
    """

    name: str
    iterators: tuple[str, ...]
    domain: str
    body: Statement
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One statement."""

    statement: str

    @property
    def statements(self) -> tuple[str, ...]:
        return (self.statement,)


@hashed_once
@dataclass(frozen=True, slots=True)
class Sequence(Memo):
    """Children in order; never nested directly in a Sequence, never shorter than two."""

    children: tuple[ScheduleNode, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        return _statements(self)


@hashed_once
@dataclass(frozen=True, slots=True)
class Loop(Memo):
    """A schedule dim.

    Parameters
    ----------
    name : str
        Stable handle.
    exprs : tuple of (statement, Affine)
        The dim's value for every statement below, over that statement's iterators.
    part : {"all", "separate", "isolate", "guard"}
        How the code generator treats partial ranges: ``separate`` makes loops without guards by
        splitting the range; ``isolate`` puts the full tiles of the split loops below apart;
        ``guard`` makes the loop run over its whole constant range, with guards in the body, so
        that it can be unrolled.
    """

    name: str
    exprs: tuple[tuple[str, Affine], ...]
    child: ScheduleNode
    directives: LoopDirectives = LoopDirectives()
    part: LoopPart = "all"
    location: Location | None = field(default=None, compare=False)

    @property
    def statements(self) -> tuple[str, ...]:
        return self.child.statements

    def expr(self, statement: str) -> Affine:
        return next(e for s, e in self.exprs if s == statement)


ScheduleNode = Leaf | Sequence | Loop


@lru_cache(maxsize=4096)
def _statements(node: Sequence) -> tuple[str, ...]:
    return tuple(s for child in node.children for s in child.statements)


def walk_loops(node: ScheduleNode) -> Iterator[Loop]:
    """Every loop below and at `node`, outermost and earliest first."""
    match node:
        case Loop():
            yield node
            yield from walk_loops(node.child)
        case Sequence():
            for child in node.children:
                yield from walk_loops(child)


def path_to(node: ScheduleNode, statement: str) -> tuple[Loop | int, ...]:
    """The way to a statement's leaf: its loops, and its position in every sequence passed."""
    match node:
        case Leaf():
            return ()
        case Loop():
            return (node, *path_to(node.child, statement))
        case Sequence():
            for position, child in enumerate(node.children):
                if statement in child.statements:
                    return (position, *path_to(child, statement))
    raise KeyError(statement)


def sequence(children: tuple[ScheduleNode, ...]) -> ScheduleNode:
    """A `Sequence` in normal form: nested ones spliced in, a single child returned bare."""
    flat: list[ScheduleNode] = []
    for child in children:
        flat += child.children if isinstance(child, Sequence) else [child]
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


@hashed_once
@dataclass(frozen=True, slots=True)
class PolyProgram(Memo):
    """A level-2 program. `callees` holds the programs that `Call` statements name."""

    name: str
    params: tuple[Scalar | Array, ...]
    locals: tuple[Array, ...]
    statements: tuple[PolyStatement, ...]
    schedule: ScheduleNode
    array_directives: tuple[tuple[str, ArrayDirectives], ...] = ()
    bindings: tuple[OpBinding, ...] = ()
    function: FunctionDirectives = FunctionDirectives()
    callees: tuple[PolyProgram, ...] = ()
    location: Location | None = field(default=None, compare=False)

    @property
    def arrays(self) -> dict[str, Array]:
        params = [p for p in self.params if isinstance(p, Array)]
        return {a.name: a for a in (*params, *self.locals)}

    def statement(self, name: str) -> PolyStatement:
        return next(s for s in self.statements if s.name == name)

    def path(self, statement: str) -> tuple[Loop | int, ...]:
        return path_to(self.schedule, statement)

    def loops(self, statement: str) -> tuple[Loop, ...]:
        """The loops around a statement, outermost first."""
        return tuple(n for n in self.path(statement) if isinstance(n, Loop))

    def directives_of(self, array: str) -> ArrayDirectives:
        return next((d for a, d in self.array_directives if a == array), ArrayDirectives())

    def with_array(self, array: str, directives: ArrayDirectives) -> PolyProgram:
        """The program with `directives` for `array` (kept sorted by array name)."""
        others = [(a, d) for a, d in self.array_directives if a != array]
        return replace(
            self, array_directives=tuple(sorted([*others, (array, directives)], key=lambda p: p[0]))
        )
