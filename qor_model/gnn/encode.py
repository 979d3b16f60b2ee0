"""Graphs as arrays: what the networks read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pom.qor_model.design_graph import (
    NUMBERS,
    DesignGraph,
    Edge,
    EdgeKind,
    Node,
    NodeKind,
)
from pom.qor_model.region import OpKind, ScalarKind
from pom.qor_model.schedule_result import LimitKind

KINDS = tuple(str(k) for k in NodeKind)
CATEGORIES = (*(str(k) for k in OpKind), *(str(k) for k in LimitKind), "register", "memory")
DTYPES = tuple(str(k) for k in ScalarKind)
EDGE_KINDS = tuple(str(k) for k in EdgeKind)
NODE_WIDTH = len(KINDS) + len(CATEGORIES) + len(DTYPES) + len(NUMBERS) + 1
EDGE_WIDTH = 2 * len(EDGE_KINDS) + 1
_KIND = {name: n for n, name in enumerate(KINDS)}
_CATEGORY = {name: len(KINDS) + n for n, name in enumerate(CATEGORIES)}
_DTYPE = {name: len(KINDS) + len(CATEGORIES) + n for n, name in enumerate(DTYPES)}
_EDGE = {name: n for n, name in enumerate(EDGE_KINDS)}


@dataclass(frozen=True, slots=True, eq=False)
class GraphArrays:
    """One graph.

    Attributes
    ----------
    nodes : ndarray of float32, shape (n, NODE_WIDTH)
        One-hot kind, category and number system, then log(1 + x) of the numbers and the log of
        the multiplicity.
    multiplicity : ndarray of float32, shape (n,)
    edges : ndarray of int64, shape (2, e)
        Sources and targets; every edge is there in both directions.
    edge_features : ndarray of float32, shape (e, EDGE_WIDTH)
        One-hot kind and direction, then log(1 + multiplicity).
    region_nodes, regions : ndarray of int64
        Super nodes, and the region of each.
    """

    nodes: NDArray[np.float32]
    multiplicity: NDArray[np.float32]
    edges: NDArray[np.int64]
    edge_features: NDArray[np.float32]
    region_nodes: NDArray[np.int64]
    regions: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedDesign:
    """A design graph: the application and its inner regions."""

    application: GraphArrays
    regions: tuple[GraphArrays, ...]
    is_pipelined: tuple[bool, ...]


def encode_design(
    graph: DesignGraph, known: dict[int, tuple[object, GraphArrays]] | None = None
) -> EncodedDesign:
    """Return the arrays of a design.

    Parameters
    ----------
    graph : DesignGraph
    known : dict, optional
        Arrays of regions by identity of the region, filled and used: designs share regions.
    """
    cache = {} if known is None else known
    regions = []
    for region in graph.regions:
        found = cache.get(id(region))
        if found is None:
            found = cache[id(region)] = (region, encode(region.nodes, region.edges))
        regions.append(found[1])
    application = encode(graph.nodes, graph.edges)
    return EncodedDesign(application, tuple(regions), tuple(r.is_pipelined for r in graph.regions))


def encode(nodes: tuple[Node, ...], edges: tuple[Edge, ...]) -> GraphArrays:
    """Return the arrays of one graph."""
    features = np.zeros((len(nodes), NODE_WIDTH), dtype=np.float32)
    for row, node in zip(features, nodes, strict=True):
        row[_KIND[node.kind]] = 1.0
        if node.category:
            row[_CATEGORY[node.category]] = 1.0
        if node.dtype:
            row[_DTYPE[node.dtype]] = 1.0
    numbers = np.array([n.numbers for n in nodes], dtype=np.float64).reshape(-1, len(NUMBERS))
    copies = np.array([n.multiplicity for n in nodes], dtype=np.float64)
    features[:, -1 - len(NUMBERS) : -1] = np.log1p(np.maximum(numbers, 0.0))
    features[:, -1] = np.log(np.maximum(copies, 1.0))
    count = len(edges)
    ends = np.zeros((2, 2 * count), dtype=np.int64)
    attributes = np.zeros((2 * count, EDGE_WIDTH), dtype=np.float32)
    if count:
        pairs = np.array([(e.source, e.target) for e in edges], dtype=np.int64).T
        ends[:, :count], ends[:, count:] = pairs, pairs[::-1]
        kinds = np.array([_EDGE[e.kind] for e in edges])
        attributes[np.arange(count), kinds] = 1.0
        attributes[np.arange(count) + count, kinds + len(EDGE_KINDS)] = 1.0
        forward = np.array([e.multiplicity for e in edges])
        backward = forward * copies[pairs[1]] / np.maximum(copies[pairs[0]], 1.0)
        attributes[:count, -1] = np.log1p(forward)
        attributes[count:, -1] = np.log1p(backward)
    supers = [n for n, node in enumerate(nodes) if node.region >= 0]
    return GraphArrays(
        features, copies.astype(np.float32), ends, attributes,
        np.array(supers, dtype=np.int64),
        np.array([nodes[n].region for n in supers], dtype=np.int64),
    )  # fmt: skip
