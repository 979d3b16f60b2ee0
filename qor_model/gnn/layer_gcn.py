"""Graph convolution (Kipf and Welling, arXiv 1609.02907); edges weigh by their multiplicity."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from pom.qor_model.gnn.copies import edge_copies


class GcnLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes.

    A node's own loop is added beside edges between copies of it, which `GCNConv` takes for it.
    """

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        copies, count = edge_copies(edge_features), nodes.shape[0]
        degree = 1.0 + scatter(copies, edges[1], 0, count, "sum")
        share = degree.rsqrt().unsqueeze(-1)
        own = self.linear(nodes) * share
        sent = scatter(own[edges[0]] * copies.unsqueeze(-1), edges[1], 0, count, "sum")
        result: Tensor = (sent + own) * share + self.bias
        return result
