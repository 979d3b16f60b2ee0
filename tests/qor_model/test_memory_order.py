"""Constraints that follow from others are dropped, and nothing may start earlier for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pom.qor_model.expand import Node
from pom.qor_model.memory_order import drop_implied
from pom.qor_model.region import F32, Op, OpKind

Edges = list[list[tuple[int, int]]]


@st.composite
def orders(draw: st.DrawFn) -> Edges:
    count = draw(st.integers(2, 10))
    return [
        draw(
            st.lists(
                st.tuples(st.integers(0, index - 1), st.integers(0, 2)),
                max_size=6,
                unique_by=lambda edge: edge[0],
            )
        )
        if index
        else []
        for index in range(count)
    ]


def _nodes(edges: Edges) -> list[Node]:
    return [Node(Op(n, OpKind.LOAD, F32), 0, [], after=[*a]) for n, a in enumerate(edges)]


def _distances(nodes: list[Node]) -> list[list[int | None]]:
    """Cycles that each pair of nodes is apart at the least."""
    found: list[list[int | None]] = []
    for first in range(len(nodes)):
        apart: list[int | None] = [None] * len(nodes)
        apart[first] = 0
        for index in range(first + 1, len(nodes)):
            ways = [d + gap for p, gap in nodes[index].after if (d := apart[p]) is not None]
            apart[index] = max(ways, default=None)
        found.append(apart)
    return found


@given(orders())
def test_what_was_dropped_still_holds(
    edges: Edges,
) -> None:
    nodes = _nodes(edges)
    drop_implied(nodes)
    for node, before in zip(nodes, edges, strict=True):
        assert {*node.after} <= {*before}
    after = _distances(nodes)
    for index, before in enumerate(edges):
        for place, gap in before:
            found = after[place][index]
            assert found is not None
            assert found >= gap


def test_a_chain_of_stores_keeps_its_links_only() -> None:
    edges: Edges = [[(p, 1) for p in range(n)] for n in range(6)]
    nodes = _nodes(edges)
    drop_implied(nodes)
    assert [node.after for node in nodes] == [[], *([(n - 1, 1)] for n in range(1, 6))]


def test_a_gap_that_the_way_round_does_not_give_is_kept() -> None:
    nodes = _nodes([[], [(0, 0)], [(0, 1), (1, 0)]])
    drop_implied(nodes)
    assert nodes[2].after == [(0, 1), (1, 0)]
