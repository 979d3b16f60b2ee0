"""The design graph: what is in it, lanes folded, pictures."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom import devices
from pom.cli import run
from pom.qor_model.design_graph import DesignGraph, EdgeKind, GraphMaker, NodeKind
from pom.qor_model.graph_fold import fold
from pom.qor_model.graph_text import to_dot, to_json, to_svg
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import LoopDirectives
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.regions import array, design, dot_row, loop, scale_row


def _library() -> OperatorLibrary:
    return OperatorLibrary.for_device(devices.load("xczu9eg"), 10.0)


def _graph(lanes: int, banks: int) -> DesignGraph:
    inner = loop("j", 4096, *scale_row(), directives=LoopDirectives(True, None, lanes))
    made = design(loop("i", 4, inner), arrays=(array("C", 4, 4096, d2=banks),))
    library = _library()
    result = estimate_latency(made, library, DIRECTIVES_ONLY)
    return GraphMaker(library, DIRECTIVES_ONLY).graph(made, result)


def test_lanes_are_one_node_with_a_multiplicity() -> None:
    small, large = _graph(4, 4), _graph(64, 64)
    for graph, lanes in ((small, 4), (large, 64)):
        (region,) = graph.regions
        assert region.is_pipelined
        products = [n for n in region.nodes if n.category == "mul"]
        banks = [n for n in region.nodes if n.kind is NodeKind.BANK]
        assert sum(n.multiplicity for n in products) == lanes
        assert sum(n.multiplicity for n in banks) == lanes
    assert len(large.regions[0].nodes) == len(small.regions[0].nodes)


def test_unsplit_array_has_one_bank_that_every_lane_reaches() -> None:
    (region,) = _graph(4, 1).regions
    (bank,) = [n for n, node in enumerate(region.nodes) if node.kind is NodeKind.BANK]
    stores = [
        e for e in region.edges if e.target == bank and e.kind is EdgeKind.MEMORY
    ]  # fmt: skip
    assert region.nodes[bank].multiplicity == 1
    assert sum(e.multiplicity for e in stores) == 4


def test_a_region_that_is_not_pipelined_says_so_and_outer_loops_stay_outside() -> None:
    row = loop("i", 8, loop("j", 8, *dot_row()))
    made = design(row, arrays=(array("tmp", 8), array("A", 8, 8), array("x", 8)))
    library = _library()
    graph = GraphMaker(library).graph(made, estimate_latency(made, library, DIRECTIVES_ONLY))
    assert [r.is_pipelined for r in graph.regions] == [False]
    kinds = [n.kind for n in graph.nodes]
    assert kinds.count(NodeKind.REGION) == 1
    assert kinds.count(NodeKind.LOOP) == 1
    assert {n.label for n in graph.nodes if n.kind is NodeKind.ARRAY} == {"tmp", "A", "x"}


@given(st.integers(2, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
@settings(max_examples=60, deadline=None)
def test_folded_classes_are_those_that_colour_refinement_finds(
    count: int, pairs: list[tuple[int, int]]
) -> None:
    edges = [(a % count, b % count, "data") for a, b in pairs]
    folded = fold([0] * count, edges, rounds=count)
    graph = networkx.MultiDiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from((a, b) for a, b, _ in edges)
    around = {
        n: sorted(
            [(0, folded.class_of[p]) for p, _ in graph.in_edges(n)]
            + [(1, folded.class_of[s]) for _, s in graph.out_edges(n)]
        )
        for n in graph
    }
    for a, b in itertools.combinations(range(count), 2):
        if folded.class_of[a] == folded.class_of[b]:
            assert around[a] == around[b]
    assert sum(folded.members) == count
    total = sum(number * folded.members[target] for _, target, _, number in folded.edges)
    assert total == pytest.approx(len(edges))


def test_nodes_that_differ_within_the_rounds_stay_apart() -> None:
    chain = [(n, n + 1, "data") for n in range(9)]
    assert len(set(fold([0] * 10, chain, rounds=1).class_of)) == 3
    assert len(set(fold([0] * 10, chain, rounds=3).class_of)) == 7
    assert len(set(fold([0] * 10, chain, rounds=9).class_of)) == 10


def test_texts() -> None:
    graph = _graph(4, 4)
    document = json.loads(to_json(graph))
    assert len(document["nodes"]) == len(graph.nodes)
    assert document["regions"][0]["is_pipelined"] is True
    dot = to_dot(graph)
    assert dot.count("subgraph") == 1
    assert "4 × mul float32" in dot
    root = ElementTree.fromstring(to_svg(graph))
    boxes = root.findall("{http://www.w3.org/2000/svg}rect")
    assert len(boxes) == len(graph.nodes) + len(graph.regions[0].nodes)


@pytest.mark.parametrize("text", ["dot", "svg", "json"])
def test_command(text: str, tmp_path: Path) -> None:
    kernel = Path(__file__).resolve().parents[2] / "qor_model/data/kernels/hgnn/atax.py"
    out = tmp_path / "graph"
    assert run(["graph", str(kernel), "--format", text, "-o", str(out)]) == 0
    assert out.stat().st_size > 200
