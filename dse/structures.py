"""Structural variants of a kernel: different loop nests that compute the same, to parallelise.

Each is a list of primitives that the polyhedral engine has proved legal. They have names, so that
a plan can say which it means, and are derived again from the kernel wherever they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pom.dse.nests import BandLoop, Nest, find_nests
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_dependence_aware import DependenceAware
from pom.passes.poly_distribute import Distribute
from pom.passes.poly_peel import Peel
from pom.passes.poly_reduction import InterleaveReduction
from pom.passes.poly_split import Split

INTERLEAVED = 16
"""Partial results of a sum without a parallel loop; no adder of a device has more stages."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A variant: the primitives that make it, the program and its nests."""

    name: str
    primitives: tuple[PolyPass, ...]
    program: PolyProgram
    nests: tuple[Nest, ...]


def _written(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    return ()


def _dependence_aware(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    return DependenceAware().primitives(program)


def _auto(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    return (AutoSchedule(),)


def _interleaved(program: PolyProgram, fast_math: bool) -> tuple[PolyPass, ...]:
    """Sums without a parallel loop get one: neighbours go to partial results of their own."""
    found: list[PolyPass] = list(DependenceAware().primitives(program))
    for primitive in found:
        program = primitive.run(program)
    count = len(found)
    for nest in find_nests(program, fast_math):
        loop = nest.band[-1]
        names = {b.name for b in nest.band}
        if len(nest.statements) > 1 or loop.extent < 2 * INTERLEAVED:
            continue
        found += [p for s in nest.sums if {*s.loops} == names for p in _in_turn(s.statement, loop)]
    if len(found) == count:
        raise PomError("POM-X131", "no sum is without a parallel loop")
    return tuple(found)


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


_MAKERS: dict[str, Callable[[PolyProgram, bool], tuple[PolyPass, ...]]] = {
    "written": _written,
    "dependence-aware": _dependence_aware,
    "auto-schedule": _auto,
    "interleaved": _interleaved,
}


def make_structure(name: str, program: PolyProgram, fast_math: bool = False) -> Structure:
    """The variant `name` of a program.

    Raises
    ------
    PomError
        The variant does not exist for this program.
    """
    primitives = _MAKERS[name](program, fast_math)
    result = program
    for primitive in primitives:
        result = primitive.run(result)
    return Structure(name, primitives, result, find_nests(result, fast_math))


def find_structures(program: PolyProgram, fast_math: bool = False) -> tuple[Structure, ...]:
    """Every variant, those with the same schedule once."""
    found: list[Structure] = []
    for name in _MAKERS:
        try:
            structure = make_structure(name, program, fast_math)
        except PomError:
            continue
        if all(s.program.schedule != structure.program.schedule for s in found):
            found.append(structure)
    return tuple(found)
