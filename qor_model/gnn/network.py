"""What the three networks share: encoder, message passing, pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from pom.qor_model.gnn.batch import GraphBatch
from pom.qor_model.gnn.encode import EDGE_WIDTH, NODE_WIDTH
from pom.qor_model.gnn.layers import make_layer
from pom.qor_model.graph_fold import LAYERS


class GraphNetwork(nn.Module):
    """Encoder, three message-passing layers with shortcuts, pooling.

    Parameters
    ----------
    layer : str
        Name of the message-passing layer (`pom.qor_model.gnn.layers`).
    width : int
        Width of embeddings, a multiple of four.
    extra : int
        Numbers per node beside its features (what super nodes carry).

    Notes
    -----
    Pooling is by sum and maximum, as in H-GNN; a node that stands for m equal copies counts m
    times, and the logarithm of the sum is taken, since designs span four orders of magnitude.
    How many copies it stands for is no feature of a node, so that it does not matter whether
    copies are drawn or counted.
    """

    def __init__(self, layer: str, width: int, extra: int = 0) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(NODE_WIDTH - 1 + extra, width), nn.ReLU())
        self.layers = nn.ModuleList(make_layer(layer, width, EDGE_WIDTH) for _ in range(LAYERS))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(LAYERS))
        self.pooled_width = 2 * width

    def forward(self, graphs: GraphBatch, extra: Tensor | None = None) -> Tensor:
        """Return one embedding per graph, shape (graphs, pooled_width)."""
        if not graphs.count:
            return graphs.nodes.new_zeros(0, self.pooled_width)
        features = graphs.nodes[:, :-1]
        if extra is not None:
            features = torch.cat([features, extra], dim=1)
        nodes = self.encoder(features)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            messages = layer(nodes, graphs.edges, graphs.edge_features)
            nodes = norm(nodes + torch.relu(messages))
        copies = torch.exp(graphs.nodes[:, -1:])
        positive = torch.relu(nodes)
        total = scatter(positive * copies, graphs.graph_of, 0, graphs.count, "sum")
        most = scatter(nodes, graphs.graph_of, 0, graphs.count, "max")
        return torch.cat([torch.log1p(total), most], dim=1)
