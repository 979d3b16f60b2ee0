"""The graph of a design, made when it is first read: many models do without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pom.qor_model.banks import ArrayBanks
from pom.qor_model.body_content import Contents
from pom.qor_model.gnn.encode import EncodedDesign
from pom.qor_model.schedule_result import BodySchedule, DesignResult, LoopResult


class LazyGraph:
    """An encoded graph, or how to make it.

    Parameters
    ----------
    make : callable
        Called once, when the graph is first read.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], EncodedDesign]) -> None:
        self._make: Callable[[], EncodedDesign] | None = make
        self._made: EncodedDesign | None = None

    @property
    def graph(self) -> EncodedDesign:
        """The graph."""
        if self._made is None:
            if self._make is None:
                raise ValueError("a graph that is neither made nor can be")
            self._made = self._make()
            # what it was made from is kept no longer
            self._make = None
        return self._made


def categories(
    result: DesignResult, banks: Mapping[str, Mapping[str, ArrayBanks]], contents: Contents
) -> frozenset[str]:
    """Return the categories of the nodes that the graph of a design has, without making it.

    Parameters
    ----------
    result : DesignResult
    banks : mapping
        By function and array.
    contents : Contents
    """
    found: set[str] = set()

    def add(bodies: tuple[BodySchedule, ...], memories: Mapping[str, ArrayBanks]) -> None:
        for body in bodies:
            content = contents.of(body)
            found.update(content.kinds)
            for name in content.arrays:
                found.add("register" if memories[name].is_register else "memory")

    for timing in result.functions:
        memories = banks[timing.name]
        add(timing.schedules, memories)
        todo: list[LoopResult] = list(timing.loops)
        while todo:
            loop = todo.pop()
            found.add(loop.limit.kind)
            add(loop.schedules, memories)
            todo += loop.children
    return frozenset(str(name) for name in found)
