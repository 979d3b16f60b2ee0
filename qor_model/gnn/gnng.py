"""GNNg: the whole application, with a super node for each inner region (H-GNN, section III-D)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pom.qor_model.gnn.batch import DesignBatch
from pom.qor_model.gnn.gnnnp import GNNnp
from pom.qor_model.gnn.gnnp import GNNp
from pom.qor_model.gnn.network import GraphNetwork

REGION_METRICS = 4
"""Latency, LUT, FF and DSP of a region, as logarithms."""


class GNNg(nn.Module):
    """The hierarchical network.

    Parameters
    ----------
    layer, width
        As for `GraphNetwork`.
    metrics : int
        How many numbers are predicted per design.
    inputs : int
        Analytical features per design given to the last stage; 0 as published.
    dropout : float
    """

    def __init__(
        self, layer: str, width: int, metrics: int, inputs: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.gnnp = GNNp(layer, width, REGION_METRICS)
        self.gnnnp = GNNnp(layer, width, REGION_METRICS)
        self.graphs = GraphNetwork(layer, width, REGION_METRICS)
        self.head = nn.Sequential(
            nn.Linear(self.graphs.pooled_width + inputs, width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(width, metrics),
        )  # fmt: skip

    def forward(self, designs: DesignBatch, inputs: Tensor | None = None) -> Tensor:
        """Return the prediction, shape (designs, metrics)."""
        regions = torch.cat([self.gnnp(designs.pipelined), self.gnnnp(designs.sequential)])
        extra = regions.new_zeros(len(designs.application.nodes), REGION_METRICS)
        extra = extra.index_copy(0, designs.super_nodes, regions[designs.region_rows])
        pooled = self.graphs(designs.application, extra)
        if inputs is not None:
            pooled = torch.cat([pooled, inputs], dim=1)
        result: Tensor = self.head(pooled)
        return result
