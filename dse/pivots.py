"""Statements cut where what they read of their own array becomes what they write.

In ``A[i,j] = min(A[i,j], A[i,k] + A[k,j])`` the row and the column ``k`` change in the iteration in
which all others read them. No loop inside ``k`` is free as it stands. Cut at ``i = k`` and ``j = k``,
the statement is nine: the pivot, the row and the column on either side of it, and four blocks whose
elements are independent.
"""

from __future__ import annotations

from pom.errors import PomError
from pom.ir.affine import Affine
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_distribute_all import carrying_loops
from pom.passes.poly_peel import Peel


def pivot_cuts(program: PolyProgram) -> tuple[PolyPass, ...]:
    """`Peel` primitives for the statements that have no free loop; none where that is no help."""
    carried = carrying_loops(program)
    found: list[PolyPass] = []
    for statement in program.statements:
        loops = [loop.name for loop in program.loops(statement.name)]
        if all((statement.name, loop) in carried for loop in loops):
            parts = [statement.name]
            for inner, outer in _pivots(program, statement.name):
                for part in tuple(parts):
                    cuts = _at(part, inner, outer)
                    try:
                        for cut in cuts:
                            program = cut.run(program)
                    except PomError:
                        # the loops never meet, so nothing is cut
                        continue
                    found += cuts
                    parts += [cut.rest for cut in cuts]
    return tuple(found)


def _at(statement: str, inner: str, outer: str) -> tuple[Peel, Peel]:
    """Before, at and after the iteration in which `inner` is where `outer` is."""
    at, after = f"{statement}_at_{inner}", f"{statement}_after_{inner}"
    return Peel(statement, inner, 0, at, outer), Peel(at, inner, 1, after, outer)


def _pivots(program: PolyProgram, name: str) -> list[tuple[str, str]]:
    """Pairs of an inner and an outer loop whose values, where equal, make a read meet the target."""
    body = program.statement(name).body
    if not isinstance(body, Assign):
        return []
    order = [loop.name for loop in program.loops(name)]
    iterators = {loop.expr(name): loop.name for loop in program.loops(name)}
    found: dict[tuple[str, str], None] = {}
    for access in body.reads:
        if access.array != body.target.array:
            continue
        for read, written in zip(access.subscripts, body.target.subscripts, strict=True):
            if not (isinstance(read, Affine) and isinstance(written, Affine)):
                continue
            one, other = iterators.get(read), iterators.get(written)
            if one is not None and other is not None and one != other:
                inner, outer = sorted((one, other), key=order.index, reverse=True)
                found[inner, outer] = None
    return sorted(found, key=lambda pair: order.index(pair[0]))
