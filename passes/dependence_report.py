"""Dependences for people and programs: a table, a graph (networkx, dot), JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pom.ir.poly import PolyProgram
from pom.passes.carried import parallel_loops
from pom.passes.dependences import Dependence, dependences
from pom.passes.reductions import reductions

if TYPE_CHECKING:
    import networkx as nx

COLUMNS = ("kind", "source", "target", "distance", "direction", "carried by", "remark")
"""Headings of `table`."""

_DOT_STYLE = {"flow": "solid", "anti": "dashed", "output": "dotted"}


def vector(dependence: Dependence) -> str:
    """The distance vector: ``(0, 1, -3..3)``."""
    return f"({', '.join(map(str, dependence.distance))})"


def directions(dependence: Dependence) -> str:
    """The direction vector: ``(=, <, *)``."""
    return f"({', '.join(dependence.direction)})"


def remark(dependence: Dependence) -> str:
    """What else is known: a reduction, or why the dependence is only assumed."""
    if dependence.may_reason:
        return f"assumed: {dependence.may_reason}"
    if dependence.is_reduction:
        return "reduction, exact" if dependence.is_relaxable else "reduction"
    return ""


def table(program: PolyProgram) -> list[tuple[str, ...]]:
    """One row per dependence, in the order of `COLUMNS`."""
    return [
        (
            d.kind,
            f"{d.source}: {d.source_access}",
            f"{d.target}: {d.target_access}",
            vector(d),
            directions(d),
            d.loop or "none",
            remark(d),
        )
        for d in dependences(program)
    ]


def text(program: PolyProgram) -> str:
    """`table` as plain text with aligned columns, and the loops without dependences below it."""
    rows = [COLUMNS, *table(program)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines.append("")
    for statement, loops in parallel_loops(program).items():
        lines.append(f"{statement}: parallel loops {', '.join(loops) if loops else 'none'}")
    return "\n".join(lines) + "\n"


def graph(program: PolyProgram) -> nx.MultiDiGraph[str]:
    """Statements as nodes, dependences as edges.

    Edges have the attributes kind, array, distance, direction, loop (None where no loop carries
    it), is_reduction and is_may.
    """
    import networkx as nx

    result: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=program.name)
    for statement in program.statements:
        result.add_node(statement.name)
    for d in dependences(program):
        result.add_edge(
            d.source,
            d.target,
            kind=d.kind,
            array=d.array,
            distance=vector(d),
            direction=directions(d),
            loop=d.loop,
            is_reduction=d.is_reduction,
            is_may=d.is_may,
        )
    return result


def dot(program: PolyProgram) -> str:
    """The graph in Graphviz' language: flow solid, anti dashed, output dotted."""
    lines = [f"digraph {_quoted(program.name)} {{", "  node [shape=box];"]
    lines += [f"  {_quoted(s.name)};" for s in program.statements]
    for d in dependences(program):
        label = f"{d.array} {vector(d)}" + (f" {d.loop}" if d.loop else "")
        colour = ", color=gray" if d.is_may else ""
        lines.append(
            f"  {_quoted(d.source)} -> {_quoted(d.target)} "
            f"[label={_quoted(label)}, style={_DOT_STYLE[d.kind]}{colour}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def as_json(program: PolyProgram) -> str:
    """Dependences, parallel loops and reductions as JSON, for programs."""
    free, updates = parallel_loops(program), reductions(program)
    content = {
        "kernel": program.name,
        "statements": [
            {
                "name": s.name,
                "loops": [n.name for n in program.loops(s.name)],
                "parallel_loops": list(free[s.name]),
                "reduction": updates[s.name].op if s.name in updates else None,
            }
            for s in program.statements
        ],
        "dependences": [
            {
                "kind": d.kind,
                "source": d.source,
                "target": d.target,
                "array": d.array,
                "source_access": d.source_access,
                "target_access": d.target_access,
                "loops": list(d.loops),
                "distance": [[x.minimum, x.maximum] for x in d.distance],
                "direction": list(d.direction),
                "loop": d.loop,
                "level": d.level,
                "is_reduction": d.is_reduction,
                "is_relaxable": d.is_relaxable,
                "may_reason": d.may_reason or None,
                "relation": str(d.relation),
            }
            for d in dependences(program)
        ],
    }
    return json.dumps(content, indent=2) + "\n"
