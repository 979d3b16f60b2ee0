"""Every design of a small space."""

from __future__ import annotations

from itertools import islice, product
from math import prod

from pom.dse.search import Search
from pom.dse.strategies.candidates import DesignSpace
from pom.errors import PomError


class Exhaustive:
    """Evaluates all designs, in a fixed order; for small spaces, and to check other strategies.

    Parameters
    ----------
    most : int
        Larger spaces are refused.
    """

    name = "exhaustive"

    def __init__(self, most: int = 20_000) -> None:
        self.most = most

    def run(self, search: Search) -> bool:
        """Evaluate every design.

        Raises
        ------
        PomError
            POM-X142 the space is too large.
        """
        space = DesignSpace.of(search)
        size = sum(prod(space.shape(v)) for v in space.variants)
        if size > self.most:
            raise PomError(
                "POM-X142",
                f"the space has {size} designs, more than the {self.most} that are tried one by one",
                hint="search it with --strategy exact, or set lower limits",
            )
        search.lower_bound = space.lower_bound
        for variant in space.variants:
            search.phase = variant.structure.name
            places = product(*(range(n) for n in space.shape(variant)))
            while group := list(islice(places, search.batch)):
                if search.is_out_of_time:
                    return False
                search.evaluate([(space.plan(variant, place), "") for place in group])
        if search.best is not None:
            search.lower_bound = search.best.latency_cycles
        return True
