"""Many designs as one batch: every region once, whichever designs share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pom.qor_model.gnn.encode import EDGE_WIDTH, NODE_WIDTH, EncodedDesign, GraphArrays


@dataclass(frozen=True, slots=True, eq=False)
class GraphBatch:
    """Several graphs side by side.

    Attributes
    ----------
    nodes : Tensor, shape (n, NODE_WIDTH)
    edges : Tensor, shape (2, e)
    edge_features : Tensor, shape (e, EDGE_WIDTH)
    graph_of : Tensor, shape (n,)
        Which graph a node belongs to.
    count : int
        Number of graphs.
    """

    nodes: Tensor
    edges: Tensor
    edge_features: Tensor
    graph_of: Tensor
    count: int

    def to(self, device: torch.device) -> GraphBatch:
        """The same graphs on a device."""
        return GraphBatch(
            self.nodes.to(device), self.edges.to(device), self.edge_features.to(device),
            self.graph_of.to(device), self.count,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class DesignBatch:
    """Designs: application graphs, and their regions by the network that reads them.

    Attributes
    ----------
    application, pipelined, sequential : GraphBatch
    super_nodes : Tensor
        Application nodes that stand for regions.
    region_rows : Tensor
        Per super node: row of its region in (pipelined, then sequential) results.
    """

    application: GraphBatch
    pipelined: GraphBatch
    sequential: GraphBatch
    super_nodes: Tensor
    region_rows: Tensor

    def to(self, device: torch.device) -> DesignBatch:
        """The same designs on a device."""
        return DesignBatch(
            self.application.to(device), self.pipelined.to(device), self.sequential.to(device),
            self.super_nodes.to(device), self.region_rows.to(device),
        )  # fmt: skip


def _tensor(array: NDArray[Any]) -> Tensor:
    """On the processor, whatever device the caller's process makes its tensors on."""
    return torch.from_numpy(array)


def batch_graphs(graphs: Sequence[GraphArrays]) -> GraphBatch:
    """Put graphs side by side."""
    if not graphs:
        return GraphBatch(
            _tensor(np.zeros((0, NODE_WIDTH), np.float32)), _tensor(np.zeros((2, 0), np.int64)),
            _tensor(np.zeros((0, EDGE_WIDTH), np.float32)), _tensor(np.zeros(0, np.int64)), 0,
        )  # fmt: skip
    sizes = np.array([len(g.nodes) for g in graphs])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    edges = np.concatenate([g.edges + s for g, s in zip(graphs, starts, strict=True)], axis=1)
    return GraphBatch(
        _tensor(np.concatenate([g.nodes for g in graphs])),
        _tensor(edges),
        _tensor(np.concatenate([g.edge_features for g in graphs])),
        _tensor(np.repeat(np.arange(len(graphs)), sizes)),
        len(graphs),
    )


def batch_designs(designs: Sequence[EncodedDesign]) -> DesignBatch:
    """Put designs side by side."""
    groups: tuple[list[GraphArrays], list[GraphArrays]] = ([], [])
    rows: dict[int, tuple[int, int]] = {}
    for design in designs:
        for region, is_pipelined in zip(design.regions, design.is_pipelined, strict=True):
            if id(region) not in rows:
                group = 0 if is_pipelined else 1
                rows[id(region)] = (group, len(groups[group]))
                groups[group].append(region)
    nodes: list[int] = []
    region_rows: list[int] = []
    start = 0
    for design in designs:
        application = design.application
        for node, number in zip(application.region_nodes, application.regions, strict=True):
            group, row = rows[id(design.regions[int(number)])]
            nodes.append(start + int(node))
            region_rows.append(row + group * len(groups[0]))
        start += len(application.nodes)
    return DesignBatch(
        batch_graphs([d.application for d in designs]),
        batch_graphs(groups[0]),
        batch_graphs(groups[1]),
        _tensor(np.array(nodes, dtype=np.int64)),
        _tensor(np.array(region_rows, dtype=np.int64)),
    )
