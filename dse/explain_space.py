"""How large the design space of a kernel is, dimension by dimension."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pom.dse.evaluation import Evaluator
from pom.dse.problem import Problem
from pom.dse.space import Variant, implementation_choices, make_variant
from pom.dse.structures import find_structures


@dataclass(frozen=True, slots=True)
class NestSpace:
    """One nest: its loops, and how many ways there are to run it.

    Parameters
    ----------
    statement : str
        Handle of the nest.
    loops : tuple of (name, extent)
    orders : int
        Legal orders of the loops.
    parallelisations : int
        Unroll factors within the operators' budget, over all orders and implementations.
    """

    statement: str
    loops: tuple[tuple[str, int], ...]
    orders: int
    parallelisations: int


@dataclass(frozen=True, slots=True)
class StructureSpace:
    """One structural variant.

    Parameters
    ----------
    name : str
    primitives : tuple of str
        What makes it, after the kernel as written.
    implementations : int
        Choices of DSP blocks or fabric for the operators.
    nests : tuple of NestSpace
    designs : float
        Whole designs: the parallelisations of the nests multiplied, over all implementations.
    lower_bound : float
        No design of it has fewer cycles.
    """

    name: str
    primitives: tuple[str, ...]
    implementations: int
    nests: tuple[NestSpace, ...]
    designs: float
    lower_bound: float


@dataclass(frozen=True, slots=True)
class SpaceExplanation:
    """The space of a problem."""

    kernel: str
    device: str
    structures: tuple[StructureSpace, ...]

    @property
    def designs(self) -> float:
        return sum(s.designs for s in self.structures)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "designs": self.designs}

    def text(self) -> str:
        """As text for people."""
        lines = [f"{self.kernel} on {self.device}: {_count(self.designs)} designs"]
        for s in self.structures:
            lines += [
                (
                    f"structure {s.name}: {_count(s.designs)} designs, none below "
                    f"{s.lower_bound:,.0f} cycles"
                ),
                f"  operator implementations  {s.implementations}",
            ]
            lines += [f"  made by                   {p}" for p in s.primitives]
            for nest in s.nests:
                loops = " ".join(f"{name}={extent}" for name, extent in nest.loops)
                lines.append(
                    f"  nest {nest.statement:<20} {loops}: {nest.orders} orders, "
                    f"{nest.parallelisations:,} parallelisations in all"
                )
        lines.append("array partitions follow from the accesses of a design's lanes")
        return "\n".join(lines)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 1e9 else f"{value:.2e}"


def explain_space(problem: Problem) -> SpaceExplanation:
    """Measure the space, as the exact strategy enumerates it."""
    local = Evaluator(problem)
    found = []
    for structure in find_structures(local.program, problem.fast_math):
        variants = [
            make_variant(problem, local.library, structure, implementations)
            for implementations in implementation_choices(local.library, structure)
        ]
        nests = tuple(
            NestSpace(
                nest.handle,
                tuple((loop.name, loop.extent) for loop in nest.band),
                len(nest.orders),
                sum(_choices(v, index) for v in variants),
            )
            for index, nest in enumerate(structure.nests)
        )
        found.append(
            StructureSpace(
                structure.name,
                tuple(map(str, structure.primitives)),
                len(variants),
                nests,
                sum(_designs(v) for v in variants),
                min(v.bound for v in variants),
            )
        )
    return SpaceExplanation(problem.kernel.name, problem.device.name, tuple(found))


def _choices(variant: Variant, index: int) -> int:
    return sum(len(c.bound) for c in variant.candidates[index][1])


def _designs(variant: Variant) -> float:
    product = 1.0
    for index in range(len(variant.candidates)):
        product *= max(_choices(variant, index), 1)
    return product
