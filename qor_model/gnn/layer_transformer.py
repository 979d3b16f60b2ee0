"""Graph transformer layer (Shi et al., "Masked label prediction", arXiv 2009.03509)."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import TransformerConv

from pom.qor_model.gnn.copies import edge_copies, edge_kinds, reweighted

_HEADS = 4


class TransformerLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = _Attention(width, width // _HEADS, heads=_HEADS, edge_dim=edge_width - 1)

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        result: Tensor = self.convolution(nodes, edges, edge_features)
        return result


class _Attention(TransformerConv):
    def message(
        self,
        query_i: Tensor,
        key_j: Tensor,
        value_j: Tensor,
        edge_attr: Tensor,
        index: Tensor,
        ptr: Tensor | None,
        size_i: int | None,
    ) -> Tensor:
        found: Tensor = super().message(
            query_i, key_j, value_j, edge_kinds(edge_attr), index, ptr, size_i
        )
        # the layer keeps the softmax of its last call here
        factor = reweighted(self._alpha, edge_copies(edge_attr), index, size_i or 0)
        return found * factor.unsqueeze(-1)
