from __future__ import annotations

import json

from pom.passes import dependence_report
from pom.passes.dependences import dependences
from tests.passes.nests import gemm, seidel


def test_text() -> None:
    lines = dependence_report.text(gemm(4)).splitlines()
    assert lines[0].split() == [
        "kind",
        "source",
        "target",
        "distance",
        "direction",
        "carried",
        "by",
        "remark",
    ]
    assert set(lines[1]) == {"-", " "}
    assert (
        "flow    mac: C[i, j]    mac: C[i, j]  (0, 0, 1)  (=, =, <)  k           reduction" in lines
    )
    assert lines[-2:] == ["scale: parallel loops i, j", "mac: parallel loops i, j"]


def test_table_has_a_row_per_dependence() -> None:
    rows = dependence_report.table(seidel())
    assert len(rows) == len(dependences(seidel()))
    assert all(len(row) == len(dependence_report.COLUMNS) for row in rows)


def test_graph() -> None:
    graph = dependence_report.graph(gemm())
    assert set(graph.nodes) == {"scale", "mac"}
    assert graph.number_of_edges() == 6
    data = graph.get_edge_data("mac", "mac")
    assert {e["kind"] for e in data.values()} == {"flow", "anti", "output"}
    assert all(e["loop"] == "k" and e["is_reduction"] for e in data.values())


def test_dot() -> None:
    text = dependence_report.dot(gemm())
    assert text.startswith('digraph "k" {')
    assert '"mac" -> "mac" [label="C (0, 0, 1) k", style=solid];' in text
    assert text.count("->") == 6


def test_json() -> None:
    content = json.loads(dependence_report.as_json(gemm()))
    assert content["statements"][1] == {
        "name": "mac",
        "loops": ["i", "j", "k"],
        "parallel_loops": ["i", "j"],
        "reduction": "add",
    }
    assert len(content["dependences"]) == 6
    flow = next(d for d in content["dependences"] if d["kind"] == "flow" and d["loop"] == "k")
    assert flow["distance"] == [[0, 0], [0, 0], [1, 1]]
    assert flow["level"] == 3
    assert flow["relation"].startswith("{ mac[")
