"""Training that is killed, on devices, and how wide intervals are; files that are no model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pom.cli.qor import KernelFiles, library_of
from pom.errors import PomError
from tests.qor_model.labels_data import KERNELS

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from safetensors.torch import save_file  # noqa: E402

from pom.qor_model.gnn.batch import batch_designs  # noqa: E402
from pom.qor_model.gnn.calibrate import _width, calibrate, rank  # noqa: E402
from pom.qor_model.gnn.fine_tune import fine_tune  # noqa: E402
from pom.qor_model.gnn.fit import new_network  # noqa: E402
from pom.qor_model.gnn.inner_loops import pretrain, read_inner_loops, region_errors  # noqa: E402
from pom.qor_model.gnn.layers import LAYERS  # noqa: E402
from pom.qor_model.gnn.learning_set import LearningSet  # noqa: E402
from pom.qor_model.gnn.leave_out import leave_one_kernel_out  # noqa: E402
from pom.qor_model.gnn.model import Model, forward, interval, stretch  # noqa: E402
from pom.qor_model.gnn.samples import TERMS, Sample  # noqa: E402
from pom.qor_model.gnn.train import choose_device, train  # noqa: E402
from pom.qor_model.gnn.weights import FORMAT, load, save  # noqa: E402
from tests.qor_model.test_gnn import METRICS, SMALL, all_samples  # noqa: E402

OPTIONS = replace(SMALL, epochs=4, boosters=0)
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.qor_model.test_gnn import METRICS, all_samples
from tests.qor_model.test_gnn_training import OPTIONS
from pom.qor_model.gnn.train import train

def tick(done, most):
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

train(all_samples(), METRICS, OPTIONS, None, Path(sys.argv[1]), tick=tick)
"""


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return all_samples()


@pytest.fixture(scope="module")
def model(samples: list[Sample]) -> Model:
    return train(samples, METRICS, OPTIONS)


@pytest.mark.parametrize("epoch", [2, 7])
def test_a_killed_training_goes_on_after_its_last_epoch(
    epoch: int, samples: list[Sample], model: Model, tmp_path: Path
) -> None:
    folder = tmp_path / "members"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(epoch)], cwd=root, check=False
    )
    assert done.returncode == -signal.SIGKILL
    kept = sorted(path.name.partition(".")[2] for path in folder.iterdir())
    assert kept == ["epoch.safetensors", "safetensors"][: 1 + (epoch > OPTIONS.epochs)]
    epochs: list[int] = []
    resumed = train(
        samples, METRICS, OPTIONS, None, folder, tick=lambda done, most: epochs.append(done)
    )
    assert epochs == list(range(epoch + 1, 2 * OPTIONS.epochs + 1))
    np.testing.assert_array_equal(forward(resumed, samples), forward(model, samples))
    np.testing.assert_array_equal(resumed.radius, model.radius)
    assert not folder.exists()


def test_training_stops_when_the_kernel_left_out_gets_no_better(samples: list[Sample]) -> None:
    epochs: list[int] = []
    train(
        samples, METRICS, replace(OPTIONS, epochs=200, patience=0, members=1, learning_rate=0.1),
        tick=lambda done, most: epochs.append(done),
    )  # fmt: skip
    assert len(epochs) < 200


def test_the_device_is_chosen_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device().type == "cpu"


@pytest.mark.parametrize("name", ["abacus", "cuda:9"])
def test_a_device_that_is_not_here_is_refused(name: str, samples: list[Sample]) -> None:
    with pytest.raises(PomError, match="POM-Q050"):
        train(samples, METRICS, OPTIONS, device=name)


