"""Structural variants of a kernel: different loop nests that compute the same, to parallelise.

Each is a list of primitives that the polyhedral engine has proved legal. They have names, so that
a plan can say which it means, and are derived again from the kernel wherever they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pom.dse.commuted import commuted
from pom.dse.nests import BandLoop, Nest, find_nests
from pom.dse.outward import MUCH_MORE, outward, sequential_work
from pom.dse.pivots import pivot_cuts
from pom.dse.private_arrays import private_arrays, regrets
from pom.dse.read_buffers import read_buffers, whole_copies
from pom.dse.united import united
from pom.errors import PomError
from pom.ir.poly import PolyProgram, walk_loops
from pom.passes.base import PolyPass
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_dependence_aware import DependenceAware
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_peel import Peel
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_split import Split

INTERLEAVED = 16
"""Partial results of a sum without a parallel loop; no adder of a device has more stages."""
STEEP = 8
"""From a larger coefficient on, a loop over a sum of iterators is not a wavefront but loops in a row."""


_Made = tuple[tuple[PolyPass, ...], PolyProgram]
"""Primitives, and the program that they make."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A variant: the primitives that make it, the program and its nests."""

    name: str
    primitives: tuple[PolyPass, ...]
    program: PolyProgram
    nests: tuple[Nest, ...]


def _written(program: PolyProgram, fast_math: bool) -> _Made:
    return (), program


@lru_cache(maxsize=4)
def _dependence_aware(program: PolyProgram, fast_math: bool) -> _Made:
    return _run(program, DependenceAware().primitives(program))


def _auto(program: PolyProgram, fast_math: bool) -> _Made:
    return _run(program, (AutoSchedule(),))


def _distributed(program: PolyProgram, fast_math: bool) -> _Made:
    """Loops cut as far as possible, after the loops were put in the order that leaves most free."""
    return _apart(program, lambda apart: _cut(apart, fast_math))


def _apart(program: PolyProgram, make: Callable[[PolyProgram], _Made]) -> _Made:
    """What is made of a program whose local arrays share no storage; of those that are accumulators,
    where it pays."""
    first, apart = _private(program)
    primitives, result = make(apart)
    kept = regrets(result, first)
    if kept:
        first, apart = _private(program, kept)
        primitives, result = make(apart)
    return (*first, *primitives), result


@lru_cache(maxsize=4)
def _private(program: PolyProgram, kept: frozenset[str] = frozenset()) -> _Made:
    return _run(program, private_arrays(program, kept))


def _cut(program: PolyProgram, fast_math: bool) -> _Made:
    primitives, result = _run(program, outward(program, fast_math))
    same, result = _run(result, united(result, fast_math))
    copies, result = _run(result, read_buffers(result, fast_math))
    return (*primitives, *same, *copies), result


def _distributed_anew(program: PolyProgram, fast_math: bool) -> _Made:
    """The same from isl's schedule, whose loops can be permuted where those written cannot."""

    def make(apart: PolyProgram) -> _Made:
        first, scheduled = _run(apart, (AutoSchedule(local=False),))
        if _steepest(scheduled) > STEEP:
            raise PomError("POM-X135", "the schedule puts the iterations of loops end to end")
        primitives, result = _cut(scheduled, fast_math)
        return (*first, *primitives), result

    return _apart(program, make)


def _steepest(program: PolyProgram) -> int:
    """The largest coefficient of an iterator in a loop."""
    values = (value for loop in walk_loops(program.schedule) for _, value in loop.exprs)
    return max((abs(by) for value in values for _, by in value.terms), default=0)


def _copied(program: PolyProgram, fast_math: bool) -> _Made:
    """Values that the program was given are read from a copy, then distributed."""
    copies, copied = _run(program, whole_copies(program))
    if not copies:
        raise PomError("POM-X133", "no statement reads elements of its array that it was given")
    primitives, result = _distributed(copied, fast_math)
    return (*copies, *primitives), result


