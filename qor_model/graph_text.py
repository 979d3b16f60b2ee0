"""A design graph as Graphviz text, as a picture, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from pom.qor_model.design_graph import NUMBERS, DesignGraph, Edge, Node, NodeKind

_SHAPES = {
    NodeKind.OPERATION: "ellipse",
    NodeKind.ARRAY: "cylinder",
    NodeKind.BANK: "box3d",
    NodeKind.CONSTANT: "plaintext",
    NodeKind.CONTROL: "hexagon",
    NodeKind.LOOP: "box",
    NodeKind.REGION: "doubleoctagon",
}
_COLOURS = {
    NodeKind.OPERATION: "#cfe2f3",
    NodeKind.ARRAY: "#d9ead3",
    NodeKind.BANK: "#d9ead3",
    NodeKind.CONSTANT: "#ffffff",
    NodeKind.CONTROL: "#fff2cc",
    NodeKind.LOOP: "#ead1dc",
    NodeKind.REGION: "#d5a6bd",
}
_STYLES = {"data": "solid", "control": "dotted", "memory access": "bold", "nesting": "dashed"}
_COLUMN, _ROW, _WIDTH, _HEIGHT = 170, 54, 150, 34


def to_json(graph: DesignGraph) -> str:
    """The graph as JSON: the application graph, then its regions."""

    def part(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, Any]:
        return {
            "nodes": [
                {
                    "kind": str(n.kind), "label": n.label, "category": n.category,
                    "type": n.dtype, "multiplicity": n.multiplicity, "region": n.region,
                    "numbers": {k: v for k, v in zip(NUMBERS, n.numbers, strict=True) if v},
                }
                for n in nodes
            ],
            "edges": [
                {"source": e.source, "target": e.target, "kind": str(e.kind),
                 "multiplicity": e.multiplicity}
                for e in edges
            ],
        }  # fmt: skip

    regions = [
        {"name": r.name, "is_pipelined": r.is_pipelined, **part(r.nodes, r.edges)}
        for r in graph.regions
    ]
    whole = {"name": graph.name, **part(graph.nodes, graph.edges), "regions": regions}
    return json.dumps(whole, indent=2)


def to_dot(graph: DesignGraph) -> str:
    """The graph as Graphviz text, one cluster for each inner region."""
    lines = [f"digraph {json.dumps(graph.name)} {{", "  rankdir=TB; compound=true;"]
    lines += _dot_part("a", graph.nodes, graph.edges, "  ")
    for number, region in enumerate(graph.regions):
        kind = "pipelined" if region.is_pipelined else "not pipelined"
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(f"    label={json.dumps(f'{region.name} ({kind})')};")
        lines += _dot_part(f"r{number}_", region.nodes, region.edges, "    ")
        lines.append("  }")
    for index, node in enumerate(graph.nodes):
        if node.region >= 0:
            lines.append(f"  a{index} -> r{node.region}_0 [style=dashed, arrowhead=none];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_part(prefix: str, nodes: Sequence[Node], edges: Sequence[Edge], indent: str) -> list[str]:
    lines = [
        f"{indent}{prefix}{n} [label={json.dumps(caption(node), ensure_ascii=False)}, shape={_SHAPES[node.kind]}, "
        f'style=filled, fillcolor="{_COLOURS[node.kind]}"];'
        for n, node in enumerate(nodes)
    ]
    for edge in edges:
        number = "" if edge.multiplicity == 1 else f', label="{edge.multiplicity:g}"'
        style = _STYLES[edge.kind]
        lines.append(
            f"{indent}{prefix}{edge.source} -> {prefix}{edge.target} [style={style}{number}];"
        )
    return lines


def caption(node: Node) -> str:
    """What a picture says about a node."""
    text = node.label if node.multiplicity == 1 else f"{node.multiplicity} × {node.label}"
    match node.kind:
        case NodeKind.OPERATION:
            return f"{text} {node.dtype}{node.number('width'):g}"
        case NodeKind.LOOP | NodeKind.REGION:
            ii = node.number("ii")
            return f"{text} TC={node.number('trip_count'):g}" + (f" II={ii:g}" if ii else "")
        case NodeKind.ARRAY if node.number("banks") > 1:
            return f"{text} ({node.number('banks'):g} banks)"
        case _:
            return text


def to_svg(graph: DesignGraph) -> str:
    """The graph as a picture, drawn without other programs: a column a layer, a band a graph."""
    parts: list[str] = []
    top, width = 20, 0
    bands: list[tuple[str, Sequence[Node], Sequence[Edge]]] = [
        (graph.name, graph.nodes, graph.edges)
    ]
    bands += [(r.name, r.nodes, r.edges) for r in graph.regions]
    for title, nodes, edges in bands:
        parts.append(f'<text x="10" y="{top}" font-weight="bold">{escape(title)}</text>')
        drawn, right, height = _svg_part(nodes, edges, top + 14)
        parts += drawn
        top, width = top + height + 44, max(width, right)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 20}" height="{top}" '
        'font-family="sans-serif" font-size="11">'
    )
    marker = (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
    )
    return "\n".join([head, marker, *parts, "</svg>"]) + "\n"


def _svg_part(nodes: Sequence[Node], edges: Sequence[Edge], top: int) -> tuple[list[str], int, int]:
    layers = _layers(len(nodes), edges)
    filled = [0] * (max(layers, default=0) + 1)
    places: list[tuple[int, int]] = []
    for layer in layers:
        places.append((10 + layer * _COLUMN, top + filled[layer] * _ROW))
        filled[layer] += 1
    drawn = []
    dashes = {"data": "", "control": "2 3", "memory access": "", "nesting": "6 4"}
    for edge in edges:
        (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
        weight = 2 if edge.kind == "memory access" else 1
        drawn.append(
            f'<path d="M{x1 + _WIDTH} {y1 + _HEIGHT // 2}L{x2} {y2 + _HEIGHT // 2}" stroke="#888" '
            f'stroke-width="{weight}" stroke-dasharray="{dashes[edge.kind]}" fill="none" '
            'marker-end="url(#end)"/>'
        )
    for (x, y), node in zip(places, nodes, strict=True):
        drawn.append(
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" '
            f'fill="{_COLOURS[node.kind]}" stroke="#555"/>'
            f'<text x="{x + _WIDTH // 2}" y="{y + 21}" text-anchor="middle">'
            f"{escape(caption(node))}</text>"
        )
    return drawn, 10 + len(filled) * _COLUMN, max(filled, default=0) * _ROW


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """Longest path from a source, cycles cut off after as many steps as there are nodes."""
    layers = [0] * count
    for _ in range(min(count, 24)):
        changed = False
        for edge in edges:
            if edge.source != edge.target and layers[edge.target] <= layers[edge.source] < 23:
                layers[edge.target] = layers[edge.source] + 1
                changed = True
        if not changed:
            break
    return layers
