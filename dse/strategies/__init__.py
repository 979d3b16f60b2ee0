"""Search strategies, one file each; `STRATEGIES` has one line per strategy."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from pom.dse.search import Search
from pom.errors import PomError


class Strategy(Protocol):
    """Looks for the best design by asking `Search.evaluate`.

    A strategy leaves its best design in ``search.best`` and, where it can prove one, a lower bound
    on the latency of every design of the space in ``search.lower_bound``. It ends when
    ``search.is_out_of_time``, and returns whether it finished.
    """

    name: str

    def run(self, search: Search) -> bool:
        """Search until done or out of time; whether the space was covered."""


STRATEGIES: dict[str, str] = {
    "exact": "pom.dse.strategies.exact:Exact",
    "exhaustive": "pom.dse.strategies.exhaustive:Exhaustive",
    "nsga2": "pom.dse.strategies.nsga2:Nsga2",
    "pom": "pom.dse.strategies.pom_method:PomMethod",
    "random": "pom.dse.strategies.random_search:RandomSearch",
}


def make_strategy(name: str) -> Strategy:
    """The strategy `name`.

    Raises
    ------
    PomError
        POM-X140 there is none of that name.
    """
    if name not in STRATEGIES:
        raise PomError(
            "POM-X140",
            f"there is no strategy {name!r}",
            hint=f"one of {', '.join(sorted(STRATEGIES))}",
        )
    module, _, attribute = STRATEGIES[name].partition(":")
    strategy: Strategy = getattr(import_module(module), attribute)()
    return strategy
