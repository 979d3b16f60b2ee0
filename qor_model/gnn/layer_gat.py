"""Graph attention (Brody et al., "How attentive are graph attention networks?", 2105.14491)."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv

from pom.qor_model.gnn.copies import edge_copies, edge_kinds, reweighted

_HEADS = 4


class GatLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = _Attention(
            width, width // _HEADS, heads=_HEADS, edge_dim=edge_width - 1, add_self_loops=False
        )

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        result: Tensor = self.convolution(nodes, edges, edge_features)
        return result


class _Attention(GATv2Conv):
    def edge_update(
        self,
        x_j: Tensor,
        x_i: Tensor,
        edge_attr: Tensor,
        index: Tensor,
        ptr: Tensor | None,
        dim_size: int | None,
    ) -> Tensor:
        alpha: Tensor = super().edge_update(x_j, x_i, edge_kinds(edge_attr), index, ptr, dim_size)
        return alpha * reweighted(alpha, edge_copies(edge_attr), index, dim_size or 0)
