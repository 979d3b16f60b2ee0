"""GraphSAGE with mean aggregation (Hamilton et al., arXiv 1706.02216); edges have no features."""

from __future__ import annotations

from torch import Tensor, nn

from pom.qor_model.gnn.copies import edge_copies, weighted_mean


class SageLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.neighbours = nn.Linear(width, width)
        self.own = nn.Linear(width, width, bias=False)

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        mean = weighted_mean(nodes[edges[0]], edge_copies(edge_features), edges[1], nodes.shape[0])
        result: Tensor = self.neighbours(mean) + self.own(nodes)
        return result
