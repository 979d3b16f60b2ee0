"""Level 1, graph: what is computed. A kernel as a tree of loops, guards and statements.

The tree is the program as the user wrote it, in program order. Loops have affine bounds (the
maximum of several lower bounds, the minimum of several upper bounds); guards are conjunctions of
affine constraints. Everything is immutable; the MLIR form is `pom.dialects.graph`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from pom.ir.affine import Affine, Constraint
from pom.ir.expr import Access, Expr, loads
from pom.ir.location import Location
from pom.ir.memo import Memo, hashed_once
from pom.ir.types import ArrayType, ScalarType

Direction = Literal["in", "out", "inout", "unused"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar argument, passed by value."""

    name: str
    type: ScalarType
    location: Location | None = field(default=None, compare=False)


@hashed_once
@dataclass(frozen=True, slots=True)
class Array(Memo):
    """An array argument or a local array."""

    name: str
    type: ArrayType
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class For:
    """``for var in [max(lowers), min(uppers)) step step``. `name` is the stable loop name."""

    name: str
    var: str
    lowers: tuple[Affine, ...]
    uppers: tuple[Affine, ...]
    body: tuple[Node, ...]
    step: int = 1
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class When:
    """`body` runs where every constraint holds."""

    constraints: tuple[Constraint, ...]
    body: tuple[Node, ...]
    location: Location | None = field(default=None, compare=False)


@hashed_once
@dataclass(frozen=True, slots=True)
class Assign(Memo):
    """A statement: ``target = value``. `name` is unique in the kernel."""

    name: str
    target: Access
    value: Expr
    location: Location | None = field(default=None, compare=False)

    @property
    def reads(self) -> tuple[Access, ...]:
        """Every access that reads, in evaluation order."""
        return _reads(self)


@lru_cache(maxsize=4096)
def _reads(statement: Assign) -> tuple[Access, ...]:
    found = [load.access for load in loads(statement.value)]
    for subscript in statement.target.subscripts:
        if not isinstance(subscript, Affine):
            found += [load.access for load in loads(subscript)]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Call:
    """A statement that runs `callee`, kept as a function. Arguments in the callee's order."""

    name: str
    callee: str
    arguments: tuple[str | Expr, ...]
    location: Location | None = field(default=None, compare=False)


Node = For | When | Assign | Call
Statement = Assign | Call


@hashed_once
@dataclass(frozen=True, slots=True)
class Kernel(Memo):
    """A level-1 program. `callees` holds the kernels that `Call` names, callees first."""

    name: str
    params: tuple[Scalar | Array, ...]
    locals: tuple[Array, ...]
    body: tuple[Node, ...]
    callees: tuple[Kernel, ...] = ()
    location: Location | None = field(default=None, compare=False)

    @property
    def arrays(self) -> dict[str, Array]:
        """Array arguments and local arrays by name, arguments first."""
        params = [p for p in self.params if isinstance(p, Array)]
        return {a.name: a for a in (*params, *self.locals)}

    @property
    def scalars(self) -> dict[str, Scalar]:
        return {p.name: p for p in self.params if isinstance(p, Scalar)}

    def callee(self, name: str) -> Kernel:
        return next(k for k in self.callees if k.name == name)

    def statements(self) -> Iterator[tuple[Statement, tuple[For | When, ...]]]:
        """Every statement in program order with the loops and guards around it, outermost first."""

        def visit(
            nodes: tuple[Node, ...], around: tuple[For | When, ...]
        ) -> Iterator[tuple[Statement, tuple[For | When, ...]]]:
            for node in nodes:
                match node:
                    case For() | When():
                        yield from visit(node.body, (*around, node))
                    case _:
                        yield node, around

        return visit(self.body, ())

    def directions(self) -> dict[str, Direction]:
        """How each array argument is used, from the accesses."""
        read: set[str] = set()
        written: set[str] = set()
        for statement, _ in self.statements():
            match statement:
                case Assign():
                    read |= {a.array for a in statement.reads}
                    written.add(statement.target.array)
                case Call():
                    inner = self.callee(statement.callee)
                    for param, argument in zip(inner.params, statement.arguments, strict=True):
                        if isinstance(argument, str):
                            use = inner.directions()[param.name]
                            read |= {argument} if use in ("in", "inout") else set()
                            written |= {argument} if use in ("out", "inout") else set()
                        else:
                            read |= {load.access.array for load in loads(argument)}
        result: dict[str, Direction] = {}
        for param in self.params:
            if isinstance(param, Array):
                r, w = param.name in read, param.name in written
                result[param.name] = "inout" if r and w else "in" if r else "out" if w else "unused"
        return result
