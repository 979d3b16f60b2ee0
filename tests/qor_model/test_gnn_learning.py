"""Trees beside the networks, few measured designs, interrupted trainings, what is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pom.cli import run
from pom.qor_model.latency import estimate_latency
from pom.qor_model.schedule_result import BodySchedule, LoopResult
from tests.qor_model.labels_data import KERNELS
from tests.qor_model.test_gnn import METRICS, SMALL, _made, _maker, all_samples

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from pom.qor_model.gnn.fine_tune import fine_tune
from pom.qor_model.gnn.leave_out import groups_of, learning_curve
from pom.qor_model.gnn.limits import noise
from pom.qor_model.gnn.model import forward
from pom.qor_model.gnn.nearby import fit_nearby
from pom.qor_model.gnn.samples import Sample
from pom.qor_model.gnn.shape import body_shape
from pom.qor_model.gnn.sums import Parts
from pom.qor_model.gnn.train import train
from pom.qor_model.gnn.trees import Forest, grow, tree_inputs
from pom.qor_model.gnn.weights import load, save


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return all_samples()


def test_the_arrays_say_what_the_booster_says() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 7))
    target = inputs[:, 0] * (inputs[:, 1] > 0) + 0.1 * rng.normal(size=300)
    target[::9] = np.nan
    forest = grow(inputs, target, 30, 1, 3)
    booster = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=30, max_leaf_nodes=10, learning_rate=0.05,
        min_samples_leaf=10, max_features=0.3, random_state=3,
    )  # fmt: skip
    known = ~np.isnan(target)
    booster.fit(inputs[known], target[known])
    np.testing.assert_allclose(forest.predict(inputs), booster.predict(inputs), atol=1e-9)


def test_without_measurements_the_trees_say_nothing() -> None:
    forest = grow(np.zeros((4, 2)), np.full(4, np.nan), 5, 2, 0)
    assert forest.predict(np.ones((3, 2))).tolist() == [0.0, 0.0, 0.0]


def test_files_bring_back_trees_and_corrections(samples: list[Sample], tmp_path: Path) -> None:
    model = train(samples, METRICS, replace(SMALL, boosters=1, rounds=10))
    model = replace(model, tree_share=np.array([0.0, 1.0, 0.5, 0.0]))
    changed = [replace(s, labels=tuple(2 * x for x in s.labels)) for s in samples]
    model = fine_tune(model, changed)
    assert model.nearby is not None
    save(model, tmp_path / "m.safetensors", "made up")
    found = load(tmp_path / "m.safetensors")
    np.testing.assert_allclose(forward(found, samples), forward(model, samples), atol=1e-5)
    assert tree_inputs(samples).shape[0] == len(samples)


def test_an_interrupted_training_goes_on_with_the_same_result(
    samples: list[Sample], tmp_path: Path
) -> None:
    options = replace(SMALL, boosters=0)
    folder = tmp_path / "members"

    def stop(line: str) -> None:
        if line.startswith("member 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(samples, METRICS, options, stop, folder)
    kept = list(folder.glob("*.safetensors"))
    assert len(kept) == 1
    resumed = train(samples, METRICS, options, None, folder)
    np.testing.assert_array_equal(
        forward(resumed, samples), forward(train(samples, METRICS, options), samples)
    )
    assert not folder.exists()


def test_a_cut_off_checkpoint_is_trained_again(samples: list[Sample], tmp_path: Path) -> None:
    options = replace(SMALL, members=1, boosters=0)
    folder = tmp_path / "members"
    with pytest.raises(KeyboardInterrupt):
        train(samples, METRICS, options, _interrupt, folder)
    next(folder.glob("*.safetensors")).write_bytes(b"cut off")
    resumed = train(samples, METRICS, options, None, folder)
    np.testing.assert_array_equal(
        forward(resumed, samples), forward(train(samples, METRICS, options), samples)
    )


def _interrupt(line: str) -> None:
    raise KeyboardInterrupt


def test_few_designs_correct_their_nests_and_nothing_that_is_exact() -> None:
    rng = np.random.default_rng(1)
    nests = rng.normal(size=(9, 4))
    own = 0.3 + 0.3 * np.sin(2 * nests[:, 0])
    pairs = np.array([(a, b) for a in range(9) for b in range(9) if a != b])
    pairs = pairs[rng.permutation(len(pairs))]
    counts = {"nest_lut": rng.uniform(100, 300, 9)}
    parts = Parts(
        nests, np.zeros((72, 1)), np.repeat(np.arange(72), 2), pairs.ravel(), counts
    )  # fmt: skip
    share = counts["nest_lut"][pairs] / counts["nest_lut"][pairs].sum(1, keepdims=True)
    rest = np.stack([(share * own[pairs]).sum(1), np.zeros(72)], axis=1)
    rest[::8, 1] = 2.0
    first = np.arange(72) < 20
    found, left = fit_nearby(parts.chosen(first), ("lut", "bram_18k"), rest[first], {})
    after = found.correction(parts, ("lut", "bram_18k"), {})
    assert np.abs(rest - after)[~first, 0].mean() < 0.2 * np.abs(rest[~first, 0]).mean()
    assert after[:, 1].tolist() == [0.0] * 72
    assert left.shape == (20, 2)


def test_nests_that_the_trees_do_not_tell_apart_have_one_error() -> None:
    """All features differ at random, and only the first one, which the trees read, matters."""
    rng = np.random.default_rng(3)
    nests = rng.normal(size=(60, 8))
    rest = np.where(nests[:, :1] > 0, 0.4, -0.2)
    tree = Forest(
        np.array([0, 0, 0]), np.array([0.0, np.inf, np.inf]), np.array([1, 1, 2]),
        np.array([2, 1, 2]), np.zeros(3), np.array([0, 0]), 0.0, 0.5,
    )  # fmt: skip
    each = np.arange(60)
    parts = Parts(nests, np.zeros((60, 1)), each, each, {"nest_lut": np.ones(60)})
    first = each < 20
    errors = []
    for trees in ({"lut": tree}, {}):
        found, left = fit_nearby(parts.chosen(first), ("lut",), rest[first], trees)
        after = found.correction(parts, ("lut",), trees)
        errors.append(np.abs(rest - after)[~first].max())
        assert left[:, 0].mean() < np.abs(rest[first]).mean()
    assert errors[0] < 0.02
    assert errors[1] > 0.1


def test_the_nest_that_needs_most_operators_speaks_for_itself_on_both_families() -> None:
    rng = np.random.default_rng(2)
    kinds = rng.normal(size=(9, 6))
    nests = np.vstack([np.column_stack([kinds, np.full(9, family)]) for family in (0.0, 1.0)])
    blocks = np.tile(rng.permutation(9) + 1.0, 2)
    pairs = np.array([(a, b) for a in range(9) for b in range(9) if a != b])
    pairs = np.vstack([pairs, pairs + 9])
    wrong = np.where(kinds[:, 0] > 0.3, 0.7, 0.0)
    most = np.where(blocks[pairs[:, 0]] > blocks[pairs[:, 1]], pairs[:, 0], pairs[:, 1]) % 9
    rest = wrong[most][:, None]
    counts = {"nest_dsp": np.column_stack([blocks, np.zeros(18)]), "nest_lut": blocks}
    parts = Parts(nests, np.zeros((144, 1)), np.repeat(np.arange(144), 2), pairs.ravel(), counts)
    # of one family only, and most designs are right
    first = np.isin(np.arange(144), rng.permutation(72)[:25])
    assert np.median(rest[first]) < 0.01
    found, _ = fit_nearby(parts.chosen(first), ("dsp",), rest[first], {})
    seen = np.isin(most, most[first])
    after = found.correction(parts, ("dsp",), {})
    np.testing.assert_allclose(after[seen], rest[seen], atol=0.08)
    assert np.abs(after[~seen]).max(initial=0.0) < 0.01


def test_random_parts_mix_the_kernels(samples: list[Sample]) -> None:
    assert groups_of(samples, "kernel") == [s.kernel for s in samples]
    parts = groups_of(samples, "random")
    assert len(set(parts)) == 10
    assert parts == groups_of(samples, "random")


def test_a_learning_curve_has_more_and_more_designs(samples: list[Sample]) -> None:
    points = learning_curve(samples, METRICS, replace(SMALL, epochs=1, members=1, boosters=0))
    assert [p.designs for p in points] == [4, 8]
    assert all(p.kernels == 2 and len(p.mape) == 4 for p in points)


def test_designs_with_the_same_features_say_how_well_anything_can_do(samples: list[Sample]) -> None:
    first = samples[0]
    second = next(s for s in samples if s.terms != first.terms)
    assert noise([first, second], METRICS).designs == 0
    values = [(100.0, 200.0, 40.0, 6.0), (120.0, 200.0, 60.0, 6.0)]
    twins = [replace(first, labels=v, nests=n) for v, n in zip(
        values, (first.nests, first.nests[::-1]), strict=True
    )]  # fmt: skip
    other = replace(first, device="another", labels=values[1])
    found = noise([*twins, second, other], METRICS)
    assert found.designs == 2
    # the median is that of the logarithms
    middle = np.sqrt(101 * 121) - 1, np.sqrt(41 * 61) - 1
    wanted = (
        50 * ((middle[0] - 100) / 100 + (120 - middle[0]) / 120), 0.0,
        50 * ((middle[1] - 40) / 40 + (60 - middle[1]) / 60), 0.0,
    )  # fmt: skip
    np.testing.assert_allclose(found.mape, wanted, atol=1e-9)


def test_the_shape_of_a_body_counts_what_waits() -> None:
    maker = _maker()
    made = _made("scale", 1, True)
    result = estimate_latency(made, maker.library, maker.settings)
    (body,) = (b for f in result.functions for x in f.loops for b in _all_bodies(x))
    shape = body_shape(body)
    assert shape.ops == len(body.ops)
    assert shape.accesses == 2
    assert shape.chosen == 0
    assert shape.bits >= 0


def _all_bodies(loop: LoopResult) -> list[BodySchedule]:
    found = list(loop.schedules)
    for child in loop.children:
        found += _all_bodies(child)
    return [b for b in found if b.ops]


def test_the_curve_and_random_parts_as_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.qor_model.test_gnn_commands import HEADER

    lines = [HEADER]
    for kernel, loops, arrays in (
        ("atax", 4, "tmp.1=1 A.2={0} x.1={0} y.1=1"),
        ("gemm", 5, "A.1=1 B.1=1 C.2={0}"),
        ("gesummv", 3, "tmp.1=1 A.2={0} B.2={0} x.1={0} y.1=1"),
    ):
        for lanes in (1, 2, 4, 8):
            cells = ["0,1,1", f"1,{lanes},1", *["0,1,1"] * (loops - 2)]
            row = ",".join(cells + [",,"] * (5 - loops))
            values = f"{80000 // lanes},{800 * lanes},{700 * lanes},{5 * lanes},1,9"
            lines.append(f"{kernel},c{lanes},{row},{arrays.format(lanes)},{values}\n")
    path = tmp_path / "labels.csv"
    path.write_text("".join(lines))
    common = ["--labels", str(path), "--kernels", str(KERNELS / "hgnn")]
    quick = ["--epochs", "1", "--members", "1", "--width", "8"]
    keep = ["--resume", str(tmp_path / "kept")]
    # twelve designs: the curve is one point
    curve = ["qor", "learning-curve", *common, *quick, *keep, "--boosters", "1"]
    assert run(curve) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["2", "4"]
    assert run([*curve, "--limits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [p["designs"] for p in found["curve"]] == [4]
    assert len(found["random_split"]["kernels"]) == 10
    assert found["same_features"] == {
        "designs": 0, "mape": dict.fromkeys(("latency", "lut", "ff", "dsp"))
    }  # fmt: skip
    assert run([*curve, "--limits"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["same", "features", "(0)"]
    command = ["qor", "compare", *common, *quick, *keep, "--boosters", "0", "--split", "random"]
    assert run([*command, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert all(name.startswith("part") for name in record["models"][0]["kernels"])
