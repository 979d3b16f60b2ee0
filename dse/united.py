"""Nests that compute the same in different instances, as one nest.

Distributed, the update of a factorisation may be in several nests: left and right of the diagonal,
say, because the kernel divides on one side only. Each would be built with lanes of its own, which
share operators but not what feeds them. United, there is one nest, often a box for every iteration of
the loops around it, and one set of copies of what it reads.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from pom.dse.outward import Chain, find_chains
from pom.errors import PomError
from pom.ir.expr import Apply, walk
from pom.ir.graph import Assign
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.isl_build import domain
from pom.passes.poly_after import After
from pom.passes.poly_unite import Unite


def united(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    """`After` and `Unite` for every two nests of one statement that can be one.

    Only where the instances of both are convex together: others would need guards.
    """
    found: list[PolyPass] = []
    for one, other in combinations(_alone(program), 2):
        there = {s.name for s in program.statements}
        if {one, other} <= there and _uses(program, one) == _uses(program, other):
            steps = (After(other, one, program.loops(one)[-1].name, fast_math), Unite(one, other))
            result = program
            try:
                for step in steps:
                    result = step.run(result)
            except PomError:
                continue
            if domain(result.statement(one)).coalesce().n_basic_set() == 1:
                program = result
                found += steps
    return tuple(found)


def _alone(program: PolyProgram) -> list[str]:
    """Statements that are a nest."""
    chains: list[Chain] = list(find_chains(program.schedule))
    return [c.statements[0] for c in chains if len(c.statements) == 1]


def _uses(program: PolyProgram, name: str) -> tuple[object, ...]:
    """What two statements that compute the same have in common, whatever their loops are called."""
    body = program.statement(name).body
    if not isinstance(body, Assign):
        return (name,)
    operators = Counter(e.op for e in walk(body.value) if isinstance(e, Apply))
    arrays = Counter(access.array for access in body.reads)
    return body.target.array, operators, arrays, len(program.loops(name))
