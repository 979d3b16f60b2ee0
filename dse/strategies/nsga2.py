"""NSGA-II (Deb et al., 2002) over the same space, by pymoo: for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from pom.dse.plan import Plan
from pom.dse.search import Search
from pom.dse.strategies.candidates import DesignSpace
from pom.errors import PomError

REFUSED_CYCLES = 1e18


class Nsga2:
    """Latency, LUT and DSP as objectives; the limits as constraints.

    A gene is a number from 0 to 1: the first chooses the variant, the others a candidate per nest.

    Parameters
    ----------
    population, generations, seed : int
    """

    name = "nsga2"

    def __init__(self, population: int = 16, generations: int = 12, seed: int = 0) -> None:
        self.population = population
        self.generations = generations
        self.seed = seed

    def run(self, search: Search) -> bool:
        """Search by evolution.

        Raises
        ------
        PomError
            POM-X141 pymoo is not installed.
        """
        try:
            from pymoo.algorithms.moo.nsga2 import NSGA2
            from pymoo.core.problem import Problem as PymooProblem
        except ImportError:
            raise PomError(
                "POM-X141",
                "--strategy nsga2 needs the package pymoo",
                hint="pip install 'pom[nsga2]', or use --strategy exact",
            ) from None
        space = DesignSpace.of(search)
        search.lower_bound = space.lower_bound
        search.phase = "evolution"
        genes = 1 + max((len(v.candidates) for v in space.variants), default=0)
        algorithm = NSGA2(pop_size=self.population)
        algorithm.setup(
            PymooProblem(n_var=genes, n_obj=3, n_ieq_constr=5, xl=0.0, xu=1.0),
            seed=self.seed,
            verbose=False,
        )
        for _ in range(self.generations):
            if search.is_out_of_time:
                break
            population = algorithm.ask()
            answers = search.evaluate([(_decode(space, x), "") for x in population.get("X")])
            population.set("F", np.array([_objectives(a) for a in answers]))
            population.set("G", np.array([_excess(search, a) for a in answers]))
            algorithm.tell(infills=population)
        return False


def _decode(space: DesignSpace, genes: Any) -> Plan:
    variant = space.variants[_index(genes[0], len(space.variants))]
    shape = space.shape(variant)
    return space.plan(
        variant, tuple(_index(g, n) for g, n in zip(genes[1 : 1 + len(shape)], shape, strict=True))
    )


def _index(gene: float, count: int) -> int:
    return min(int(gene * count), count - 1)


def _objectives(answer: Any) -> tuple[float, float, float]:
    if answer.is_refused:
        return REFUSED_CYCLES, REFUSED_CYCLES, REFUSED_CYCLES
    return answer.latency_cycles, float(answer.resources.lut), float(answer.resources.dsp)


def _excess(search: Search, answer: Any) -> list[float]:
    limits = dict(search.problem.limits.items())
    if answer.is_refused:
        return [1.0] * len(limits)
    return [amount / max(limits[name], 1) - 1.0 for name, amount in answer.resources.items()]
