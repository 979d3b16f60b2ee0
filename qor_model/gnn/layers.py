"""The message-passing layers that a network can be made of, by name."""

from __future__ import annotations

import importlib
from typing import Protocol

from torch import Tensor, nn

from pom.errors import PomError

LAYERS = {
    "gat": "pom.qor_model.gnn.layer_gat:GatLayer",
    "gcn": "pom.qor_model.gnn.layer_gcn:GcnLayer",
    "pna": "pom.qor_model.gnn.layer_pna:PnaLayer",
    "sage": "pom.qor_model.gnn.layer_sage:SageLayer",
    "transformer": "pom.qor_model.gnn.layer_transformer:TransformerLayer",
}


class Layer(Protocol):
    """A layer: (n, width) nodes, (2, e) edges, (e, edge_width) features -> (n, width) nodes."""

    def __call__(self, nodes: Tensor, edges: Tensor, edge_features: Tensor) -> Tensor:
        """Return the nodes' next embeddings."""


def make_layer(name: str, width: int, edge_width: int) -> nn.Module:
    """Return a layer by name.

    Raises
    ------
    PomError
        ``POM-Q041`` if there is no such layer.
    """
    place = LAYERS.get(name)
    if place is None:
        raise PomError("POM-Q041", f"no layer {name!r}", hint="one of " + ", ".join(LAYERS))
    module, _, attribute = place.partition(":")
    layer: nn.Module = getattr(importlib.import_module(module), attribute)(width, edge_width)
    return layer
