"""The networks on small designs: training, files, intervals, ranges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pom import devices
from pom.errors import PomError
from pom.qor_model.gnn.encode import EncodedDesign
from pom.qor_model.gnn.lazy_graph import LazyGraph
from pom.qor_model.gnn.samples import TERMS, Sample, SampleMaker
from pom.qor_model.latency import estimate_latency
from pom.qor_model.operators import OperatorLibrary
from pom.qor_model.region import Design, LoopDirectives, OpKind
from pom.qor_model.settings import DIRECTIVES_ONLY
from tests.qor_model.regions import (
    array,
    compute,
    design,
    dot_row,
    iv,
    load,
    loop,
    scale_row,
    store,
)

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from pom.qor_model.gnn.batch import batch_designs  # noqa: E402
from pom.qor_model.gnn.fine_tune import fine_tune  # noqa: E402
from pom.qor_model.gnn.gnng import GNNg  # noqa: E402
from pom.qor_model.gnn.layers import LAYERS, make_layer  # noqa: E402
from pom.qor_model.gnn.model import Model, TrainOptions, forward  # noqa: E402
from pom.qor_model.gnn.predict import predict  # noqa: E402
from pom.qor_model.gnn.tables import errors, measured  # noqa: E402
from pom.qor_model.gnn.train import train  # noqa: E402
from pom.qor_model.gnn.weights import load as load_weights  # noqa: E402
from pom.qor_model.gnn.weights import save, shipped  # noqa: E402

METRICS = ("latency", "lut", "ff", "dsp")
SMALL = TrainOptions(width=8, epochs=3, patience=3, members=2, boosters=1, rounds=20)


def _made(kernel: str, lanes: int, pipelined: bool) -> Design:
    directives = LoopDirectives(pipelined, None, lanes)
    row = dot_row() if kernel != "scale" else scale_row()
    arrays = {
        "scale": (array("C", 8, 64, d2=lanes),),
        "dot": (array("tmp", 8), array("A", 8, 64, d2=lanes), array("x", 64, d1=lanes)),
    }["scale" if kernel == "scale" else "dot"]
    return design(loop("i", 8, loop("j", 64, *row, directives=directives)), arrays=arrays)


def _maker(clock_ns: float = 10.0) -> SampleMaker:
    library = OperatorLibrary.for_device(devices.load("xczu9eg"), clock_ns)
    return SampleMaker(library, DIRECTIVES_ONLY)


def _sample(made: Design, kernel: str, maker: SampleMaker) -> Sample:
    result = estimate_latency(made, maker.library, DIRECTIVES_ONLY)
    found = maker.sample(made, result, kernel=kernel)
    truth = (found.terms[0], 0.5 * found.terms[1], 0.8 * found.terms[2], found.terms[3])
    return replace(found, labels=truth)


def all_samples() -> list[Sample]:
    """Three kernels, each with every number of lanes, pipelined and not."""
    maker = _maker()
    return [
        _sample(_made(kernel, lanes, pipelined), kernel, maker)
        for kernel in ("scale", "dot", "dot2")
        for lanes in (1, 2, 4, 8)
        for pipelined in (False, True)
    ]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return all_samples()


@pytest.fixture(scope="module")
def model(samples: list[Sample]) -> Model:
    return train(samples, METRICS, SMALL)


def test_corrections_are_learned_and_the_exact_metric_is_left_alone(
    samples: list[Sample], model: Model
) -> None:
    found = errors(forward(model, samples), measured(samples))
    assert found[0] < 0.01
    assert found[3] < 0.01
    assert max(found[1], found[2]) < 15.0


def test_training_is_repeatable(samples: list[Sample], model: Model) -> None:
    again = train(samples, METRICS, SMALL)
    np.testing.assert_array_equal(forward(model, samples), forward(again, samples))


def test_a_single_kernel_is_refused(samples: list[Sample]) -> None:
    with pytest.raises(PomError, match="POM-Q042"):
        train([s for s in samples if s.kernel == "dot"], METRICS, SMALL)


def test_files_bring_back_the_same_model(
    samples: list[Sample], model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    save(model, path, "a test")
    loaded = load_weights(path)
    np.testing.assert_array_equal(forward(loaded, samples), forward(model, samples))
    assert predict(samples[:2], path) == predict(samples[:2], model)


def test_files_that_are_no_weights_are_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(PomError, match="POM-Q044"):
        load_weights(path)
    path.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(PomError, match="POM-Q044"):
        load_weights(path)
    with pytest.raises(PomError, match="POM-Q043"):
        save(model, tmp_path / "none" / "w.safetensors", "a test")


def test_intervals_hold_the_value(samples: list[Sample], model: Model) -> None:
    for prediction in predict(samples, model):
        assert not prediction.warnings
        for item in prediction.estimates:
            assert item.low <= item.value <= item.high
    assert predict([], model) == ()


def test_out_of_range_says_so(model: Model) -> None:
    exp = load_c = load("C", iv("i"), iv("j"))
    exp = compute(OpKind.EXP, load_c)
    odd = design(
        loop("i", 8, loop("j", 64, load_c, exp, store(exp, "C", iv("i"), iv("j")))),
        arrays=(array("C", 8, 64),),
    )
    (found,) = predict([_sample(odd, "odd", _maker(3.33))], model)
    text = " ".join(found.warnings)
    assert "clock 3.33 ns" in text
    assert "exp: not in the training designs" in text
    other = replace(_sample(_made("dot", 1, True), "dot", _maker()), device="xc7z020")
    assert "device xc7z020" in " ".join(predict([other], model)[0].warnings)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_makes_a_network_that_learns(name: str, samples: list[Sample]) -> None:
    torch.manual_seed(0)
    network = GNNg(name, 8, 2)
    batch = batch_designs([s.graph for s in samples])
    result = network(batch)
    assert result.shape == (len(samples), 2)
    result.sum().backward()
    assert all(p.grad is not None for p in network.graphs.encoder.parameters())
    assert any(
        float(p.grad.abs().sum()) > 0 for p in network.gnnp.parameters() if p.grad is not None
    )


def test_unknown_layer_is_refused() -> None:
    with pytest.raises(PomError, match="POM-Q041"):
        make_layer("none", 8, 4)


def test_a_graph_that_no_network_reads_is_not_made(samples: list[Sample], model: Model) -> None:
    def refuse() -> EncodedDesign:
        raise AssertionError("the graph was made")

    none = np.zeros(len(METRICS))
    silent = replace(model, shrinkage=none)
    blind = [replace(s, lazy_graph=LazyGraph(refuse)) for s in samples]
    np.testing.assert_array_equal(forward(silent, blind), forward(silent, samples))
    assert predict(blind, silent) == predict(samples, silent)
    # trees that decide alone need none either, networks with a say do
    assert not replace(model, shrinkage=none + 1.0, tree_share=none + 1.0).reads_graphs
    speaking = replace(model, shrinkage=none + 1.0, tree_share=none + 0.5)
    with pytest.raises(AssertionError):
        forward(speaking, blind)


def test_batching_does_not_change_a_prediction(samples: list[Sample], model: Model) -> None:
    together = forward(model, samples)
    apart = np.concatenate([forward(model, [s]) for s in samples])
    np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-4)


def test_as_published_needs_no_analytical_features(samples: list[Sample]) -> None:
    options = replace(SMALL, is_residual=False, members=1)
    found = train(samples, METRICS, options)
    changed = [replace(s, terms=tuple(0.0 for _ in s.terms)) for s in samples]
    np.testing.assert_array_equal(forward(found, samples), forward(found, changed))


def test_a_few_designs_correct_a_model(samples: list[Sample], model: Model) -> None:
    other = [
        replace(s, kernel="other", labels=tuple(x * f for x, f in zip(s.labels, (1, 3, 2, 1), strict=True)))
        for s in samples
    ]  # fmt: skip
    tuned = fine_tune(model, other[::2])
    before = errors(forward(model, other[1::2]), measured(other[1::2]))
    after = errors(forward(tuned, other[1::2]), measured(other[1::2]))
    assert before[1] > 50.0
    assert after[1] < 20.0
    assert after[2] < before[2] / 2
    assert after[0] < 1.0
    assert "other" in tuned.kernels
    with pytest.raises(PomError, match="POM-Q045"):
        fine_tune(model, other[:4])


def test_fewer_designs_than_a_quantile_needs_make_no_interval_narrower(
    samples: list[Sample], model: Model
) -> None:
    wide = replace(model, radius=np.full(len(METRICS), 0.5))
    predicted = np.expm1(forward(model, samples))
    exact = [replace(s, labels=tuple(row)) for s, row in zip(samples, predicted, strict=True)]
    assert (fine_tune(wide, exact[:8]).radius >= 0.5).all()
    assert (fine_tune(wide, exact[:9]).radius < 0.1).all()


@pytest.mark.parametrize("stage", ["synthesis", "routed"])
def test_shipped_weights_are_small_and_predict(stage: str, samples: list[Sample]) -> None:
    assert shipped(stage).stat().st_size < 10 << 20
    for prediction in predict(samples[:3], stage):
        lut = prediction.estimate("lut")
        assert 0.0 <= lut.low <= lut.value <= lut.high
    with pytest.raises(PomError, match="POM-Q044"):
        shipped("none")


def test_the_farthest_feature_comes_first_and_less_of_something_is_only_noted(
    samples: list[Sample], model: Model
) -> None:
    place = {name: n for n, name in enumerate(TERMS)}
    terms = list(samples[0].terms)
    terms[place["lut_accesses"]] = terms[place["ff_accesses"]] = 1e6
    terms[place["dsp"]] = 3.0 * float(np.expm1(model.high[place["dsp"]]))
    low = replace(model, low=model.low.copy())
    low.low[place["memory_bits"]] = 9.0
    low.low[place["lut"]] = 12.0
    (found,) = predict([replace(samples[0], terms=tuple(terms))], low)
    words = [text.partition(" ")[0] for text in found.warnings]
    assert words == ["accesses", "LUT", "DSP"]
    assert "1e+06: the most in training is" in found.warnings[0]
    assert "the least in training is" in found.warnings[1]
    assert [text.rpartition(": ")[0] for text in found.notes] == ["memory bits 0"]
