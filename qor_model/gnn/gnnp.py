"""GNNp: pipelined inner regions (H-GNN, section III-C)."""

from __future__ import annotations

from torch import Tensor, nn

from pom.qor_model.gnn.batch import GraphBatch
from pom.qor_model.gnn.network import GraphNetwork


class GNNp(nn.Module):
    """Logarithms of the quality of results of pipelined regions.

    Parameters
    ----------
    layer, width
        As for `GraphNetwork`.
    metrics : int
        How many numbers are predicted per region.
    """

    def __init__(self, layer: str, width: int, metrics: int) -> None:
        super().__init__()
        self.graphs = GraphNetwork(layer, width)
        self.head = nn.Sequential(
            nn.Linear(self.graphs.pooled_width, width), nn.ReLU(), nn.Linear(width, metrics)
        )

    def forward(self, graphs: GraphBatch) -> Tensor:
        """Return the prediction, shape (graphs, metrics)."""
        result: Tensor = self.head(self.graphs(graphs))
        return result
