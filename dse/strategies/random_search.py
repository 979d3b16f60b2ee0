"""Random designs: what any strategy has to beat."""

from __future__ import annotations

import random

from pom.dse.search import Search
from pom.dse.strategies.candidates import DesignSpace


class RandomSearch:
    """Draws a variant, then a candidate for each nest, uniformly.

    Parameters
    ----------
    evaluations : int
    seed : int
    """

    name = "random"

    def __init__(self, evaluations: int = 200, seed: int = 0) -> None:
        self.evaluations = evaluations
        self.seed = seed

    def run(self, search: Search) -> bool:
        rng = random.Random(self.seed)
        space = DesignSpace.of(search)
        search.lower_bound = space.lower_bound
        search.phase = "random designs"
        variants = [v for v in space.variants if all(space.shape(v)) and v.candidates]
        for _ in range(self.evaluations if variants else 0):
            if search.is_out_of_time:
                break
            variant = rng.choice(variants)
            coordinates = tuple(rng.randrange(n) for n in space.shape(variant))
            search.evaluate([(space.plan(variant, coordinates), "")])
        return False