def test_networks_make_no_tensor_on_another_device_than_theirs(samples: list[Sample]) -> None:
    """`meta` has shapes and no values: a tensor of the processor among its own is an error."""
    network = new_network(OPTIONS, len(METRICS)).to("meta")
    batch = batch_designs([s.graph for s in samples]).to(torch.device("meta"))
    given = torch.zeros(len(samples), len(TERMS), device="meta")
    result = network(batch, given)
    assert result.device.type == "meta"
    assert result.shape == (len(samples), len(METRICS))
    sequential = batch_designs([s.graph for s in samples if not any(s.graph.is_pipelined)])
    assert sequential.pipelined.count == 0
    result = network(sequential.to(torch.device("meta")), given[: len(samples) // 2])
    assert result.device.type == "meta"


@pytest.mark.parametrize("layer", sorted(LAYERS))
def test_nothing_is_made_on_the_default_device(layer: str, samples: list[Sample]) -> None:
    """A caller may have made another device the default one: here one without values."""
    options = replace(OPTIONS, epochs=1, members=1, layer=layer)
    expected = forward(train(samples, METRICS, options, device="cpu"), samples)
    with torch.device("meta"):
        model = train(samples, METRICS, options, device="cpu")
        found, widths = forward(model, samples), interval(model, samples)
        tuned = forward(fine_tune(model, samples[:6]), samples)
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(widths).all()
    assert np.isfinite(tuned).all()


def test_intervals_are_wider_where_errors_are_expected_to_be_larger() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(1200, 6))
    errors = np.abs(rng.normal(size=1200)) * 0.05 * np.exp(0.7 * inputs[:, 0])
    kernels = np.repeat([f"k{n}" for n in range(6)], 200)
    radius, difficulty = _width(errors[:1000], inputs[:1000], kernels[:1000])
    widths = radius * stretch(difficulty[None], inputs)[:, 0]
    fresh = slice(1000, None)
    assert 0.85 <= np.mean(errors[fresh] <= widths[fresh]) <= 0.95
    same = rank(errors[:1000])
    assert widths[fresh].mean() < 0.9 * same
    hard = inputs[fresh, 0] > 1.0
    assert np.mean(errors[fresh][hard] <= widths[fresh][hard]) > 0.8
    assert np.mean(errors[fresh][hard] <= same) < 0.7


def test_intervals_stay_equal_where_nothing_tells_errors_apart() -> None:
    rng = np.random.default_rng(1)
    errors, inputs = np.abs(rng.normal(size=300)), rng.normal(size=(300, 5))
    radius, difficulty = _width(errors, inputs, np.repeat(["a", "b", "c"], 100))
    assert radius == rank(errors)
    assert not difficulty.any()


@pytest.mark.parametrize(("kernels", "share"), [(3, 1.0), (4, 0.75**0.5), (8, 0.875**0.5)])
def test_intervals_of_trees_that_saw_one_kernel_less_are_narrowed(
    kernels: int, share: float, samples: list[Sample]
) -> None:
    far = [
        replace(s, kernel=f"k{n % kernels}", labels=tuple(3.0 ** (n % 5) * x for x in s.labels))
        for n, s in enumerate(samples)
    ]
    table = LearningSet.of(far, METRICS, replace(OPTIONS, boosters=1))
    rest = np.where(np.arange(len(far)) % 2, 0.05, -0.05)[:, None]
    found = calibrate(table, METRICS, [], table.correction - rest)
    assert found.tree_share.tolist() == [1.0] * len(METRICS)
    np.testing.assert_allclose(found.radius, 0.05 * share)


@pytest.mark.parametrize(("answer", "share"), [(1.33, 0.5), (1.3, 1.0), (0.04, 0.0)])
def test_trees_have_the_whole_say_only_where_that_is_clearly_better(
    answer: float, share: float, samples: list[Sample]
) -> None:
    """Trees that answer 1.33 times what is missing are 1.5 % better alone than with half a say."""
    signs = np.where(np.arange(len(samples)) % 2, 1.0, -1.0)
    made = [replace(s, kernel=f"k{n // 2 % 4}") for n, s in enumerate(samples)]
    table = LearningSet.of(made, METRICS, replace(OPTIONS, boosters=1))
    missing = np.repeat(signs[:, None], len(METRICS), 1)
    table = replace(table, correction=missing, centre=np.zeros(len(METRICS)))
    found = calibrate(table, METRICS, [], answer * missing)
    assert found.tree_share.tolist() == [share] * len(METRICS)


def test_the_width_of_an_interval_is_kept_in_the_file(
    samples: list[Sample], model: Model, tmp_path: Path
) -> None:
    weights = np.zeros_like(model.difficulty)
    weights[1, 0], weights[1, -1] = 0.4, 0.1
    changed = replace(model, difficulty=weights, radius=np.full(len(METRICS), 0.2))
    save(changed, tmp_path / "w.safetensors", "made up")
    found = interval(load(tmp_path / "w.safetensors"), samples)
    np.testing.assert_array_equal(found, interval(changed, samples))
    assert np.ptp(found[:, 1]) > 0
    assert np.all(found[:, 0] == 0.2)


def test_no_network_has_a_say_on_dsps(samples: list[Sample]) -> None:
    """Without trees, more lanes never need fewer of them, whatever the labels say."""
    odd = [
        replace(s, labels=(*s.labels[:3], s.labels[3] * (2.0 if n % 2 else 0.5)))
        for n, s in enumerate(samples)
    ]
    found = train(odd, METRICS, replace(SMALL, epochs=1, boosters=0))
    assert found.shrinkage[3] == found.tree_share[3] == 0.0
    assert train(odd, METRICS, replace(SMALL, epochs=1)).shrinkage[3] == 0.0
    dsp = np.array([s.term("dsp") for s in samples])
    predicted = np.expm1(forward(found, samples)[:, 3])
    order = np.argsort(dsp)
    assert np.all(np.diff(predicted[order]) >= -1e-6)


def _record(path: Path) -> tuple[dict[str, object], dict[str, torch.Tensor]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["pom"]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut", "no file of weights"),
        ("empty", "no file of weights"),
        ("foreign", "not of a model of POM"),
        ("future", "update POM"),
        ("past", "train them again"),
        ("terms", "other features"),
        ("tensor", "damaged"),
        ("shape", "damaged"),
        ("options", "damaged"),
        ("metrics", "damaged"),
        ("folder", "no file of weights"),
    ],
)
def test_files_that_are_no_model_of_this_version_are_refused(
    fault: str, words: str, model: Model, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    save(model, path, "made up")
    record, tensors = _record(path)
    match fault:
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case "empty":
            path.write_bytes(b"")
        case "folder":
            path.unlink()
            path.mkdir()
        case _:
            changed: dict[str, object] = {
                "future": {"format": FORMAT + 1}, "past": {"format": FORMAT - 1},
                "terms": {"terms": ["x"]}, "options": {"options": {"layer": "sage", "x": 1}},
                "metrics": {"metrics": ["latency", "lut"]},
            }.get(fault, {})  # fmt: skip
            if fault == "tensor":
                del tensors["network0.head.0.weight"]
            if fault == "shape":
                tensors["radius"] = torch.zeros(2)
            meta = {"pom": json.dumps({**record, **changed})} if fault != "foreign" else {}
            save_file(tensors, path, meta)
    with pytest.raises(PomError, match="POM-Q044") as caught:
        load(path)
    assert words in f"{caught.value.summary} {caught.value.hint}"


INNER = (
    "set,kernel,config,top_loop,loops,partition,latency,II,IL,lut,ff,dsp\n"
    "p,atax,a,lp4,lp4:p:2:f,A.1=1 A.2=1 y.1=2,77,2,10,680,833,5\n"
    "p,atax,b,lp4,lp4:p:4:f,A.1=1 A.2=2 y.1=4,45,2,10,980,1033,10\n"
    "np,gemm,c,lp5,lp5:n:1:f,A.2=1 B.1=1 C.2=1,900,14,14,480,433,5\n"
    "np,gemm,d,lp3,lp3:n:1:f lp4:n:1:f lp5:n:1:f,A.2=1 B.1=1 C.2=1,900,14,14,480,433,5\n"
    "p,zzz,e,lp4,lp4:p:2:f,A.1=1,77,2,10,680,833,5\n"
)


def test_measured_inner_loops_teach_the_networks_of_regions(
    samples: list[Sample], tmp_path: Path
) -> None:
    path = tmp_path / "inner.csv"
    path.write_text(INNER)
    loops, refused = read_inner_loops(path, KernelFiles(KERNELS / "hgnn"), library_of())
    assert [(x.name, x.is_pipelined) for x in loops] == [
        ("p/atax/a", True), ("p/atax/b", True), ("np/gemm/c", False),
    ]  # fmt: skip
    assert [name for name, _ in refused] == ["p/zzz/e"]
    options = replace(OPTIONS, is_residual=False, epochs=150, learning_rate=1e-2)
    torch.manual_seed(0)
    network = new_network(options, 4)
    before = region_errors(network, loops, options)
    pretrain(network, loops, options)
    assert max(region_errors(network, loops, options)) < 25.0 < min(before)
    assert not any(p.requires_grad for p in network.gnnp.parameters())
    assert all(p.requires_grad for p in network.graphs.parameters())


def test_the_published_method_keeps_what_the_regions_taught(
    samples: list[Sample], tmp_path: Path
) -> None:
    path = tmp_path / "inner.csv"
    path.write_text(INNER.replace("atax", "dot").replace("gemm", "scale"))
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    for name, other in (("dot", "atax"), ("scale", "gemm")):
        (kernels / f"{name}.py").write_text((KERNELS / "hgnn" / f"{other}.py").read_text())
    loops, _ = read_inner_loops(path, KernelFiles(kernels), library_of())
    options = replace(OPTIONS, is_residual=False, members=1, boosters=0, epochs=2)
    found = train(samples, METRICS, options, inner=loops)
    assert not any(p.requires_grad for p in found.networks[0].gnnp.parameters())
    protocol = leave_one_kernel_out(samples, METRICS, options, inner=loops)
    assert [r.kernel for r in protocol.rows] == ["dot", "dot2", "scale"]
    head = "variant,kernel,part,clk,est,latency,lut,ff,operators,pipelined_loops\n"
    path.write_text(head + "a__mini,atax,p,10,7,1,1,1,,\n")
    with pytest.raises(PomError, match="POM-Q040"):
        read_inner_loops(path, KernelFiles(kernels), library_of())
