"""Whole designs by coordinates, for the strategies that do not reason about nests."""

from __future__ import annotations

from dataclasses import dataclass

from pom.dse.plan import NestPlan, Plan
from pom.dse.realise import with_partitions
from pom.dse.search import Search
from pom.dse.space import Variant, problem_variants


@dataclass(frozen=True, slots=True)
class DesignSpace:
    """The variants of a problem; a design is a variant and one candidate per nest."""

    variants: tuple[Variant, ...]

    @classmethod
    def of(cls, search: Search) -> DesignSpace:
        return cls(problem_variants(search.problem, search.local))

    @property
    def lower_bound(self) -> float:
        """No design is faster."""
        return min((v.bound for v in self.variants), default=0.0)

    def shape(self, variant: Variant) -> tuple[int, ...]:
        """How many candidates each nest has."""
        return tuple(sum(len(c.bound) for c in lists) for _, lists in variant.candidates)

    def plan(self, variant: Variant, coordinates: tuple[int, ...]) -> Plan:
        """The design whose nest `n` is candidate ``coordinates[n]``, counted through its orders."""
        nests = []
        for (nest, lists), position in zip(variant.candidates, coordinates, strict=True):
            for chosen in lists:
                if position < len(chosen.bound):
                    factors = tuple(int(f) for f in chosen.factors[position])
                    tile = int(chosen.tile[position])
                    nests.append(NestPlan(nest.handle, chosen.order, factors, tile=tile))
                    break
                position -= len(chosen.bound)
        structure = variant.structure
        plan = Plan(structure.name, tuple(nests), (), variant.implementations)
        return with_partitions(structure.program, structure.nests, plan)
