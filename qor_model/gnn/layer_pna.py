"""Principal neighbourhood aggregation (Corso et al., arXiv 2004.05718)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from pom.qor_model.gnn.copies import edge_copies, edge_kinds, weighted_mean

_LOG_DEGREE = 1.4
"""Mean of log(1 + degree) over the nodes of typical design graphs, which scales degrees."""


class PnaLayer(nn.Module):
    """One layer; see `pom.qor_model.gnn.layers.Layer` for the shapes.

    Mean, minimum, maximum and standard deviation of the messages, each as it is, amplified and
    attenuated by the logarithm of the degree (equation 5 of the paper).
    """

    def __init__(self, width: int, edge_width: int) -> None:
        super().__init__()
        self.message = nn.Linear(2 * width + edge_width - 1, width)
        self.update = nn.Linear(13 * width, width)

    def forward(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""
        source, target, count = edges[0], edges[1], nodes.shape[0]
        copies = edge_copies(edge_features)
        inputs = [nodes[target], nodes[source], edge_kinds(edge_features)]
        messages = self.message(torch.cat(inputs, dim=1))
        mean = weighted_mean(messages, copies, target, count)
        square = weighted_mean(messages * messages, copies, target, count)
        deviation = (square - mean * mean).clamp(min=1e-6).sqrt()
        least = scatter(messages, target, 0, count, "min")
        most = scatter(messages, target, 0, count, "max")
        found = torch.cat([mean, least, most, deviation], dim=1)
        degree = torch.log1p(scatter(copies, target, 0, count, "sum")).unsqueeze(-1) / _LOG_DEGREE
        scaled = [nodes, found, found * degree, found / degree.clamp(min=0.1)]
        result: Tensor = self.update(torch.cat(scaled, dim=1))
        return result
