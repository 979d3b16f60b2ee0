"""Statement domains and program order of a level-1 kernel, as isl texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pom.dsl.ranges import Interval, loop_interval
from pom.ir.graph import For, Kernel, Node, Statement, When


@dataclass(frozen=True, slots=True)
class Instances:
    """A statement with its iterators, the isl text of its constraints, and its position.

    `order` is its 2d+1 schedule: positions and iterator names in turn.
    """

    statement: Statement
    iterators: tuple[str, ...]
    constraints: tuple[str, ...]
    order: tuple[str, ...]

    def set_text(self, extra: Sequence[str] = ()) -> str:
        """The domain, with further constraints."""
        condition = " and ".join((*self.constraints, *extra)) or "true"
        return f"{{ {self.statement.name}[{', '.join(self.iterators)}] : {condition} }}"

    def map_text(self, range_text: str, extra: Sequence[str] = ()) -> str:
        """``{ S[iterators] -> range : domain and extra }``."""
        condition = " and ".join((*self.constraints, *extra)) or "true"
        space = f"{self.statement.name}[{', '.join(self.iterators)}]"
        return f"{{ {space} -> {range_text} : {condition} }}"


def instances(kernel: Kernel) -> tuple[Instances, ...]:
    """Every statement of `kernel` in program order."""
    found: list[Instances] = []
    _visit(kernel.body, (), (), (), found)
    return tuple(found)


def _visit(
    nodes: tuple[Node, ...],
    iterators: tuple[str, ...],
    constraints: tuple[str, ...],
    order: tuple[str, ...],
    found: list[Instances],
) -> None:
    for position, node in enumerate(nodes):
        here = (*order, str(position))
        match node:
            case For():
                inner = (*iterators, node.var)
                _visit(
                    node.body, inner, constraints + loop_constraints(node), (*here, node.var), found
                )
            case When():
                # A guard is no dim of the order, but its children need positions of their own.
                _visit(
                    node.body,
                    iterators,
                    constraints + tuple(map(str, node.constraints)),
                    (*here, "0"),
                    found,
                )
            case _:
                found.append(Instances(node, iterators, constraints, here))


def loop_constraints(loop: For) -> tuple[str, ...]:
    """The constraints that a loop puts on its variable."""
    texts = [f"{loop.var} >= {lower}" for lower in loop.lowers]
    texts += [f"{loop.var} < {upper}" for upper in loop.uppers]
    if loop.step > 1:
        texts.append(f"({loop.var} - ({loop.lowers[0]})) mod {loop.step} = 0")
    return tuple(texts)


def ranges_around(around: Sequence[For | When]) -> dict[str, Interval] | None:
    """Ranges of the loop variables; None where a loop is surely empty."""
    ranges: dict[str, Interval] = {}
    for node in around:
        if isinstance(node, For):
            low, high = loop_interval(node.lowers, node.uppers, ranges)
            if low > high:
                return None
            ranges[node.var] = (low, high)
    return ranges
