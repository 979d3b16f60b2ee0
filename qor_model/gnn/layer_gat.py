"""Graph attention (Brody et al., "How attentive are graph attention networks?", 2105.14491)."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv

_HEADS = 4


class GatLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = GATv2Conv(
            width, width // _HEADS, heads=_HEADS, edge_dim=edge_width, add_self_loops=False
        )

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        result: Tensor = self.convolution(nodes, edges, edge_features)
        return result
