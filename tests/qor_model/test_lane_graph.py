"""Lanes counted instead of drawn: the networks say the same of both graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pom.qor_model import design_graph, fold
from pom.qor_model.design_graph import DesignGraph, GraphMaker
from pom.qor_model.graph_fold import Folded
from pom.qor_model.graph_fold import fold as fold_graph
from pom.qor_model.latency import LatencyModel
from pom.qor_model.region import Design, LoopDirectives
from pom.qor_model.schedule_result import DesignResult
from pom.qor_model.settings import DIRECTIVES_ONLY, VITIS_DEFAULTS, ToolSettings
from tests.qor_model.regions import array, design, dot_row, loop, scale_row
from tests.qor_model.test_fold import LIBRARY, _bodies, _is_folded, _matrix_product, _stencil

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from pom.qor_model.gnn.batch import batch_designs  # noqa: E402
from pom.qor_model.gnn.encode import encode_design  # noqa: E402
from pom.qor_model.gnn.gnng import GNNg  # noqa: E402
from pom.qor_model.gnn.layers import LAYERS  # noqa: E402
from pom.qor_model.gnn.samples import SampleMaker  # noqa: E402


def _predict(graph: DesignGraph, layer: str = "sage") -> np.ndarray:
    torch.manual_seed(1)
    network = GNNg(layer, 8, 3).eval()
    with torch.no_grad():
        return network(batch_designs([encode_design(graph)])).double().numpy()


def _same_alone(
    colours: list[object], edges: list[tuple[int, int, object]], rounds: int = 3
) -> Folded:
    """No folding: every node is a class of its own."""
    count = len(colours)
    parallel: dict[tuple[int, int, object], float] = {}
    for edge in edges:
        parallel[edge] = parallel.get(edge, 0.0) + 1.0
    joined = tuple((s, t, k, n) for (s, t, k), n in parallel.items())
    return Folded(tuple(range(count)), (1,) * count, joined)


def _drawn(item: Design, tool: ToolSettings, monkeypatch: pytest.MonkeyPatch) -> DesignGraph:
    """The graph with every lane in it."""
    result = LatencyModel(item, LIBRARY, tool).estimate()
    with monkeypatch.context() as patch:
        patch.setattr(design_graph, "fold", _same_alone)
        return GraphMaker(LIBRARY, tool).graph(item, result)


def _nodes(graph: DesignGraph) -> int:
    return sum(len(part.nodes) for part in (graph, *graph.regions))


@st.composite
def _unrolled(draw: st.DrawFn) -> Design:
    """A row operation with any number of lanes and banks, pipelined or not."""
    lanes, banks = (
        draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12])),
        draw(st.sampled_from([1, 2, 4, 8])),
    )
    asked = LoopDirectives(draw(st.booleans()), None, lanes)
    if draw(st.booleans()):
        row, arrays = scale_row(), (array("C", 8, 24, d2=banks),)
    else:
        row = dot_row()
        arrays = (array("tmp", 8), array("A", 8, 24, d2=banks), array("x", 24, d1=lanes))
    inner = loop("j", 24, *row, directives=asked)
    return design(loop("i", 8, inner), arrays=arrays)


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_equal_lanes_in_one_node_change_no_prediction(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On random unrolled designs, with every lane in the graph or equal ones in one node."""
    fewer: list[bool] = []

    @given(_unrolled(), st.sampled_from([DIRECTIVES_ONLY, VITIS_DEFAULTS]))
    @settings(max_examples=15, deadline=None)
    def check(item: Design, tool: ToolSettings) -> None:
        result = LatencyModel(item, LIBRARY, tool).estimate()
        once = GraphMaker(LIBRARY, tool).graph(item, result)
        drawn = _drawn(item, tool, monkeypatch)
        fewer.append(_nodes(once) < _nodes(drawn))
        np.testing.assert_allclose(
            _predict(once, layer), _predict(drawn, layer), rtol=1e-4, atol=1e-4
        )

    check()
    assert any(fewer)


def _results(item: Design, tool: ToolSettings) -> tuple[DesignResult, DesignResult]:
    folded = LatencyModel(item, LIBRARY, tool, folds=True).estimate()
    return folded, LatencyModel(item, LIBRARY, tool).estimate()


def _assert_same_graph(item: Design, tool: ToolSettings = DIRECTIVES_ONLY) -> bool:
    """Compare the graph of a folded schedule with that of all lanes; whether it was needed."""
    folded, full = _results(item, tool)
    maker = GraphMaker(LIBRARY, tool)
    known = maker.readable(item, folded)
    first, second = maker.graph(item, known), GraphMaker(LIBRARY, tool).graph(item, full)
    assert [len(r.nodes) for r in first.regions] == [len(r.nodes) for r in second.regions]
    copies = [sum(n.multiplicity for n in r.nodes) for r in first.regions]
    assert copies == [sum(n.multiplicity for n in r.nodes) for r in second.regions]
    np.testing.assert_allclose(_predict(first), _predict(second), rtol=1e-4, atol=1e-4)
    terms = [SampleMaker(LIBRARY, tool).sample(item, result).terms for result in (folded, full)]
    np.testing.assert_allclose(*terms, rtol=1e-9)
    return _is_folded(known)


@pytest.mark.parametrize("shape", [(9, 8, 1), (12, 1, 1), (1, 9, 1)])
def test_counted_lanes_of_a_matrix_product_have_the_graph_of_drawn_ones(
    shape: tuple[int, int, int],
) -> None:
    _assert_same_graph(_matrix_product(*shape))


@pytest.mark.parametrize("offsets", [(0,), (0, 1), (0, 1, 2)])
def test_counted_lanes_of_a_stencil(offsets: tuple[int, ...]) -> None:
    counted = _assert_same_graph(_stencil(16, offsets, 16), VITIS_DEFAULTS)
    assert counted or len(offsets) > 1


def test_counted_lanes_of_random_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "WORTH", 9.0)
    counted: list[bool] = []

    @given(_bodies(), st.sampled_from([DIRECTIVES_ONLY, VITIS_DEFAULTS]))
    @settings(max_examples=30, deadline=None)
    def check(item: Design, tool: ToolSettings) -> None:
        counted.append(_assert_same_graph(item, tool))

    check()
    assert any(counted)


def test_a_folded_body_is_never_read_as_an_empty_one() -> None:
    """Lanes whose classes are not known from narrow bodies are laid out first."""
    item = _stencil(32, (0, 3), 32)
    folded, _ = _results(item, VITIS_DEFAULTS)
    assert _is_folded(folded)
    graph = GraphMaker(LIBRARY, VITIS_DEFAULTS).graph(
        item, GraphMaker(LIBRARY, VITIS_DEFAULTS).readable(item, folded)
    )
    (region,) = graph.regions
    assert sum(n.multiplicity for n in region.nodes if n.category == "add") == 32


def test_classes_that_grow_with_the_lanes_are_not_combined() -> None:
    chain = [fold_graph([0] * n, [(k, k + 1, "data") for k in range(n - 1)]) for n in (3, 4)]
    assert design_graph.combine(chain, [-5, 6]) is None
    pairs = [fold_graph([0, 1] * n, [(2 * k, 2 * k + 1, "data") for k in range(n)]) for n in (1, 2)]
    wide = design_graph.combine(pairs, [-8, 9])
    assert wide is not None
    assert wide.members == (10, 10)
    assert wide.edges == ((0, 1, "data", 1.0),)
    assert design_graph.combine(pairs, [1, -1]) is None
