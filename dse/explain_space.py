"""How large the design space of a kernel is, dimension by dimension."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pom.dse.bounds import Candidates
from pom.dse.evaluation import Evaluator
from pom.dse.problem import Problem
from pom.dse.space import Variant, problem_variants
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
    factors : tuple of (name, count)
        Different numbers of lanes per loop, divisors of its extent and others.
    parallelisations : int
        Unroll factors within the operators' budget, over all orders and implementations.
    trees : tuple of str
        Loops whose lanes are combined by a tree of operators instead of a chain.
    """

    statement: str
    loops: tuple[tuple[str, int], ...]
    orders: int
    factors: tuple[tuple[str, int], ...]
    parallelisations: int
    trees: tuple[str, ...]


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
    overlap : int
        The most nests that run at a time as a dataflow region; 0 where it cannot be one.
    nests : tuple of NestSpace
    designs : float
        Whole designs: the parallelisations of the nests multiplied, over all implementations, and
        twice where nests may overlap.
    lower_bound : float
        No design of it has fewer cycles.
    """

    name: str
    primitives: tuple[str, ...]
    implementations: int
    overlap: int
    nests: tuple[NestSpace, ...]
    designs: float
    lower_bound: float


@dataclass(frozen=True, slots=True)
class SpaceExplanation:
    """The space of a problem; `left_out` names structures that add no design worth a look."""

    kernel: str
    device: str
    structures: tuple[StructureSpace, ...]
    left_out: tuple[str, ...] = ()

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
                f"  overlap as dataflow       {_overlap(s.overlap)}",
            ]
            lines += [f"  made by                   {p}" for p in s.primitives]
            for nest in s.nests:
                loops = " ".join(f"{name}={extent}" for name, extent in nest.loops)
                lanes = " ".join(f"{name}:{count}" for name, count in nest.factors)
                lines.append(
                    f"  nest {nest.statement:<20} {loops}: {nest.orders} orders, lanes {lanes}, "
                    f"{nest.parallelisations:,} parallelisations in all"
                )
                if nest.trees:
                    lines.append(f"{'':28}lanes along {', '.join(nest.trees)} are summed by a tree")
        if self.left_out:
            lines.append(f"left out, not expected to be faster: {', '.join(self.left_out)}")
        lines.append("array partitions follow from the accesses of a design's lanes")
        return "\n".join(lines)


def _overlap(tasks: int) -> str:
    match tasks:
        case 0:
            return (
                "no: nests share an argument, or a local array has no single producer and consumer"
            )
        case 1:
            return "no: each nest waits for the one before"
    return f"yes, {tasks} nests at a time"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 1e9 else f"{value:.2e}"


def explain_space(problem: Problem) -> SpaceExplanation:
    """Measure the space, as the exact strategy enumerates it."""
    local = Evaluator(problem)
    by_structure: dict[str, list[Variant]] = {}
    for variant in problem_variants(problem, local):
        by_structure.setdefault(variant.structure.name, []).append(variant)
    known = [s.name for s in find_structures(local.program, problem.fast_math)]
    return SpaceExplanation(
        problem.kernel.name,
        problem.device.name,
        tuple(_structure(by_structure[name]) for name in known if name in by_structure),
        tuple(name for name in known if name not in by_structure),
    )


def _structure(variants: list[Variant]) -> StructureSpace:
    first = variants[0]
    nests = tuple(
        NestSpace(
            nest.handle,
            tuple((loop.name, loop.extent) for loop in nest.band),
            len(nest.orders),
            tuple((loop.name, _factors(lists[0], loop.name)) for loop in nest.band),
            sum(_choices(v, index) for v in variants),
            tuple(dict.fromkeys(loop for each in nest.sums for loop in each.loops)),
        )
        for index, (nest, lists) in enumerate(first.candidates)
    )
    overlap = first.overlap.width if first.overlap else 0
    return StructureSpace(
        first.structure.name,
        tuple(map(str, first.structure.primitives)),
        len(variants),
        overlap,
        nests,
        sum(_designs(v) for v in variants) * (2 if overlap > 1 else 1),
        min(v.bound for v in variants),
    )


def _factors(candidates: Candidates, loop: str) -> int:
    return len(set(candidates.factors[:, candidates.order.index(loop)].tolist()))


def _choices(variant: Variant, index: int) -> int:
    return sum(len(c.bound) for c in variant.candidates[index][1])


def _designs(variant: Variant) -> float:
    product = 1.0
    for index in range(len(variant.candidates)):
        product *= max(_choices(variant, index), 1)
    return product
