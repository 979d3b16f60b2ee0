"""GNNnp: inner regions that are not pipelined (H-GNN, section III-C)."""

from __future__ import annotations

from pom.qor_model.gnn.gnnp import GNNp


class GNNnp(GNNp):
    """As `GNNp`, with weights of its own: operators are shared and iterations do not overlap."""
