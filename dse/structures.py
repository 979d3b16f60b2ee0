"""Structural variants of a kernel: different loop nests that compute the same, to parallelise.

Each is a list of primitives that the polyhedral engine has proved legal. They have names, so that
a plan can say which it means, and are derived again from the kernel wherever they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pom.dse.nests import Nest, find_nests
from pom.errors import PomError
from pom.ir.poly import PolyProgram
from pom.passes.base import PolyPass
from pom.passes.poly_auto_schedule import AutoSchedule
from pom.passes.poly_dependence_aware import DependenceAware


@dataclass(frozen=True, slots=True)
class Structure:
    """A variant: the primitives that make it, the program and its nests."""

    name: str
    primitives: tuple[PolyPass, ...]
    program: PolyProgram
    nests: tuple[Nest, ...]


def _written(program: PolyProgram) -> tuple[PolyPass, ...]:
    return ()


def _dependence_aware(program: PolyProgram) -> tuple[PolyPass, ...]:
    return DependenceAware().primitives(program)


def _auto(program: PolyProgram) -> tuple[PolyPass, ...]:
    return (AutoSchedule(),)


_MAKERS: dict[str, Callable[[PolyProgram], tuple[PolyPass, ...]]] = {
    "written": _written,
    "dependence-aware": _dependence_aware,
    "auto-schedule": _auto,
}


def make_structure(name: str, program: PolyProgram, fast_math: bool = False) -> Structure:
    """The variant `name` of a program.

    Raises
    ------
    PomError
        The variant does not exist for this program.
    """
    primitives = _MAKERS[name](program)
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
