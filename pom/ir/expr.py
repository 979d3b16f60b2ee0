"""What a statement computes: expression trees over loads, arguments, iterators and constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from pom.ir.affine import Affine
from pom.ir.location import Location
from pom.ir.memo import Memo, hashed_once
from pom.ir.types import ScalarType


@hashed_once
@dataclass(frozen=True, slots=True)
class Access(Memo):
    """``array[subscripts]``. A subscript that is an `Expr` depends on data."""

    array: str
    subscripts: tuple[Affine | Expr, ...]

    @property
    def is_affine(self) -> bool:
        return all(isinstance(s, Affine) for s in self.subscripts)

    def substitute(self, values: dict[str, Affine]) -> Access:
        """Iterators replaced in every subscript."""
        return Access(
            self.array,
            tuple(
                s.substitute(values) if isinstance(s, Affine) else substitute(s, values)
                for s in self.subscripts
            ),
        )

    def __str__(self) -> str:
        return f"{self.array}[{', '.join(map(str, self.subscripts))}]"


@dataclass(frozen=True, slots=True)
class Const:
    """A literal of `type`. `value`: bool, int (integers), Fraction (fixed point, exact), float."""

    value: bool | int | float | Fraction
    type: ScalarType
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Index:
    """An affine function of the iterators used as data, wrapped into `type` (an integer)."""

    affine: Affine
    type: ScalarType
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"index({self.affine})"


@dataclass(frozen=True, slots=True)
class Argument:
    """A scalar argument of the kernel."""

    name: str
    type: ScalarType
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.name


@hashed_once
@dataclass(frozen=True, slots=True)
class Load(Memo):
    """The value of an array element."""

    access: Access
    type: ScalarType
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return str(self.access)


@hashed_once
@dataclass(frozen=True, slots=True)
class Apply(Memo):
    """An operation of `pom.ir.ops.OPS` on operands. ``cast`` converts to `type`."""

    op: str
    operands: tuple[Expr, ...]
    type: ScalarType
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        name = f"cast<{self.type}>" if self.op == "cast" else self.op
        return f"{name}({', '.join(map(str, self.operands))})"


Expr = Const | Index | Argument | Load | Apply


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and everything below it, operands (and data-dependent subscripts) first."""
    match expr:
        case Apply():
            for operand in expr.operands:
                yield from walk(operand)
        case Load():
            for subscript in expr.access.subscripts:
                if not isinstance(subscript, Affine):
                    yield from walk(subscript)
    yield expr


def loads(expr: Expr) -> tuple[Load, ...]:
    """Every load in evaluation order, those inside data-dependent subscripts included."""
    return tuple(e for e in walk(expr) if isinstance(e, Load))


def rebuild(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`expr` with `change` applied to every node, operands first."""
    match expr:
        case Apply():
            expr = replace(expr, operands=tuple(rebuild(o, change) for o in expr.operands))
        case Load():
            subscripts = tuple(
                s if isinstance(s, Affine) else rebuild(s, change) for s in expr.access.subscripts
            )
            expr = replace(expr, access=Access(expr.access.array, subscripts))
    return change(expr)


def substitute(expr: Expr, values: dict[str, Affine]) -> Expr:
    """Iterators replaced by affine expressions, in subscripts and where they are data."""

    def change(e: Expr) -> Expr:
        match e:
            case Index():
                return replace(e, affine=e.affine.substitute(values))
            case Load():
                return replace(
                    e,
                    access=Access(
                        e.access.array,
                        tuple(
                            s.substitute(values) if isinstance(s, Affine) else s
                            for s in e.access.subscripts
                        ),
                    ),
                )
        return e

    return rebuild(expr, change)
