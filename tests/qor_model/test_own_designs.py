"""From a team's own reports to a search that follows them, as commands."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from pom.cli import run
from tests.qor_model.test_import import CSYNTH, TCL, TIMING, UTILIZATION

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from safetensors.torch import save_file  # noqa: E402

from pom.qor_model.gnn.origin import Origin  # noqa: E402
from pom.qor_model.gnn.targets import Stage, read_measured  # noqa: E402
from pom.qor_model.gnn.weights import load, save  # noqa: E402

KERNEL = """
import pom

@pom.kernel
def mvscale(A: pom.f32[16, 16], x: pom.f32[16], y: pom.f32[16], alpha: pom.f32):
    for rows in pom.loop("rows", 0, 16):
        for cols in pom.loop("cols", 0, 16):
            y[rows] += alpha * A[rows, cols] * x[cols]
"""


def _run_folder(folder: Path, lanes: int, pipelined: bool) -> None:
    """What Vivado HLS 2018 and Vivado leave of one design."""
    report = folder / "solution1" / "syn" / "report"
    report.mkdir(parents=True)
    (report / "csynth.xml").write_text(
        CSYNTH.format(
            version="2018.2", part="xczu9eg-ffvb1156-2-e", top="mvscale", latency=9000 // lanes,
            dsp="DSP48E", lanes=5 * lanes, lut=800 * lanes, ff=700 * lanes,
        )
    )  # fmt: skip
    script = TCL.format(part="xczu9eg", directives='source "./x/solution1/directives.tcl"')
    (folder / "solution1" / "script.tcl").write_text(script.replace("gemm", "mvscale"))
    lines = [f'set_directive_unroll -factor {lanes} "mvscale/cols"']
    for dim, array in ((2, "A"), (1, "x")):
        split = f"-type cyclic -factor {lanes} -dim {dim}"
        lines.append(f'set_directive_array_partition {split} "mvscale" {array}')
    if pipelined:
        lines.append('set_directive_pipeline "mvscale/cols"')
    (folder / "solution1" / "directives.tcl").write_text("\n".join(lines) + "\n")
    impl = folder / "solution1" / "impl"
    impl.mkdir()
    (impl / "mvscale_utilization_routed.rpt").write_text(UTILIZATION.format(lut=500 * lanes))
    (impl / "mvscale_timing_summary_routed.rpt").write_text(TIMING)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernel, label file and weights of a team."""
    folder = tmp_path_factory.mktemp("team")
    for lanes in (1, 2, 4):
        for pipelined in (False, True):
            _run_folder(folder / "runs" / f"d{lanes}{int(pipelined)}", lanes, pipelined)
    (folder / "kernels").mkdir()
    (folder / "kernels" / "mvscale.py").write_text(KERNEL)
    assert run(["qor", "import", str(folder / "runs"), "-o", str(folder / "labels.csv")]) == 0
    assert run(_tune(folder, "mine.safetensors")) == 0
    return folder


def _tune(folder: Path, out: str, start: str = "routed") -> list[str]:
    return [
        "qor", "train", "--labels", str(folder / "labels.csv"), "--kernels",
        str(folder / "kernels"), "--fine-tune", start, "-o", str(folder / out),
    ]  # fmt: skip


def _estimate(folder: Path, *options: str) -> list[str]:
    return ["estimate", str(folder / "kernels" / "mvscale.py"), "--model", "gnn", *options]


def test_weights_of_ones_own_predict_in_the_tool(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for options in ((), ("--weights", str(place / "mine.safetensors"))):
        capsys.readouterr()
        assert run([*_estimate(place), *options, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["predicted"]["estimates"])
    assert found[0].keys() == found[1].keys()
    assert found[0]["lut"]["value"] != found[1]["lut"]["value"]


def test_the_weights_keep_for_which_tool_designs_were_estimated(place: Path) -> None:
    origin = Origin.of_file(read_measured(place / "labels.csv"))
    assert origin is not None
    assert origin.stage is Stage.ROUTED
    assert load(place / "mine.safetensors").origin == origin
    assert Origin.from_json(json.loads(json.dumps(origin.to_json()))) == origin
    mixed = place / "mixed.csv"
    mixed.write_text((place / "labels.csv").read_text().replace("2018.2", "2022.1", 1))
    assert Origin.of_file(read_measured(mixed)) is None


def test_a_search_follows_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "dse", str(place / "kernels" / "mvscale.py"), "--time-budget", "1", "--synthesise", "0",
        "-o", str(place / "out"), "--rerank", "gnn", "--json",
    ]  # fmt: skip
    assert run([*command, "--weights", str(place / "mine.safetensors")]) == 0
    assert json.loads(capsys.readouterr().out)["reranking"]["verdicts"]


@pytest.mark.parametrize("kind", ["missing", "cut off", "text", "pickled", "foreign"])
def test_what_are_no_weights_is_refused(
    kind: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.safetensors"
    match kind:
        case "cut off":
            path.write_bytes((place / "mine.safetensors").read_bytes()[:3000])
        case "text":
            path.write_text("hello")
        case "pickled":
            path.write_bytes(pickle.dumps({"a": 1}))
        case "foreign":
            save_file({"a": torch.zeros(2)}, path)
    assert run(_estimate(place, "--weights", str(path))) == 1
    assert "POM-Q044" in capsys.readouterr().err
    assert run(_tune(place, "x.safetensors", str(path))) == 1
    assert "POM-Q044" in capsys.readouterr().err
    # the search says so before it begins
    command = ["dse", str(place / "kernels" / "mvscale.py"), "-o", str(tmp_path / "out")]
    assert run([*command, "--weights", str(path)]) == 1
    assert "POM-X182" in capsys.readouterr().err


def test_weights_for_something_else_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load(place / "mine.safetensors")
    assert model.origin is not None
    save(replace(model, origin=None), tmp_path / "unknown.safetensors", "")
    assert run(_estimate(place, "--weights", str(tmp_path / "unknown.safetensors"))) == 1
    assert "POM-X182" in capsys.readouterr().err
    before = replace(model.origin, stage=Stage.SYNTHESIS)
    save(replace(model, origin=before), tmp_path / "early.safetensors", "")
    early = ["--weights", str(tmp_path / "early.safetensors")]
    assert run(_estimate(place, *early)) == 0
    assert "after synthesis, by the GNN" in capsys.readouterr().out
    command = ["dse", str(place / "kernels" / "mvscale.py"), "-o", str(tmp_path / "out")]
    assert run([*command, *early]) == 1
    assert "POM-X182" in capsys.readouterr().err
    assert run(["estimate", str(place / "kernels" / "mvscale.py"), *early]) == 2


def test_one_kernel_alone_is_corrected_and_not_trained_on(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = [
        part for part in _tune(place, "x.safetensors") if part not in ("--fine-tune", "routed")
    ]
    assert run(train) == 1
    message = capsys.readouterr().err
    assert "POM-Q042" in message
    assert "--fine-tune" in message


def test_a_loop_of_another_name_is_named_with_those_that_there_are(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mvscale.py").write_text(KERNEL.replace('"cols"', '"columns"'))
    command = _tune(place, "x.safetensors")
    command[command.index("--kernels") + 1] = str(tmp_path)
    assert run(command) == 1
    assert "columns, rows" in capsys.readouterr().err
