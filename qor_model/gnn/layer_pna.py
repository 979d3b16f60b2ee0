"""Principal neighbourhood aggregation (Corso et al., arXiv 2004.05718)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import PNAConv

_DEGREES = (0, 1, 3, 4, 2, 1, 1, 1, 1)
"""Typical histogram of degrees of design graphs; only its mean logarithm enters the scalers."""


class PnaLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes."""

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.convolution = PNAConv(
            width,
            width,
            aggregators=["mean", "min", "max", "std"],
            scalers=["identity", "amplification", "attenuation"],
            deg=torch.tensor(_DEGREES),
            edge_dim=edge_width,
        )

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        result: Tensor = self.convolution(nodes, edges, edge_features)
        return result