def _commuted(program: PolyProgram, fast_math: bool) -> _Made:
    """Updates that wait for their neighbours come behind those that do not, then distributed."""
    moves, moved = _run(program, commuted(program))
    if not moves:
        raise PomError("POM-X134", "no update that waits is in front of others that do not")
    primitives, result = _distributed(moved, fast_math)
    return (*moves, *primitives), result


def _pivoted(program: PolyProgram, fast_math: bool) -> _Made:
    """Statements cut where loops meet, then distributed."""

    def make(apart: PolyProgram) -> _Made:
        cuts, parts = _run(apart, pivot_cuts(apart))
        if not cuts:
            raise PomError("POM-X132", "no statement reads what it changes at a pivot")
        primitives, result = _cut(parts, fast_math)
        return (*cuts, *primitives), result

    return _apart(program, make)


def _interleaved(program: PolyProgram, fast_math: bool) -> _Made:
    """Sums without a parallel loop get one: neighbours go to partial results of their own."""
    first, program = _dependence_aware(program, fast_math)
    found: list[PolyPass] = []
    for nest in find_nests(program, fast_math):
        loop = nest.band[-1]
        names = {b.name for b in nest.band}
        if len(nest.statements) > 1 or loop.extent < 2 * INTERLEAVED:
            continue
        found += [p for s in nest.sums if {*s.loops} == names for p in _in_turn(s.statement, loop)]
    if not found:
        raise PomError("POM-X131", "no sum is without a parallel loop")
    primitives, result = _run(program, tuple(found))
    return (*first, *primitives), result


def _run(program: PolyProgram, primitives: tuple[PolyPass, ...]) -> _Made:
    for primitive in primitives:
        program = primitive.run(program)
    return primitives, program


def _in_turn(statement: str, loop: BandLoop) -> list[PolyPass]:
    """What is left over when the partial results have had equally many values has its own nest."""
    found: list[PolyPass] = []
    name, rest = loop.name, loop.extent % INTERLEAVED
    if rest:
        found.append(Peel(statement, name, loop.maximum + 1 - rest, f"{statement}_rest"))
        found.append(Distribute(f"{statement}_rest", name, True))
    # sums of floats are found with fast_math only
    return [
        *found,
        InterleaveReduction(statement, name, INTERLEAVED, fast_math=True),
        Split(statement, name, INTERLEAVED, (f"{name}b", f"{name}p")),
    ]


_MAKERS: dict[str, Callable[[PolyProgram, bool], _Made]] = {
    "written": _written,
    "dependence-aware": _dependence_aware,
    "auto-schedule": _auto,
    "distributed": _distributed,
    "distributed-anew": _distributed_anew,
    "pivoted": _pivoted,
    "copied": _copied,
    "commuted": _commuted,
    "interleaved": _interleaved,
}


def make_structure(name: str, program: PolyProgram, fast_math: bool = False) -> Structure:
    """The variant `name` of a program.

    Raises
    ------
    PomError
        The variant does not exist for this program.
    """
    primitives, result = _MAKERS[name](program, fast_math)
    return Structure(name, primitives, result, find_nests(result, fast_math))


def find_structures(program: PolyProgram, fast_math: bool = False) -> tuple[Structure, ...]:
    """Every variant, those with the same schedule once.

    isl's scheduler takes long to keep dependences short, which matters to caches: it is asked where
    the other variants leave about as much to do in sequence as the kernel as it is written.
    """
    found: list[Structure] = []
    for name in sorted(_MAKERS, key=lambda name: name == "auto-schedule"):
        if name == "auto-schedule" and _is_much_better(found, fast_math):
            continue
        try:
            structure = make_structure(name, program, fast_math)
        except PomError:
            continue
        if all(s.program.schedule != structure.program.schedule for s in found):
            found.append(structure)
    return tuple(found)


def _is_much_better(found: list[Structure], fast_math: bool) -> bool:
    """Whether the best variant leaves far less to do in sequence than the first, as written."""
    work = [sequential_work(s.program, fast_math=fast_math) for s in found]
    return min(work) * MUCH_MORE < work[0]
