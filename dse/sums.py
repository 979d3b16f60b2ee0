"""Sums along the loops of a nest: lanes that are combined by a tree of operators.

Lanes along a loop that only accumulates would form a chain, as long as there are lanes, that the
next iteration has to wait for. Where the operation is associative and commutative (on floats with
``fast_math``), the lanes' values are added pairwise instead, and the recurrence is one operator
long. This is never worse: as many operators, fewer cycles. So it is no choice of the search: the
lanes of every such loop are combined in this way, and bounds count on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import islpy as isl

from pom.ir.affine import Affine
from pom.ir.expr import Access
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram, PolyStatement
from pom.passes.base import PolyPass
from pom.passes.isl_build import affine, domain
from pom.passes.poly_partition import PartitionArray
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_unroll import Unroll
from pom.passes.reductions import may_reassociate, reductions

SUFFIX = "lanes"
"""What the names of the arrays of partial results end in."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A statement that accumulates along loops of its nest.

    Parameters
    ----------
    statement : str
    loops : tuple of str
        Band loops in whose iterations the element stays the same, outermost first.
    op : str
        What combines: ``add``, ``min`` …
    array : str
        What it accumulates into.
    """

    statement: str
    loops: tuple[str, ...]
    op: str
    array: str


def find_sums(
    program: PolyProgram, statements: tuple[str, ...], band: tuple[str, ...], fast_math: bool
) -> tuple[Sum, ...]:
    """The sums of a rectangular nest that may be reassociated.

    Loops along which one statement accumulates and another one moves are left out: the tree has to
    be inside of everything else.
    """
    known = reductions(program)
    names = {*program.arrays, *(s.name for s in program.statements)}
    found: list[Sum] = []
    for name in statements:
        reduction = known.get(name)
        if reduction is None or not may_reassociate(program, reduction, fast_math):
            continue
        array = reduction.accumulator.array
        if _uses(program, statements, array) != 2 or any(n.endswith(SUFFIX) for n in names):
            continue
        loops = tuple(b for b in band if _stays(program, name, reduction.accumulator, b))
        found.append(Sum(name, loops, reduction.op, array))
    common = tuple(b for b in band if all(b in s.loops for s in found))
    return tuple(replace(s, loops=common) for s in found if common)


def _stays(program: PolyProgram, statement: str, accumulator: Access, loop: str) -> bool:
    """Whether the element is the same in all iterations of a loop, the other loops standing still."""
    loops = {node.name: node.expr(statement) for node in program.loops(statement)}
    subscripts = [s for s in accumulator.subscripts if isinstance(s, Affine)]
    if not any(s.variables & loops[loop].variables for s in subscripts):
        return True
    body = program.statement(statement)
    others = [expression for name, expression in loops.items() if name != loop]
    point = _function(body, others).reverse()
    elements = point.apply_range(_function(body, subscripts))
    return bool(elements.is_single_valued())


def _function(statement: PolyStatement, expressions: Sequence[Affine]) -> isl.Map:
    instances = domain(statement)
    target = isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, len(expressions))
    found = isl.MultiAff.zero(instances.get_space().map_from_domain_and_range(target))
    for position, expression in enumerate(expressions):
        found = found.set_aff(position, affine(statement, expression))
    return isl.Map.from_multi_aff(found).intersect_domain(instances)


def _uses(program: PolyProgram, statements: tuple[str, ...], array: str) -> int:
    """How often the statements name an array."""
    count = 0
    for name in statements:
        body = program.statement(name).body
        if not isinstance(body, Assign):
            return 0
        count += (body.target.array == array) + sum(a.array == array for a in body.reads)
    return count


@dataclass(frozen=True, slots=True)
class Lanes:
    """A loop that is unrolled: the band loop, what is left of it in the schedule, its iterations."""

    loop: str
    name: str
    count: int


def tree_primitives(
    sums: Sequence[Sum], handle: str, part: str, lanes: Sequence[Lanes], is_pipelined: bool
) -> list[PolyPass]:
    """The trees of one part of a nest.

    Parameters
    ----------
    sums : sequence of Sum
    handle, part : str
        The nest's first statement, and the copy of it in this part.
    lanes : sequence of Lanes
        The unrolled loops, which are the innermost ones; those of the sums last.
    is_pipelined : bool
        Whether a pipelined loop is around them, which unrolls what the trees add.
    """
    found: list[PolyPass] = []
    for each in sums:
        statement = name = part if each.statement == handle else each.statement
        for lane in reversed(lanes):
            if lane.count < 2 or lane.loop not in each.loops:
                continue
            partial = f"{name}_{lane.name}_{SUFFIX}"
            # floats are in `sums` with fast_math only
            found.append(InterleaveReduction(statement, lane.name, lane.count, True, partial, True))
            found.append(PartitionArray(partial, 1, "complete"))
            if not is_pipelined:
                found += _unrolled_levels(partial, lane)
            statement = f"{partial}_sum"
    return found


def _unrolled_levels(partial: str, lane: Lanes) -> list[PolyPass]:
    found: list[PolyPass] = []
    level, count = 0, lane.count
    while count > 1:
        half = (count + 1) // 2
        if count - half > 1:
            found.append(Unroll(f"{partial}_level{level}", f"{lane.name}p", 0))
        count, level = half, level + 1
    return found
