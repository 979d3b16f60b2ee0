"""Local copies of what nests read of arrays that they write.

A tool compares subscripts and knows nothing of the ranges of the loops: in ``A[i,j] -= A[i,k]*A[k,j]``
the element that one lane writes may be the one that the next reads, so that lanes wait for each
other, though ``k < i`` and ``k < j``. Where no iteration of a nest reads what another writes, the
reads go to a copy, made in each iteration of the loops that carry dependences.
"""

from __future__ import annotations

from math import prod

from pom.dse.outward import Chain, confusing_reads, find_chains
from pom.dse.private_arrays import MOST_BITS
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_buffer_reads import BufferReads
from pom.passes.poly_distribute_all import DistributeAll, carrying_loops
from pom.passes.poly_reorder import Reorder


def read_buffers(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    """A `BufferReads` per read that may seem to be of what another lane writes."""
    found: list[PolyPass] = []
    carried = carrying_loops(program)
    for chain in find_chains(program.schedule):
        for step in _of_nest(program, chain, carried, fast_math):
            try:
                program = step.run(program)
            except PomError:
                continue
            found.append(step)
    # loops over a single element of a copy
    return (*found, DistributeAll(fast_math)) if found else ()


def whole_copies(program: PolyProgram) -> tuple[PolyPass, ...]:
    """A `BufferReads` of the whole program per read of values that it was given.

    Such a read waits for no statement, but the writes of the same elements later on wait for it,
    which keeps loops in order; and a tool takes it for what another lane has just written.
    """
    found: list[PolyPass] = []
    for statement in program.statements:
        for array, position in confusing_reads(program, statement.name):
            declared = program.arrays[array].type
            if declared.element.width * prod(declared.shape) > MOST_BITS:
                continue
            step = BufferReads(statement.name, array, "", position)
            try:
                program = step.run(program)
            except PomError:
                continue
            found.append(step)
    return tuple(found)


def _of_nest(
    program: PolyProgram, chain: Chain, carried: frozenset[tuple[str, str]], fast_math: bool
) -> list[PolyPass]:
    names = [loop.name for loop in chain.loops]
    carrying = [loop.name for loop in chain.carrying(carried)]
    inner = [n for n in names if n not in carrying]
    around = [loop.name for loop in chain.prefix] + carrying
    if not inner or not around:
        return []
    reads = [
        BufferReads(statement, array, around[-1], position)
        for statement in chain.statements
        for array, position in confusing_reads(program, statement)
    ]
    if reads and carrying and names != [*carrying, *inner]:
        prefix = (loop.name for loop in chain.prefix)
        return [Reorder(chain.statements[0], (*prefix, *carrying, *inner), fast_math), *reads]
    return [*reads]
