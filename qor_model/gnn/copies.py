"""Edges that stand for several: what a layer has to do so that folded lanes change nothing.

A node of a folded graph stands for equal copies, and an edge for the edges that end in one copy
of its target (`pom.qor_model.graph_fold`).  A layer that counts every edge that often, in sums,
means and attention, gives each copy the embedding that it has in the graph with all lanes.  The
number itself is not a feature of the edge: in the graph with all lanes it is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.utils import scatter


def edge_copies(edge_features: Tensor) -> Tensor:
    """How many edges each edge stands for, shape (e,)."""
    return torch.expm1(edge_features[:, -1])


def edge_kinds(edge_features: Tensor) -> Tensor:
    """The features without that number, shape (e, EDGE_WIDTH - 1)."""
    return edge_features[:, :-1]


def weighted_mean(values: Tensor, copies: Tensor, target: Tensor, count: int) -> Tensor:
    """Mean of the edges' values at every target, 0 where none ends; shape (count, width)."""
    total = scatter(values * copies.unsqueeze(-1), target, 0, count, "sum")
    number = scatter(copies, target, 0, count, "sum")
    return total / number.clamp(min=1e-9).unsqueeze(-1)


def reweighted(attention: Tensor, copies: Tensor, target: Tensor, count: int) -> Tensor:
    """Factors that make a softmax over edges one over all edges that they stand for.

    Parameters
    ----------
    attention : Tensor, shape (e, heads)
        Softmax at every target, each edge counted once.
    """
    whole = scatter(attention * copies.unsqueeze(-1), target, 0, count, "sum")
    return copies.unsqueeze(-1) / whole.clamp(min=1e-9)[target]
