"""Inner loops that were measured alone: what GNNp and GNNnp of the published method learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pom.errors import PomError
from pom.qor_model.design_graph import GraphMaker
from pom.qor_model.evaluate import (
    DesignSource,
    LibraryOf,
    check_names,
    library_part,
    outline_nests,
    settings_of,
)
from pom.qor_model.gnn.batch import GraphBatch, batch_graphs
from pom.qor_model.gnn.encode import GraphArrays, encode
from pom.qor_model.gnn.gnng import REGION_METRICS, GNNg
from pom.qor_model.gnn.gnnp import GNNp
from pom.qor_model.gnn.model import TrainOptions, without_cycles
from pom.qor_model.labels import METRICS, Label, LabelKind, read_labels
from pom.qor_model.latency import LatencyModel
from pom.qor_model.leaf import all_loops
from pom.qor_model.region import LoopDirectives

_SCALE = 10.0
"""Logarithms of cycles and areas are divided by it, so that super nodes carry numbers around 1."""
_GROUP = 64


@dataclass(frozen=True, slots=True, eq=False)
class InnerLoop:
    """One loop without loops inside, with what was measured of it.

    Attributes
    ----------
    name, kernel : str
    graph : GraphArrays
    is_pipelined : bool
        Whether GNNp learns from it, or GNNnp.
    values : tuple of float
        Latency (cycles), LUT, FF, DSP; NaN where not measured.
    """

    name: str
    kernel: str
    graph: GraphArrays
    is_pipelined: bool
    values: tuple[float, ...]


def read_inner_loops(
    path: Path,
    source: DesignSource,
    library_of: LibraryOf,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[InnerLoop, ...], tuple[tuple[str, str], ...]]:
    """Inner loops of a label file, and the labels that were refused with the reason.

    A loop that still has loops inside with its directives is no inner loop, and is left out.

    Raises
    ------
    PomError
        ``POM-Q040`` if the file has no inner loops; and as `read_labels`.
    """
    file = read_labels(path)
    if file.kind is not LabelKind.HGNN_INNER:
        raise PomError("POM-Q040", f"{path.name} has designs, not inner loops")
    models: dict[tuple[str, str, float], tuple[LatencyModel, GraphMaker]] = {}
    found: list[InnerLoop] = []
    refused: list[tuple[str, str]] = list(file.unread)
    for number, label in enumerate(file.labels):
        key = (label.kernel, label.part, label.clock_ns)
        try:
            if key not in models:
                design = outline_nests(source.design(label.kernel, label.size, label.dtype))
                library = library_of(library_part(file.kind, label.part), label.clock_ns)
                settings = settings_of(file.kind)
                models[key] = (
                    LatencyModel(design, library, settings), GraphMaker(library, settings)
                )  # fmt: skip
            loop = _inner_loop(*models[key], label)
        except PomError as error:
            refused.append((label.design, f"{error.code}: {error.summary}"))
            continue
        if loop is not None:
            found.append(loop)
        if progress is not None:
            progress(number + 1, len(file.labels))
    return tuple(found), tuple(refused)


def _inner_loop(model: LatencyModel, maker: GraphMaker, label: Label) -> InnerLoop | None:
    check_names(model.design, label)
    asked = dict(label.loops)
    for function in model.design.functions:
        for item in all_loops(function.body):
            asked.setdefault(item.name, LoopDirectives(False, None, 1, False))
    partitions = dict(label.partitions)
    result = model.estimate(asked, partitions)
    design = model.with_directives(asked, partitions)
    for timing in result.functions:
        for loop in timing.loops:
            while loop.children and label.top_loop not in loop.names and len(loop.children) == 1:
                loop = loop.children[0]
            if label.top_loop in loop.names and not loop.children:
                region = maker.region(design, timing.name, loop)
                values = dict(label.values)
                return InnerLoop(
                    label.design, label.kernel, encode(region.nodes, region.edges),
                    region.is_pipelined, tuple(values.get(m, float("nan")) for m in METRICS),
                )  # fmt: skip
    return None


def pretrain(network: GNNg, loops: Sequence[InnerLoop], options: TrainOptions) -> None:
    """Train GNNp and GNNnp of a network on measured loops, and fix their weights.

    Each has its own labels, as published; one without any is left free for the designs.
    """
    for part, is_pipelined in ((network.gnnp, True), (network.gnnnp, False)):
        own = [loop for loop in loops if loop.is_pipelined is is_pipelined]
        if own:
            _fit_regions(part, own, options)
            part.requires_grad_(False)


def _fit_regions(part: GNNp, loops: Sequence[InnerLoop], options: TrainOptions) -> None:
    rng = np.random.default_rng(options.seed)
    order = rng.permutation(len(loops))
    groups: list[tuple[GraphBatch, torch.Tensor]] = []
    for start in range(0, len(order), _GROUP):
        chosen = [loops[int(n)] for n in order[start : start + _GROUP]]
        values = np.array([loop.values for loop in chosen], dtype=np.float64)
        target = torch.from_numpy((np.log1p(values) / _SCALE).astype(np.float32))
        groups.append((_batch(chosen, options), target))
    optimiser = torch.optim.AdamW(
        part.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    part.train()
    for _ in range(options.epochs):
        for number in rng.permutation(len(groups)):
            batch, target = groups[int(number)]
            known = ~torch.isnan(target)
            optimiser.zero_grad()
            predicted = part(batch)[:, :REGION_METRICS]
            loss = torch.nn.functional.smooth_l1_loss(predicted[known], target[known], beta=0.01)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(part.parameters(), 1.0)
            optimiser.step()


def region_errors(
    network: GNNg, loops: Sequence[InnerLoop], options: TrainOptions
) -> tuple[float, ...]:
    """Mean absolute error of latency, LUT, FF and DSP of measured loops, percent."""
    found = []
    with torch.no_grad():
        for part, is_pipelined in ((network.gnnp, True), (network.gnnnp, False)):
            own = [loop for loop in loops if loop.is_pipelined is is_pipelined]
            if own:
                predicted = np.expm1(_SCALE * part(_batch(own, options)).numpy())
                truth = np.array([x.values for x in own])
                found.append(np.abs(predicted - truth) / np.maximum(truth, 1.0))
    return tuple(100.0 * np.nanmean(np.concatenate(found), axis=0))


def _batch(loops: Sequence[InnerLoop], options: TrainOptions) -> GraphBatch:
    batch = batch_graphs([loop.graph for loop in loops])
    if not options.is_residual:
        without_cycles(batch)
    return batch
