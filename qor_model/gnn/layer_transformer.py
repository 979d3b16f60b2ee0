"""Graph transformer layer (Shi et al., "Masked label prediction", arXiv 2009.03509)."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import TransformerConv

_HEADS = 4


class TransformerLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = TransformerConv(
            width, width // _HEADS, heads=_HEADS, edge_dim=edge_width
        )

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        result: Tensor = self.convolution(nodes, edges, edge_features)
        return result
