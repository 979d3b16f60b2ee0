"""Level 1 as a networkx graph: which statement makes and uses which array."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pom.ir.graph import Call, Kernel
from pom.passes.graph_to_poly import graph_to_poly
from pom.passes.isl_build import accesses

if TYPE_CHECKING:
    import networkx as nx

Node = tuple[str, str]
"""``("statement", name)`` or ``("array", name)``."""


def to_networkx(kernel: Kernel) -> nx.MultiDiGraph[Node]:
    """The producer/consumer graph of a kernel.

    Returns
    -------
    networkx.MultiDiGraph
        Nodes ``("array", name)`` with ``type`` and ``role`` (``argument`` or ``local``), and
        ``("statement", name)`` with ``domain`` (isl text), ``callee`` (empty for an assignment)
        and ``location``. One edge per distinct access, from the array to the statement that reads
        it and from the statement to the array that it writes, with ``array``, ``access`` (as
        written), ``relation`` (isl text, instances to elements) and ``is_may`` (the relation is
        only an upper bound, since a subscript depends on data).
    """
    import networkx as nx

    program = graph_to_poly(kernel)
    graph: nx.MultiDiGraph[Node] = nx.MultiDiGraph(name=kernel.name)
    local = {a.name for a in kernel.locals}
    for name, array in kernel.arrays.items():
        role = "local" if name in local else "argument"
        graph.add_node(("array", name), type=str(array.type), role=role)
    for statement in program.statements:
        callee = statement.body.callee if isinstance(statement.body, Call) else ""
        node: Node = ("statement", statement.name)
        graph.add_node(node, domain=statement.domain, callee=callee, location=statement.location)
        for info in accesses(program, statement):
            array_node: Node = ("array", info.array)
            ends = (node, array_node) if info.is_write else (array_node, node)
            graph.add_edge(
                *ends,
                array=info.array,
                access=info.text,
                relation=str(info.relation),
                is_may=info.is_may,
            )
    return graph
