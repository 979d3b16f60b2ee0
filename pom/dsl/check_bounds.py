"""Every affine subscript stays inside its array, decided exactly.

Interval arithmetic proves most subscripts without isl; what it cannot prove, isl decides over the
domain with its guards, and the error names an iteration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pom.dsl.domain import Instances, instances, ranges_around
from pom.dsl.ranges import interval
from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.expr import Access, Apply, Expr, Load, loads, walk
from pom.ir.graph import Assign, Call, Kernel, Statement
from pom.ir.location import Location
from pom.ir.types import ArrayType


def check_bounds(kernel: Kernel) -> None:
    """Raise where a subscript of `kernel` can leave its array.

    Raises
    ------
    PomError
        With the iteration that leaves it.
    """
    arrays = kernel.arrays
    doubtful: dict[str, list[tuple[Access, int, Location | None]]] = {}
    for statement, around in kernel.statements():
        ranges = ranges_around(around)
        if ranges is None:
            continue
        for access, location in _accesses(statement):
            shape = arrays[access.array].type.shape
            for dim, (subscript, extent) in enumerate(zip(access.subscripts, shape, strict=True)):
                if isinstance(subscript, Affine):
                    low, high = interval(subscript, ranges)
                    if low < 0 or high >= extent:
                        doubtful.setdefault(statement.name, []).append((access, dim, location))
    if not doubtful:
        return
    for entry in instances(kernel):
        for access, dim, location in doubtful.get(entry.statement.name, ()):
            _decide(entry, access, dim, arrays[access.array].type, location)


def _accesses(statement: Assign | Call) -> Iterator[tuple[Access, Location | None]]:
    expressions: list[Expr] = []
    if isinstance(statement, Assign):
        yield statement.target, statement.location
        expressions += [s for s in statement.target.subscripts if not isinstance(s, Affine)]
        expressions.append(statement.value)
    else:
        expressions += [a for a in statement.arguments if not isinstance(a, str)]
    for expression in expressions:
        for node in walk(expression):
            if isinstance(node, Load):
                yield node.access, node.location


def _decide(
    entry: Instances, access: Access, dim: int, type: ArrayType, location: Location | None
) -> None:
    import islpy as isl

    subscript, extent = access.subscripts[dim], type.shape[dim]
    for violation in (f"{subscript} < 0", f"{subscript} >= {extent}"):
        outside = isl.Set(entry.set_text((violation,)))
        if outside.is_empty():
            continue
        # The first iteration that fails is the one that a user would meet first.
        point = _coordinates(outside.lexmin().sample_point(), entry.iterators)
        value = subscript.evaluate(point) if isinstance(subscript, Affine) else 0
        at = ", ".join(f"{k} = {v}" for k, v in point.items())
        raise PomError(
            "POM-D022",
            f"{access} leaves the array: subscript {dim + 1} of {access.array!r} is {value}, "
            f"allowed is 0 … {extent - 1}",
            location,
            _hint(value, entry.statement, access),
            (f"at {at}" if at else "in the only iteration",),
        )


def _hint(value: int, statement: Statement, access: Access) -> str:
    if isinstance(statement, Assign) and any(
        isinstance(node, Apply)
        and node.op == "select"
        and access in [load.access for load in loads(node)]
        for node in walk(statement.value)
    ):
        return "pom.select evaluates both of its values: guard the statement with pom.when instead"
    return (
        "begin the loop later, or guard with pom.when; negative subscripts do not wrap around"
        if value < 0
        else "end the loop earlier, or guard with pom.when"
    )


def _coordinates(point: object, iterators: Sequence[str]) -> dict[str, int]:
    import islpy as isl

    return {
        name: int(point.get_coordinate_val(isl.dim_type.set, k).to_python())  # type: ignore[attr-defined]
        for k, name in enumerate(iterators)
    }
