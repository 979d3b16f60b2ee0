"""GraphSAGE with mean aggregation (Hamilton et al., arXiv 1706.02216); edges have no features."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import SAGEConv


class SageLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = SAGEConv(width, width)

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        result: Tensor = self.convolution(nodes, edges)
        return result
