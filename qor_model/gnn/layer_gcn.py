"""Graph convolution (Kipf and Welling, arXiv 1609.02907); edges weigh by their multiplicity."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv


class GcnLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = GCNConv(width, width)

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        weight = torch.expm1(edge_features[:, -1])
        result: Tensor = self.convolution(nodes, edges, weight)
        return result
